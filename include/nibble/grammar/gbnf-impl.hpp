/// The definitions behind gbnf.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/gbnf.hpp"
#include "nibble/grammar/repetition.hpp"
#include "nibble/grammar/scanner.hpp"
#include "nibble/grammar/token_code.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

class gbnf_reader {
 public:
  gbnf_reader(std::string_view text, const tokenizer* words, const grammar_limits& most)
      : in_(text), words_(words), most_(most) {
    number_of("root", 0);
  }

  result<rule_set> read() {
    skip_space(true);
    while (!in_.done()) NIBBLE_TRY(rule());
    for (const named& r : names_) {
      if (r.body) continue;
      if (r.name == "root") return error(errc::malformed, "there is no rule \"root\"");
      return in_.malformed(r.used_at, "the rule \"" + r.name + "\" is not defined");
    }
    rule_set out{std::move(all_), {}};
    for (named& r : names_) out.rules.push_back({std::move(r.name), *r.body});
    return out;
  }

 private:
  using id = patterns::id;

  struct named {
    std::string name;
    std::size_t used_at;
    std::optional<id> body = {};
  };

  result<void> rule() {
    const std::size_t from = in_.at();
    const std::string_view name = take_name();
    if (name.empty()) return in_.malformed("expected the name of a rule");
    skip_space(false);
    if (!in_.take("::=")) return in_.malformed("expected ::= behind the name of a rule");
    const std::uint32_t number = number_of(name, from);
    if (names_[number].body) return in_.malformed(from, "the rule \"" + std::string(name) + "\" is defined twice");
    skip_space(true);
    const auto body = choice(0);
    if (!body) return body.failure();
    names_[number].body = *body;
    if (!in_.done() && in_.peek() != '\n' && in_.peek() != '\r')
      return in_.malformed("expected the end of the line or of the group");
    skip_space(true);
    return {};
  }

  result<id> choice(std::uint32_t depth) {
    NIBBLE_TRY(check_nesting(depth, most_.nesting, in_));
    std::vector<id> parts;
    for (;;) {
      auto part = sequence(depth);
      if (!part) return part;
      parts.push_back(*part);
      if (!in_.take('|')) break;
      skip_space(true);
    }
    return parts.size() == 1 ? parts.front() : all_.choice(std::move(parts));
  }

  result<id> sequence(std::uint32_t depth) {
    std::vector<id> parts;
    for (;;) {
      auto part = atom(depth);
      if (!part) return std::move(part).failure();
      if (!*part) return all_.sequence(std::move(parts));
      skip_space(depth > 0);
      for (std::size_t quantifiers = 0;; ++quantifiers) {
        auto repeated = quantified(**part);
        if (!repeated) return repeated;
        if (*repeated == **part) break;
        if (quantifiers == 3) return in_.malformed("more than three repetitions of one part");
        *part = *repeated;
        skip_space(depth > 0);
      }
      parts.push_back(**part);
    }
  }

  /// Empty where none begins.
  result<std::optional<id>> atom(std::uint32_t depth) {
    using atom_id = std::optional<id>;
    const std::size_t from = in_.at();
    NIBBLE_TRY(check_size(all_, most_.states, in_));
    if (in_.take('"')) {
      auto text = literal(from);
      return text ? result<atom_id>(*text) : std::move(text).failure();
    }
    if (in_.take('[')) {
      auto set = characters(from);
      return set ? result<atom_id>(*set) : std::move(set).failure();
    }
    if (in_.take('(')) {
      skip_space(true);
      auto inside = choice(depth + 1);
      if (!inside) return std::move(inside).failure();
      if (!in_.take(')')) return in_.malformed(from, "this parenthesis is not closed");
      return atom_id(*inside);
    }
    if (in_.take('.')) return atom_id(all_.characters(char_set::all()));
    if (in_.peek() == '<' || in_.peek() == '!') {
      auto made = any_token();
      return made ? result<atom_id>(*made) : std::move(made).failure();
    }
    const std::string_view name = take_name();
    if (name.empty()) return atom_id();
    return atom_id(all_.call(number_of(name, from)));
  }

  /// A token, or with ! in front of it any character or control token but this one.
  result<id> any_token() {
    const std::size_t from = in_.at();
    const bool inverted = in_.take('!');
    const auto found = token_here(from);
    if (!found) return found.failure();
    if (words_->is_end(*found)) return in_.malformed(from, "a token that ends replies stands behind every text by itself");
    const std::string_view text = words_->piece(*found);
    if (words_->is_control(*found) && has_token_code(*found)) {
      const char32_t code = token_code(*found);
      if (!inverted) return all_.characters(char_set::mark(code));
      char_set others = char_set::all();
      others.add_marks(first_token_code, code - 1), others.add_marks(code + 1, last_token_code);
      return all_.characters(std::move(others));
    }
    if (inverted) return in_.malformed(from, "all but a token that is text is not supported");
    if (text.empty() || !is_utf8(text)) return in_.malformed(from, "a token that is no text by itself");
    return all_.literal(text);
  }

