/// The forward pass of decoders and all of its parts, compiled once: see nibble/compile.hpp.
#pragma once

// In the order data flows:
// clang-format off
#include "nibble/model/decoder/config-impl.hpp"
#include "nibble/model/decoder/rotations-impl.hpp"
#include "nibble/model/decoder/self_attention-impl.hpp"
#include "nibble/model/decoder/latent_attention-impl.hpp"
#include "nibble/model/decoder/short_convolution-impl.hpp"
#include "nibble/model/decoder/mamba2_mixer-impl.hpp"
#include "nibble/model/decoder/delta_net-impl.hpp"
#include "nibble/model/decoder/feed_forwards-impl.hpp"
#include "nibble/model/decoder/expert_feed_forward-impl.hpp"
#include "nibble/model/decoder/dense_beside_experts-impl.hpp"
#include "nibble/model/decoder/per_layer_input-impl.hpp"
#include "nibble/model/decoder/alternating_updates-impl.hpp"
#include "nibble/model/decoder/decoder-impl.hpp"
#include "nibble/model/decoder/draft_head-impl.hpp"
// clang-format on
