/// The definitions behind arguments.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "nibble/text/answer/arguments.hpp"
#include "nibble/text/answer/json_scanner.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The word as JSON writes it, if it is one of Python's.
inline std::string_view json_word(std::string_view word) noexcept {
  return word == "True" ? "true" : word == "False" ? "false" : word == "None" ? "null" : word;
}

void append_parameter(std::string_view text, bool quoted, std::string& json) {
  const std::string_view word = json_word(without_blanks(text));
  if (!word.empty() && (quoted || word.front() != '"') && is_json(word)) {
    json += word;
  } else {
    append_json_string(text, json);
  }
}

/// Objects and arrays that are open, and JSON that is written.
struct literal_writer {
  std::string& json;
  std::string open = {};  // '{' or '['

  bool in_object() const noexcept { return open.empty() || open.back() == '{'; }
  bool closes(char bracket) const noexcept { return (bracket == '}') == (open.back() == '{'); }
  void begin(char bracket) {
    json += bracket;
    open += bracket;
  }
  /// A comma before it is left out.
  void end() {
    if (json.back() == ',') json.pop_back();
    json += open.back() == '{' ? '}' : ']';
    open.pop_back();
  }
};

void append_gemma_object(std::string_view text, std::string& json) {
  constexpr std::string_view quote = "<|\"|>";
  literal_writer out{json};
  const auto add = [&](std::string_view word, bool is_key) {
    word = without_blanks(word);
    if (is_key || word.empty() || !is_json(word)) {
      if (is_key || !word.empty()) append_json_string(word, json);
    } else {
      json += word;
    }
  };
  out.begin('{');
  for (bool key = true; !text.empty();) {
    const char c = text.front();
    std::size_t size = 1;
    if (text.starts_with(quote)) {
      const std::size_t end = text.find(quote, quote.size());
      if (end == text.npos) return;
      append_json_string(text.substr(quote.size(), end - quote.size()), json);
      size = end + quote.size();
    } else if (c == '{' || c == '[') {
      if (out.open.size() == json_scanner::most_depth) return;
      out.begin(c);
      key = c == '{';
    } else if (c == '}' || c == ']') {
      if (out.open.size() < 2 || !out.closes(c)) return;
      out.end();
      key = false;
    } else if (c == ',' || c == ':') {
      json += c;
      key = c == ',' && out.in_object();
    } else if (blanks.find(c) == blanks.npos) {
      size = std::min(text.find_first_of(key ? ":}" : ",}]"), text.size());
      if (size == 0) return;
      add(text.substr(0, size), key);
    }
    text.remove_prefix(size);
  }
  out.end();
}

/// Reads a text from its beginning on.
class python_reader {
 public:
  explicit python_reader(std::string_view text) : text_(text) {}

  bool read_calls(std::vector<tool_call>& calls) {
    skip_blanks();
    if (skip("```")) skip("python");
    skip_blanks();
    const bool list = skip("[");
    for (;;) {
      skip_blanks();
      if (skip(",")) continue;
      if (list && skip("]")) break;
      if (!list && (text_.empty() || text_.starts_with("```"))) break;
      if (!read_call(calls)) return false;
    }
    skip_blanks();
    skip("```");
    skip_blanks();
    return text_.empty();
  }

 private:
  bool read_call(std::vector<tool_call>& calls) {
    tool_call call;
    call.name = word();
    call.arguments = "{";
    if (call.name.empty() || !skip("(")) return false;
    for (skip_blanks(); !skip(")"); skip_blanks()) {
      if (call.arguments.size() > 1) call.arguments += ',';
      append_json_string(word(), call.arguments);
      skip_blanks();
      call.arguments += ':';
      if (!skip("=") || !append_value(call.arguments)) return false;
      skip_blanks();
      if (!skip(",") && !text_.starts_with(")")) return false;
    }
    call.arguments += '}';
    call.complete = is_json_object(call.arguments);
    calls.push_back(std::move(call));
    return true;
  }

  /// A literal, to the comma or bracket behind it.
  bool append_value(std::string& json) {
    literal_writer out{json};
    do {
      skip_blanks();
      if (text_.empty()) return false;
      const char c = text_.front();
      const bool opens = c == '[' || c == '{' || c == '(', closes = c == ']' || c == '}' || c == ')';
      const bool separates = c == ',' || c == ':',
                 wanted = std::string_view("[{,:").find(json.back()) != std::string_view::npos;
      if (!closes && !separates && !wanted) return false;  // two values in a row
      if (opens) {
        if (out.open.size() == json_scanner::most_depth) return false;
        out.begin(c == '{' ? c : '[');
      } else if (c == '\'' || c == '"') {
        if (!append_text(json)) return false;
        continue;
      } else if (closes || separates) {
        if (out.open.empty() || (closes && !out.closes(c))) return false;
        if (closes) out.end();
        if (!closes) json += c;
      } else {
        const std::string_view w = word();
        if (w.empty()) return false;
        json += json_word(w);
        continue;
      }
      text_.remove_prefix(1);
    } while (!out.open.empty());
    return true;
  }

  /// A text between quotes.
  bool append_text(std::string& json) {
    const char quote = text_.front();
    text_.remove_prefix(1);
    std::string said;
    while (!text_.starts_with(quote)) {
      if (text_.empty()) return false;
      if (text_.front() == '\\') {
        append_escaped(said);
      } else {
        said += text_.front();
        text_.remove_prefix(1);
      }
    }
    text_.remove_prefix(1);
    append_json_string(said, json);
    return true;
  }

  void append_escaped(std::string& out) {
    constexpr std::string_view letters = "nrtbf/\\'\"\n", meanings = "\n\r\t\b\f/\\'\"";
    const char c = text_.size() > 1 ? text_[1] : '\\';
    text_.remove_prefix(std::min<std::size_t>(2, text_.size()));
    if (const std::size_t at = letters.find(c); at != letters.npos) {
      if (at < meanings.size()) out += meanings[at];
      return;
    }
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    std::uint32_t code = hexadecimal(text_.substr(0, digits), digits);
    const bool first = digits == 4 && code >= 0xD800 && code < 0xDC00 && text_.substr(4).starts_with("\\u");
    if (const std::uint32_t second = first ? hexadecimal(text_.substr(6, 4), 4) : 0; second >= 0xDC00 && second < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);  // of JSON: a character in two halves
      text_.remove_prefix(6);
    }
    if (digits == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      out += '\\';
      out += c;
      return;
    }
    text_.remove_prefix(digits);
    append_utf8(static_cast<char32_t>(code), out);
  }

  /// So many digits as a number; one that no character has, if there are others.
  static std::uint32_t hexadecimal(std::string_view text, std::size_t digits) noexcept {
    std::uint32_t code = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
    return text.size() == digits && end == text.data() + digits && failed == std::errc() ? code : 0xFFFFFFFF;
  }

  std::string_view word() noexcept {
    std::size_t size = 0;
    const auto is_part = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
             c == '+';
    };
    while (size < text_.size() && is_part(text_[size])) ++size;
    const std::string_view out = text_.substr(0, size);
    text_.remove_prefix(size);
    return out;
  }
  bool skip(std::string_view mark) noexcept {
    if (!text_.starts_with(mark)) return false;
    text_.remove_prefix(mark.size());
    return true;
  }
  void skip_blanks() noexcept { text_.remove_prefix(std::min(text_.find_first_not_of(blanks), text_.size())); }

  std::string_view text_;
};

bool read_python_calls(std::string_view text, std::vector<tool_call>& calls) { return python_reader(text).read_calls(calls); }

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
