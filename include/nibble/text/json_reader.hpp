/// json_reader: JSON from text, without recursion, and with a sentence for what is wrong. Part of json-impl.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/hex.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Reads one text once.
class json_reader {
 public:
  json_reader(std::string_view text, const limits& limits) : text_(text), limits_(limits) {}

  result<json> read() {
    if (text_.size() > limits_.json_bytes)
      return error(errc::limit_exceeded,
                   "a text of " + std::to_string(text_.size()) + " bytes, the limit is " + std::to_string(limits_.json_bytes));
    if (text_.starts_with("\xEF\xBB\xBF")) return fail("a byte order mark has no place in JSON");
    for (;;) {
      std::optional<json> value;
      NIBBLE_TRY(read_value(value));
      while (value) {  // goes into what is open, which may end with it
        if (opened_.empty()) {
          skip_space();
          if (at_ < text_.size()) return expected("the end of the text");
          return *std::move(value);
        }
        NIBBLE_TRY(put(value));
      }
    }
  }

 private:
  /// An array or an object whose end is not read yet.
  struct open {
    bool object;
    std::vector<json> items = {};
    std::vector<json::member> members = {};
    std::string key = {};
  };

  void skip_space() noexcept {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(char c) noexcept {
    const bool found = at_ < text_.size() && text_[at_] == c;
    at_ += found;
    return found;
  }
  bool take(std::string_view word) noexcept {
    const bool found = text_.substr(at_).starts_with(word);
    if (found) at_ += word.size();
    return found;
  }

  error fail(const std::string& what) const { return error(errc::malformed, place_in(text_, at_) + ": " + what); }
  error expected(const std::string& what) const {
    if (at_ == text_.size()) return fail("expected " + what + ", found the end of the text");
    const utf8_character c = decode_utf8(text_, at_);
    if (c.kind != utf8_character::state::whole) return fail("expected " + what + ", found a byte that is no UTF-8");
    return fail("expected " + what + ", found " + detail::quoted(text_.substr(at_, c.size)));
  }
  error beyond(std::string_view what, std::uint64_t limit) const {
    return error(errc::limit_exceeded,
                 place_in(text_, at_) + ": " + std::string(what) + ", the limit is " + std::to_string(limit));
  }

  /// A value, or nothing where an array or an object begins that is not empty.
  result<void> read_value(std::optional<json>& out) {
    skip_space();
    if (++values_ > limits_.json_values) return beyond("too many values", limits_.json_values);
    const char first = at_ < text_.size() ? text_[at_] : '\0';
    if (first == '[' || first == '{') return begin(first == '{', out);
    if (first == '"') {
      std::string text;
      NIBBLE_TRY(read_string(text));
      out = json(std::move(text));
    } else if (take("null")) {
      out = json();
    } else if (take("true")) {
      out = json(true);
    } else if (take("false")) {
      out = json(false);
    } else {
      const std::size_t end = json_number_end(text_, at_);
      if (end == at_)
        return first == '-' || (first >= '0' && first <= '9') ? fail("a number that does not end") : expected("a value");
      auto number = json::try_number(std::string(text_.substr(at_, end - at_)));
      if (!number) return std::move(number).failure();
      out = *std::move(number);
      at_ = end;
    }
    return {};
  }

  result<void> begin(bool object, std::optional<json>& out) {
    const std::uint64_t depth = (std::min<std::uint64_t>)(limits_.json_depth, json::deepest);
    if (opened_.size() >= depth) return beyond("arrays and objects too deep inside of each other", depth);
    ++at_;
    skip_space();
    if (take(object ? '}' : ']')) {
      out = object ? json::object() : json::array();
      return {};
    }
    opened_.push_back({object});
    if (object) NIBBLE_TRY(read_key());
    return {};
  }

  result<void> read_key() {
    skip_space();
    if (at_ == text_.size() || text_[at_] != '"') return expected("a key in double quotes");
    opened_.back().key.clear();
    NIBBLE_TRY(read_string(opened_.back().key));
    skip_space();
    if (!take(':')) return expected("':' behind a key");
    return {};
  }

  /// Puts a value where it belongs. Empty afterwards, or what was open, if that is its end.
  result<void> put(std::optional<json>& value) {
    open& top = opened_.back();
    if (top.object)
      top.members.push_back({std::move(top.key), *std::move(value)});
    else
      top.items.push_back(*std::move(value));
    value.reset();
    skip_space();
    if (take(',')) {
      if (top.object) NIBBLE_TRY(read_key());
      return {};
    }
    if (!take(top.object ? '}' : ']')) return expected(top.object ? "',' or '}' in an object" : "',' or ']' in an array");
    if (top.object) keep_last_of_equal(top.members);
    value = top.object ? json::object(std::move(top.members)) : json::array(std::move(top.items));
    opened_.pop_back();
    return {};
  }

  /// Of members with one key the last value stays, in the place of the first.
  static void keep_last_of_equal(std::vector<json::member>& members) {
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int compared = members[a].key.compare(members[b].key);
      return compared != 0 ? compared < 0 : a < b;
    });
    std::vector<bool> gone(members.size());
    bool any = false;
    for (std::size_t i = 0, first = 0; i + 1 < order.size(); ++i) {
      if (members[order[i]].key != members[order[i + 1]].key) {
        first = i + 1;
        continue;
      }
      members[order[first]].value = std::move(members[order[i + 1]].value);
      gone[order[i + 1]] = any = true;
    }
    if (!any) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (gone[i]) continue;
      if (kept != i) members[kept] = std::move(members[i]);
      ++kept;
    }
    members.resize(kept);
  }

  result<void> read_string(std::string& out) {
    ++at_;
    for (;;) {
      const std::size_t plain = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' && static_cast<unsigned char>(text_[at_]) >= 0x20)
        ++at_;
      const std::string_view run = text_.substr(plain, at_ - plain);
      if (const std::size_t valid = valid_utf8_prefix(run); valid < run.size()) {
        at_ = plain + valid;
        return fail("a string with bytes that are no UTF-8");
      }
      out += run;
      if (at_ == text_.size()) return fail("a string that does not end");
      if (take('"')) return {};
      if (!take('\\')) return fail("a control character in a string, which has to be escaped");
      NIBBLE_TRY(read_escape(out));
    }
  }

  result<void> read_escape(std::string& out) {
    constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (at_ < text_.size() && text_[at_] == 'u') return read_code_unit(out);
    const std::size_t known = at_ < text_.size() ? letters.find(text_[at_]) : letters.npos;
    if (known == letters.npos) return expected("one of \"\\/bfnrtu behind a backslash");
    out += meanings[known];
    ++at_;
    return {};
  }

  /// Behind a backslash: u and four digits, or with a second such for what lies above U+FFFF.
  result<void> read_code_unit(std::string& out) {
    std::uint32_t code = 0, low = 0;
    NIBBLE_TRY(read_hex(code));
    if (code >= 0xD800 && code < 0xE000) {
      if (code >= 0xDC00 || !take('\\') || at_ == text_.size() || text_[at_] != 'u') return fail("half of a surrogate pair");
      NIBBLE_TRY(read_hex(low));
      if (low < 0xDC00 || low >= 0xE000) return fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(static_cast<char32_t>(code), out);
    return {};
  }
  result<void> read_hex(std::uint32_t& out) {
    ++at_;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = hex_value(at_ < text_.size() ? text_[at_] : '\0');
      if (digit < 0) return expected("four hexadecimal digits behind \\u");
      out = out << 4 | static_cast<std::uint32_t>(digit);
    }
    return {};
  }

  std::string_view text_;
  const limits& limits_;
  std::size_t at_ = 0;
  std::uint64_t values_ = 0;
  std::vector<open> opened_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
