/// infill_tokens: the tokens with which code models were trained to fill a gap, and how files and vocabularies name them.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Those that a vocabulary has.
struct infill_tokens {
  std::optional<token> prefix, suffix, middle;  ///< before the text in front of the gap, before that behind it, and the gap
  std::optional<token> padding;
  std::optional<token> repository, file;  ///< before the name of a repository, and of each of its files

  /// A gap can be filled.
  bool complete() const noexcept { return prefix && suffix && middle; }
};

namespace detail {

/// How one of them is found: by the file's key, by an older one, or else by the name of a special token.
struct infill_token {
  std::optional<token> infill_tokens::*place;
  std::string_view key, older_key;
  std::array<std::string_view, 8> names;
};

/// @source  llama.cpp's llama-vocab.cpp
inline constexpr auto infill_token_table = std::to_array<infill_token>({
    {&infill_tokens::prefix,
     "fim_pre_token_id",
     "prefix_token_id",
     {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<\uFF5Cfim\u2581begin\uFF5C>", "<PRE>", "\u2581<PRE>",
      "<|code_prefix|>", "<|prefix|>"}},
    {&infill_tokens::suffix,
     "fim_suf_token_id",
     "suffix_token_id",
     {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<\uFF5Cfim\u2581hole\uFF5C>", "<SUF>", "\u2581<SUF>",
      "<|code_suffix|>", "<|suffix|>"}},
    {&infill_tokens::middle,
     "fim_mid_token_id",
     "middle_token_id",
     {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<\uFF5Cfim\u2581end\uFF5C>", "<MID>", "\u2581<MID>", "<|code_middle|>",
      "<|middle|>"}},
    {&infill_tokens::padding, "fim_pad_token_id", {}, {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>"}},
    {&infill_tokens::repository,
     "fim_rep_token_id",
     {},
     {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
    {&infill_tokens::file, "fim_sep_token_id", {}, {"<|file_sep|>"}},
});

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
