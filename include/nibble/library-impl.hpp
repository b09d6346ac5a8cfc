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
#include "nibble/file/byte_source-impl.hpp"
#include "nibble/file/mapped_file-impl.hpp"
#include "nibble/file/output_file-impl.hpp"

#include "nibble/gguf/value-impl.hpp"
#include "nibble/gguf/metadata-impl.hpp"
#include "nibble/gguf/header-impl.hpp"
#include "nibble/gguf/reader-impl.hpp"
#include "nibble/gguf/writer-impl.hpp"
#include "nibble/gguf/rewrite-impl.hpp"

#include "nibble/kv/pool-impl.hpp"
#include "nibble/kv/prefix_cache-impl.hpp"
#include "nibble/kv/sequence-impl.hpp"
#include "nibble/kv/heavy_hitters-impl.hpp"
#include "nibble/kv/saved_sequence-impl.hpp"
#include "nibble/kv/saved_prefixes-impl.hpp"

#include "nibble/layers/compute-impl.hpp"

#include "nibble/text/utf8-impl.hpp"
#include "nibble/text/json-impl.hpp"
#include "nibble/text/json_pointer-impl.hpp"
#include "nibble/text/spellings-impl.hpp"
#include "nibble/text/infill-impl.hpp"
#include "nibble/text/answer/format-impl.hpp"
#include "nibble/text/answer/json_scanner-impl.hpp"
#include "nibble/text/answer/arguments-impl.hpp"
#include "nibble/text/answer/plain_text-impl.hpp"
#include "nibble/text/answer/parser-impl.hpp"
#include "nibble/text/answer/parser_calls-impl.hpp"
#include "nibble/text/answer/parser_arguments-impl.hpp"
#include "nibble/text/chat-impl.hpp"

// clang-format on
