/// infill_prompt: what stands before a gap and behind it, as a code model wants it written (fill in the middle).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Another file that the model may look at.
struct infill_file {
  std::string name;
  std::string content;
};

/// All have defaults: name the ones that differ.
struct infill_options {
  std::string repository = {};          ///< its name
  std::vector<infill_file> files = {};  ///< they stand before the gap's own
  std::string file = {};                ///< name of the file with the gap
  bool suffix_first = false;            ///< the text behind the gap comes first, which some models do better with
};

/// The tokens of a prompt whose answer belongs between `prefix` and `suffix`. What people wrote stays text: none of it becomes
/// a control token, whatever names stand in it.
///
///     repository NAME \n  (file NAME \n CONTENT)...  file NAME \n  prefix TEXT suffix TEXT middle
///
/// The first line is left out where no name and no files are given. The token that begins a text comes in front where the
/// tokenizer's file asks for it. The model ends its answer with one of the tokens that end a text.
/// @errors   missing_key: the vocabulary has no tokens for gaps; or none for files, and files or names are given
/// @example  auto prompt = nibble::infill_prompt(tokenizer, "int twice(int x) {\n  return ", ";\n}\n");
result<std::vector<token>> try_infill_prompt(const tokenizer& tokenizer, std::string_view prefix, std::string_view suffix,
                                             const infill_options& options = {});
#if NIBBLE_EXCEPTIONS
inline std::vector<token> infill_prompt(const tokenizer& tokenizer, std::string_view prefix, std::string_view suffix,
                                        const infill_options& options = {}) {
  return try_infill_prompt(tokenizer, prefix, suffix, options).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
