/// tokenizer_options: what may be said when a tokenizer is loaded.
#pragma once

#include <string>

#include "nibble/config.hpp"
#include "nibble/file/limits.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

struct tokenizer_options {
  nibble::limits limits = {};  ///< what a file may ask for
  /// The pre-tokenizer (a name of `pre_tokenizers`) that takes the place of the file's `tokenizer.ggml.pre`, of byte-pair
  /// tokenizers; empty: the file's, which must be known.
  std::string pre_tokenizer = {};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
