/// All that is compiled once and is neither a SIMD kernel nor an architecture: what nibble/compile.hpp adds to
/// nibble/kernels/compile.hpp. Never include it yourself.
#pragma once

#include "nibble/core/push_macros.hpp"

// In the order data flows, as in nibble.hpp:
// clang-format off

#include "nibble/error-impl.hpp"

#include "nibble/core/aligned-impl.hpp"
#include "nibble/core/thread_pool-impl.hpp"

#include "nibble/file/byte_reader-impl.hpp"
#include "nibble/file/mapped_file-impl.hpp"
#include "nibble/file/output_file-impl.hpp"

#include "nibble/gguf/value-impl.hpp"
#include "nibble/gguf/metadata-impl.hpp"
#include "nibble/gguf/header-impl.hpp"
#include "nibble/gguf/reader-impl.hpp"
#include "nibble/gguf/writer-impl.hpp"

#include "nibble/quant/quantize-impl.hpp"
#include "nibble/quant/recipe-impl.hpp"
#include "nibble/quant/quantize_file-impl.hpp"

#include "nibble/text/utf8-impl.hpp"
#include "nibble/text/special_tokens-impl.hpp"
#include "nibble/text/vocab-impl.hpp"
#include "nibble/text/pre_tokenizer-impl.hpp"
#include "nibble/text/bpe-impl.hpp"
#include "nibble/text/spm-impl.hpp"
#include "nibble/text/tokenizer-impl.hpp"
#include "nibble/text/chat-impl.hpp"

#include "nibble/model/roofline-impl.hpp"

#include "nibble/sample/softmax-impl.hpp"
#include "nibble/sample/candidates-impl.hpp"
#include "nibble/sample/sampler-impl.hpp"
#include "nibble/sample/parameters-impl.hpp"
#include "nibble/sample/min_p-impl.hpp"
#include "nibble/sample/penalties-impl.hpp"
#include "nibble/sample/logit_bias-impl.hpp"
#include "nibble/sample/registry-impl.hpp"

// clang-format on
#include "nibble/core/pop_macros.hpp"
