/// find_known_template: the published chat templates whose prompts are known to be those of a form of chat_template.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/template_outline.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// An outline, read from its beginning.
class outline_reader {
 public:
  explicit outline_reader(std::string_view rest) : rest_(rest) {}

  bool take(std::string_view text) noexcept {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  /// `<|im_start|>system`, a text that is not empty, and the end of its turn.
  bool take_system(std::string& out) {
    constexpr std::string_view begin = "<|im_start|>system\n", end = "<|im_end|>\n";
    if (!rest_.starts_with(begin)) return false;
    const std::string_view text = rest_.substr(0, std::min(rest_.find_first_of("\1\2\3\4"), rest_.size()));
    if (text.size() <= begin.size() + end.size() || !text.ends_with(end)) return false;
    out = text.substr(begin.size(), text.size() - begin.size() - end.size());
    rest_.remove_prefix(text.size());
    return out.find("<|im_") == out.npos;  // one turn, not several
  }
  /// Goes behind the statement that ends a branch which is never taken, nor is the one for tools behind it. False: something
  /// unusual stands there, such as one more branch.
  bool skip_to(std::string_view end) noexcept {
    for (std::size_t depth = 0;;) {
      rest_.remove_prefix(std::min(rest_.find('\1'), rest_.size()));
      const std::string_view statement = rest_.substr(0, std::min(rest_.find('\3'), rest_.size()));
      if (statement.empty()) return false;
      rest_.remove_prefix(std::min(statement.size() + 1, rest_.size()));
      const std::string_view word = statement.substr(1, statement.find_first_of(" (", 1) - 1);
      if (depth == 0 && statement.substr(1) == end) return true;
      if (word == "if" || word == "for") {
        ++depth;
      } else if (word == "endif" || word == "endfor") {
        if (depth-- == 0) return false;
      } else if (word == "elif" || word == "else") {
        if (depth == 0 && (end != "endif" || statement.substr(1) != "elif message.role==\4tool\4")) return false;
      } else if (word != "set" || statement.find('=') == statement.npos) {
        return false;
      }
    }
  }
  std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
};

/// Plain ChatML: a loop that writes every message, a default system message or none, and the beginning of a reply.
inline std::optional<known_template> known_chatml(std::string_view outline) {
  outline_reader in(outline);
  known_template out;
  in.take("\1if not add_generation_prompt is defined\3\1set add_generation_prompt=false\3\1endif\3");
  out.bos = in.take("\2bos_token\3");
  bool fine = true;
  if (in.take("\1if messages[0].role!=\4system\4\3")) fine = in.take_system(out.system) && in.take("\1endif\3");
  fine = fine && in.take("\1for message in messages\3");
  if (out.system.empty() && in.take("\1if loop.first and messages[0].role!=\4system\4\3"))
    fine = fine && in.take_system(out.system) && in.take("\1endif\3");
  fine = fine && in.take("<|im_start|>\2message.role\3\n\2message.content\3<|im_end|>\n") &&
         (in.take("\1endfor\3\1if add_generation_prompt\3<|im_start|>assistant\n\1endif\3") ||
          in.take("\1if loop.last and add_generation_prompt\3<|im_start|>assistant\n\1endif\3\1endfor\3"));
  return fine && in.rest().empty() ? std::optional(out) : std::nullopt;
}

/// Gemma's, in three spellings: without a system message, with one, and with parts of messages (images).
inline std::optional<known_template> known_gemma(std::string_view outline) {
  outline_reader in(outline);
  known_template out{chat_format::gemma};
  out.bos = in.take("\2bos_token\3");
  out.takes_system = !in.take("\1if messages[0].role==\4system\4\3\2raise_exception(\4System role not supported\4)\3\1endif\3");
  if (out.takes_system &&
      !in.take(
          "\1if messages[0].role==\4system\4\3\1if messages[0].content is string\3"
          "\1set first_user_prefix=messages[0].content+\4\n\n\4\3\1else\3"
          "\1set first_user_prefix=messages[0].content[0].text+\4\n\n\4\3\1endif\3"
          "\1set loop_messages=messages[1:]\3\1else\3\1set first_user_prefix=\4\4\3\1set loop_messages=messages\3\1endif\3"))
    return std::nullopt;
  const bool fine =
      in.take(out.takes_system ? "\1for message in loop_messages\3" : "\1for message in messages\3") &&
      in.take(
          "\1if(message.role==\4user\4)!=(loop.index0%2==0)\3\2raise_exception(\4Conversation roles must alternate "
          "user/assistant/user/assistant/...\4)\3\1endif\3"
          "\1if(message.role==\4assistant\4)\3\1set role=\4model\4\3\1else\3\1set role=message.role\3\1endif\3"
          "<start_of_turn>\2role\3\n") &&
      in.take(out.takes_system
                  ? "\2(first_user_prefix if loop.first else \4\4)\3\1if message.content is string\3\2message.content|trim\3"
                    "\1elif message.content is iterable\3\1for item in message.content\3\1if item.type==\4image\4\3"
                    "<start_of_image>\1elif item.type==\4text\4\3\2item.text|trim\3\1endif\3\1endfor\3\1else\3"
                    "\2raise_exception(\4Invalid content type\4)\3\1endif\3"
                  : "\2message.content|trim\3") &&
      in.take("<end_of_turn>\n\1endfor\3\1if add_generation_prompt\3<start_of_turn>model\n\1endif\3");
  return fine && in.rest().empty() ? std::optional(out) : std::nullopt;
}

/// Qwen 2.5's and MiMo's: ChatML with a default system message, between branches for tools, which conversations here do not
/// have.
inline std::optional<known_template> known_with_tools(std::string_view outline) {
  outline_reader in(outline);
  known_template out;
  out.usual_roles = true;
  const bool fine =
      in.take("\1if tools\3") && in.skip_to("else") &&
      in.take("\1if messages[0].role==\4system\4\3<|im_start|>system\n\2messages[0].content\3<|im_end|>\n\1else\3") &&
      in.take_system(out.system) &&
      in.take(
          "\1endif\3\1endif\3\1for message in messages\3\1if(message.role==\4user\4)or(message.role==\4system\4 and not "
          "loop.first)or(message.role==\4assistant\4 and not message.tool_calls)\3"
          "<|im_start|>\2message.role\3\n\2message.content\3<|im_end|>\n\1elif message.role==\4assistant\4\3") &&
      in.skip_to("endif") && in.take("\1endfor\3\1if add_generation_prompt\3<|im_start|>assistant\n\1endif\3");
  return fine && in.rest().empty() ? std::optional(out) : std::nullopt;
}

/// The published template that a source is, or nothing. Templates are not run: one that is written differently is not known,
/// whatever it prints.
inline std::optional<known_template> find_known_template(std::string_view source) {
  const auto outline = template_outline::of(source);
  if (!outline) return std::nullopt;
  if (auto found = known_chatml(*outline)) return found;
  if (auto found = known_gemma(*outline)) return found;
  return known_with_tools(*outline);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
