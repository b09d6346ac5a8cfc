/// All that is compiled once but SIMD kernels, architectures and quantizing: a part of nibble/compile.hpp. Never include it
/// yourself.
#pragma once

// In the order data flows, as in nibble.hpp:
// clang-format off

#include "nibble/error-impl.hpp"

#include "nibble/core/aligned-impl.hpp"
#include "nibble/core/thread_pool-impl.hpp"

#include "nibble/file/byte_reader-impl.hpp"
#include "nibble/file/readable_file-impl.hpp"
#include "nibble/file/mapped_file-impl.hpp"
#include "nibble/file/output_file-impl.hpp"

#include "nibble/gguf/value-impl.hpp"
#include "nibble/gguf/metadata-impl.hpp"
#include "nibble/gguf/header-impl.hpp"
#include "nibble/gguf/reader-impl.hpp"
#include "nibble/gguf/writer-impl.hpp"

#include "nibble/kv/pool-impl.hpp"
#include "nibble/kv/sequence-impl.hpp"

#include "nibble/layers/compute-impl.hpp"

#include "nibble/text/utf8-impl.hpp"
#include "nibble/text/json-impl.hpp"
#include "nibble/text/special_tokens-impl.hpp"
#include "nibble/text/vocab-impl.hpp"
#include "nibble/text/normalize-impl.hpp"
#include "nibble/text/pre_tokenizer-impl.hpp"
#include "nibble/text/bpe-impl.hpp"
#include "nibble/text/spm-impl.hpp"
#include "nibble/text/wordpiece-impl.hpp"
#include "nibble/text/charsmap-impl.hpp"
#include "nibble/text/unigram-impl.hpp"
#include "nibble/text/piece_trie-impl.hpp"
#include "nibble/text/rwkv-impl.hpp"
#include "nibble/text/tokenizer-impl.hpp"
#include "nibble/text/template/jinja_template-impl.hpp"
#include "nibble/text/chat-impl.hpp"

#include "nibble/model/hyperparameters-impl.hpp"
#include "nibble/model/tensor_source-impl.hpp"
#include "nibble/model/pooling-impl.hpp"
#include "nibble/model/decoder/config-impl.hpp"
#include "nibble/model/decoder/latent_attention-impl.hpp"
#include "nibble/model/decoder/per_layer_input-impl.hpp"
#include "nibble/model/decoder/rotations-impl.hpp"
#include "nibble/model/decoder/self_attention-impl.hpp"
#include "nibble/model/decoder/alternating_updates-impl.hpp"
#include "nibble/model/decoder/dense_beside_experts-impl.hpp"
#include "nibble/model/decoder/expert_feed_forward-impl.hpp"
#include "nibble/model/decoder/short_convolution-impl.hpp"
#include "nibble/model/decoder/mamba2_mixer-impl.hpp"
#include "nibble/model/decoder/delta_net-impl.hpp"
#include "nibble/model/decoder/feed_forwards-impl.hpp"
#include "nibble/model/any_model-impl.hpp"
#include "nibble/model/step_runner-impl.hpp"
#include "nibble/model/evaluator-impl.hpp"
#include "nibble/model/batch_evaluator-impl.hpp"
#include "nibble/model/embedder-impl.hpp"
#include "nibble/model/roofline-impl.hpp"

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

#include "nibble/generate/stop_strings-impl.hpp"
#include "nibble/generate/event_builder-impl.hpp"
#include "nibble/generate/transcript-impl.hpp"
#include "nibble/generate/generation-impl.hpp"
#include "nibble/generate/session-impl.hpp"
#include "nibble/generate/generate_each-impl.hpp"

// clang-format on
