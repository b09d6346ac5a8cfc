/// All that is compiled once and is not named in packaging/ by a file of its own: a part of nibble/compile.hpp. Never include
/// it yourself.
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
#include "nibble/kv/prefix_cache-impl.hpp"
#include "nibble/kv/sequence-impl.hpp"
#include "nibble/kv/saved_sequence-impl.hpp"

#include "nibble/layers/compute-impl.hpp"

#include "nibble/text/utf8-impl.hpp"
#include "nibble/text/json-impl.hpp"
#include "nibble/text/spellings-impl.hpp"
#include "nibble/text/infill-impl.hpp"
#include "nibble/text/answer/format-impl.hpp"
#include "nibble/text/answer/json_scanner-impl.hpp"
#include "nibble/text/answer/arguments-impl.hpp"
#include "nibble/text/answer/parser-impl.hpp"
#include "nibble/text/answer/parser_calls-impl.hpp"
#include "nibble/text/answer/parser_arguments-impl.hpp"
#include "nibble/text/chat-impl.hpp"

#include "nibble/model/hyperparameters-impl.hpp"
#include "nibble/model/tensor_source-impl.hpp"
#include "nibble/model/pooling-impl.hpp"
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

#include "nibble/grammar/automaton-impl.hpp"
#include "nibble/grammar/regex-impl.hpp"
#include "nibble/grammar/gbnf-impl.hpp"
#include "nibble/grammar/grammar-impl.hpp"
#include "nibble/grammar/number_texts-impl.hpp"
#include "nibble/grammar/schema_document-impl.hpp"
#include "nibble/grammar/schema_expander-impl.hpp"
#include "nibble/grammar/schema_keywords-impl.hpp"
#include "nibble/grammar/schema_applicators-impl.hpp"
#include "nibble/grammar/schema_negation-impl.hpp"
#include "nibble/grammar/schema-impl.hpp"
#include "nibble/grammar/states-impl.hpp"
#include "nibble/grammar/json_states-impl.hpp"
#include "nibble/grammar/stacks-impl.hpp"
#include "nibble/grammar/token_trie-impl.hpp"
#include "nibble/grammar/matcher-impl.hpp"
#include "nibble/grammar/constraint-impl.hpp"

#include "nibble/generate/stop_strings-impl.hpp"
#include "nibble/generate/event_builder-impl.hpp"
#include "nibble/generate/transcript-impl.hpp"
#include "nibble/generate/generation-impl.hpp"
#include "nibble/generate/saved_session-impl.hpp"
#include "nibble/generate/session-impl.hpp"
#include "nibble/generate/generate_each-impl.hpp"
#include "nibble/generate/scheduler-impl.hpp"

// clang-format on
