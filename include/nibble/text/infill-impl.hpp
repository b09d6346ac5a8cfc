/// The definitions behind infill.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/infill.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Tokens, and texts between them, in which the names of those tokens are text even where the file calls them no control
/// tokens.
class infill_writer {
 public:
  explicit infill_writer(const nibble::tokenizer& tokenizer) : tokenizer_(tokenizer) {
    if (tokenizer.adds_bos() && tokenizer.bos()) out_.push_back(*tokenizer.bos());
    const infill_tokens& marks = tokenizer.vocabulary().special().infill;
    for (const infill_token& t : infill_token_table)
      if (const auto& id = marks.*t.place; id && !tokenizer.is_control(*id) && tokenizer.piece(*id).size() > 1)
        names_.push_back(tokenizer.piece(*id));
  }

  void add(token mark, std::string_view text) {
    out_.push_back(mark);
    std::vector<std::size_t> cuts{0, text.size()};  // behind the first byte of each name
    for (const std::string_view name : names_)
      for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1)) cuts.push_back(at + 1);
    std::sort(cuts.begin(), cuts.end());
    for (std::size_t i = 1; i < cuts.size(); ++i)
      tokenizer_.encode(text.substr(cuts[i - 1], cuts[i] - cuts[i - 1]), out_, {.bos = false, .eos = false, .continues = true});
  }
  std::vector<token> take() { return std::move(out_); }

 private:
  const nibble::tokenizer& tokenizer_;
  std::vector<token> out_;
  std::vector<std::string_view> names_;
};

}  // namespace detail

result<std::vector<token>> try_infill_prompt(const tokenizer& tokenizer, std::string_view prefix, std::string_view suffix,
                                             const infill_options& options) {
  const infill_tokens& marks = tokenizer.vocabulary().special().infill;
  const auto missing = [](std::string_view key, std::string_view purpose) {
    return error(errc::missing_key, std::string("key 'tokenizer.ggml.").append(key).append("': missing, ").append(purpose));
  };
  for (const detail::infill_token& t : detail::infill_token_table)
    if ((t.place == &infill_tokens::prefix || t.place == &infill_tokens::suffix || t.place == &infill_tokens::middle) &&
        !(marks.*t.place))
      return missing(t.key, "and the vocabulary has no such token: this model fills no gaps");
  const bool named = !options.repository.empty() || !options.files.empty() || !options.file.empty();
  if (named && !marks.file) return missing("fim_sep_token_id", "and the vocabulary has no token that separates files");
  if (!options.repository.empty() && !marks.repository)
    return missing("fim_rep_token_id", "and the vocabulary has no token that begins a repository");

  detail::infill_writer out(tokenizer);
  if (!options.repository.empty()) out.add(*marks.repository, options.repository + "\n");
  for (const infill_file& f : options.files) out.add(*marks.file, f.name + "\n" + f.content);
  if (named) out.add(*marks.file, options.file.empty() ? "" : options.file + "\n");
  if (options.suffix_first) out.add(*marks.suffix, suffix);
  out.add(*marks.prefix, prefix);
  if (!options.suffix_first) out.add(*marks.suffix, suffix);
  out.add(*marks.middle, {});
  return out.take();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
