/// Steps of sampling and their registry, compiled once: see nibble/compile.hpp.
#pragma once

// In the order data flows:
// clang-format off
#include "nibble/sample/softmax-impl.hpp"
#include "nibble/sample/candidates-impl.hpp"
#include "nibble/sample/sampler-impl.hpp"
#include "nibble/sample/parameters-impl.hpp"
#include "nibble/sample/min_p-impl.hpp"
#include "nibble/sample/typical_p-impl.hpp"
#include "nibble/sample/penalties-impl.hpp"
#include "nibble/sample/logit_bias-impl.hpp"
#include "nibble/sample/top_n_sigma-impl.hpp"
#include "nibble/sample/xtc-impl.hpp"
#include "nibble/sample/dynamic_temperature-impl.hpp"
#include "nibble/sample/repetitions-impl.hpp"
#include "nibble/sample/sequence_breakers-impl.hpp"
#include "nibble/sample/dry-impl.hpp"
#include "nibble/sample/no_repeat_ngram-impl.hpp"
#include "nibble/sample/mirostat-impl.hpp"
#include "nibble/sample/adaptive_p-impl.hpp"
#include "nibble/sample/registry-impl.hpp"
// clang-format on
