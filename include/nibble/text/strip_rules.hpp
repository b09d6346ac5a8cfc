/// strip_rules: models whose tokenizers leave out white space beside special tokens. Files do not say it, but names tell.
#pragma once

#include <array>
#include <string_view>

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Holds where the text of a key has this part, in small letters; the first that holds counts.
struct strip_rule {
  std::string_view key, part;
  std::string_view before;  ///< the token that takes the white space in front of it; none: all take what is behind them
};

/// @source  the tokenizers of these models, as llama.cpp tells them apart
inline constexpr std::array strip_rules = {
    strip_rule{"tokenizer.ggml.pre", "jina-v2-de", "<mask>"},
    strip_rule{"tokenizer.ggml.pre", "jina-v2-es", "<mask>"},
    strip_rule{"tokenizer.ggml.pre", "jina-v2-code", "<mask>"},
    strip_rule{"general.architecture", "nomic-bert-moe", "<mask>"},
    strip_rule{"general.architecture", "jina-bert-v3", "<mask>"},
    strip_rule{"general.name", "phi-3", ""},
    strip_rule{"general.name", "phi3", ""},
    strip_rule{"general.name", "modern-bert", "[MASK]"},
};

/// Special tokens that leave white space behind them alone where the others do not.
inline constexpr std::array<std::string_view, 3> strips_nothing = {"<unk>", "<s>", "<|endoftext|>"};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