  /// <[NUMBER]>, or <NAME>, whose brackets belong to the name.
  result<token> token_here(std::size_t from) {
    const std::size_t begin = in_.at();
    if (!in_.take('<')) return in_.malformed("expected a token behind !");
    if (!words_) return in_.malformed(from, "a token, but no vocabulary is given");
    if (in_.take('[')) {
      const auto number = in_.take_number();
      if (!number || !in_.take("]>")) return in_.malformed(from, "expected the number of a token: <[1]>");
      if (*number >= words_->size()) return in_.malformed(from, "a number that no token has");
      return static_cast<token>(*number);
    }
    const std::size_t size = in_.rest().find('>');
    if (size == std::string_view::npos || size > 200) return in_.malformed(from, "expected the name of a token: <think>");
    in_.skip(size + 1);
    const std::string_view name = in_.since(begin);
    if (const auto special = words_->find_special(name)) return *special;
    const std::vector<token> ids = words_->encode(name, {.bos = false, .eos = false});
    if (ids.size() != 1) return in_.malformed(from, "\"" + std::string(name) + "\" is no token of the vocabulary");
    return ids.front();
  }

  result<id> literal(std::size_t from) {
    std::vector<id> parts;
    while (!in_.take('"')) {
      if (in_.done()) return in_.malformed(from, "this literal has no closing quote");
      const auto c = character();
      if (!c) return c.failure();
      NIBBLE_TRY(check_size(all_, most_.states, in_));
      parts.push_back(all_.character(*c));
    }
    return all_.sequence(std::move(parts));
  }

  result<id> characters(std::size_t from) {
    const bool inverted = in_.take('^');
    std::vector<char_set::range> ranges;
    while (!in_.take(']')) {
      if (in_.done()) return in_.malformed(from, "this set of characters has no closing bracket");
      const std::size_t at = in_.at();
      const auto low = character();
      if (!low) return low.failure();
      if (in_.peek() != '-' || in_.peek(1) == ']') {
        ranges.push_back({*low, *low});
        continue;
      }
      in_.skip();
      if (in_.done()) return in_.malformed(from, "this set of characters has no closing bracket");
      const auto high = character();
      if (!high) return high.failure();
      if (*high < *low) return in_.malformed(at, "a range of characters that ends before it begins");
      ranges.push_back({*low, *high});
    }
    char_set set = char_set::of(std::move(ranges));
    return all_.characters(inverted ? set.inverted() : std::move(set));
  }

  result<char32_t> character() {
    const std::size_t from = in_.at();
    if (!in_.take('\\')) return in_.take_character();
    const char kind = in_.peek();
    in_.skip(in_.done() ? 0 : 1);
    std::optional<char32_t> code;
    switch (kind) {
      case 'x':
        code = in_.take_hex(2);
        break;
      case 'u':
        code = in_.take_hex(4);
        break;
      case 'U':
        code = in_.take_hex(8);
        break;
      case 't':
        return U'\t';
      case 'r':
        return U'\r';
      case 'n':
        return U'\n';
      case '\\':
      case '"':
      case '[':
      case ']':
        return static_cast<char32_t>(kind);
      default:
        return in_.malformed(from, "an escape that is not known");
    }
    if (!code) return in_.malformed(from, "an escape without its hexadecimal digits");
    if (*code > char_set::last || (*code >= 0xD800 && *code <= 0xDFFF))
      return in_.malformed(from, "an escape of what is no character");
    return *code;
  }

  result<id> quantified(id part) {
    const std::size_t from = in_.at();
    if (const auto sign = take_repetition_sign(in_)) return all_.repeat(part, sign->least, sign->most);
    if (!in_.take('{')) return part;
    skip_space(true);
    const auto low = in_.take_number();
    if (!low) return in_.malformed("expected a number");
    repetition r{*low, *low};
    skip_space(true);
    if (in_.take(',')) {
      skip_space(true);
      r.most = in_.take_number().value_or(pattern::unlimited);
      skip_space(true);
    }
    if (!in_.take('}')) return in_.malformed("expected a closing brace");
    return repeated(all_, part, r, in_, from, most_.repetitions);
  }

  std::string_view take_name() noexcept {
    const std::size_t from = in_.at();
    for (char c = in_.peek();
         (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; c = in_.peek())
      in_.skip();
    return in_.since(from);
  }

  std::uint32_t number_of(std::string_view name, std::size_t at) {
    const auto [found, is_new] = numbers_.try_emplace(std::string(name), static_cast<std::uint32_t>(names_.size()));
    if (is_new) names_.push_back({std::string(name), at});
    return found->second;
  }

  /// Spaces and comments, and the ends of lines where a rule may go on behind them.
  void skip_space(bool over_lines) noexcept {
    for (;; in_.skip()) {
      if (in_.peek() == '#') {
        while (!in_.done() && in_.peek() != '\n' && in_.peek() != '\r') in_.skip();
      }
      const char c = in_.peek();
      if (in_.done() || !(c == ' ' || c == '\t' || (over_lines && (c == '\n' || c == '\r')))) return;
    }
  }

  scanner in_;
  const tokenizer* words_;
  const grammar_limits& most_;
  patterns all_;
  std::vector<named> names_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
};

result<rule_set> read_gbnf(std::string_view text, const tokenizer* words, const grammar_limits& most) {
  return gbnf_reader(text, words, most).read();
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
