/// end_names: the names of tokens that end a text, or a turn of a chat, in published models.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// One name. A control token that has it ends a text whatever `eos_token_id` names.
struct end_name {
  std::string_view name;
  bool turn;    ///< ends a turn of a chat: the vocabulary's eot, if its file names none
  bool always;  ///< a control token even where a file forgot to say so; others may be the text of web pages
};

/// In the order in which eot is chosen.
/// @source  special_eog_ids in llama.cpp's llama-vocab.cpp, with what ends a file or a repository in code models
inline constexpr auto end_names = std::to_array<end_name>({
    {"<|im_end|>", true, true},
    {"<end_of_turn>", true, true},
    {"<|eot_id|>", true, true},
    {"<|end|>", true, true},
    {"<turn|>", true, true},
    {"<end_of_utterance>", true, true},
    {"<EOT>", true, false},
    {"_<EOT>", true, false},
    {"[EOT]", true, false},
    {"<|return|>", true, true},
    {"<|call|>", false, true},
    {"<|calls|>", false, true},
    {"<|flush|>", false, true},
    {"<|tool_response>", false, true},
    {"<|eom_id|>", false, true},
    {"<|endoftext|>", false, true},
    {"<|end_of_text|>", false, true},
    {"<\uFF5Cend\u2581of\u2581sentence\uFF5C>", false, true},
    {"[e~[", false, true},
    {"</s>", false, false},
    {"<eos>", false, false},
    {"[EOS]", false, false},
    {"<|fim_pad|>", false, false},
    {"<fim-pad>", false, false},
    {"<fim_pad>", false, false},
    {"<PAD>", false, false},
    {"[PAD]", false, false},
    {"<|fim_repo|>", false, false},
    {"<|repo_name|>", false, false},
    {"<fim-repo>", false, false},
    {"<REPO>", false, false},
    {"<reponame>", false, false},
    {"<|file_sep|>", false, false},
});

/// A name that is no end where the vocabulary has another one, or two others: it stands between parts of one reply, or is HTML.
struct end_exception {
  std::string_view name, beside, also = {};
};
inline constexpr auto end_exceptions = std::to_array<end_exception>({
    {"<|end|>", "<|return|>", "<|call|>"},
    {"<|end|>", "<|calls|>", "<|flush|>"},
    {"</s>", "<|tool_response>"},
});

/// True for names of control tokens, whatever the type that a file gives them.
constexpr bool is_always_control(std::string_view name) noexcept {
  return std::any_of(end_names.begin(), end_names.end(), [name](const end_name& e) { return e.always && e.name == name; });
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
