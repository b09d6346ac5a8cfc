/// parser: the tokens of a template become a program.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/template/string_literal.hpp"
#include "nibble/text/template/syntax.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Expressions, by the precedence of Jinja: what stands lower in this file binds more tightly.
/// @source  the parser of Jinja 3.1
class expression_parser {
 public:
  expression_parser(const std::vector<lexeme>& tokens, program& out, mistake& wrong, std::uint64_t most_depth)
      : tokens_(tokens), out_(out), wrong_(wrong), most_depth_(most_depth) {}

 protected:
  // Tokens.
  const lexeme& now() const noexcept { return tokens_[at_]; }
  const lexeme& ahead() const noexcept { return tokens_[(std::min)(at_ + 1, tokens_.size() - 1)]; }
  void step() noexcept { at_ += at_ + 1 < tokens_.size(); }
  static bool is(const lexeme& t, lexeme_kind kind, std::string_view text) noexcept { return t.kind == kind && t.text == text; }
  bool at_symbol(std::string_view text) const noexcept { return is(now(), lexeme_kind::symbol, text); }
  bool at_word(std::string_view text) const noexcept { return is(now(), lexeme_kind::name, text); }
  bool take_symbol(std::string_view text) noexcept {
    const bool found = at_symbol(text);
    if (found) step();
    return found;
  }
  bool take_word(std::string_view text) noexcept {
    const bool found = at_word(text);
    if (found) step();
    return found;
  }
  void expect_symbol(std::string_view text) {
    if (!take_symbol(text)) fail("expected '" + std::string(text) + "', found " + described());
  }
  /// The name that stands here; empty after a mistake.
  std::string_view expect_name() {
    if (now().kind != lexeme_kind::name) return fail("expected a name, found " + described()), std::string_view();
    const std::string_view name = now().text;
    step();
    return name;
  }
  std::string described() const {
    switch (now().kind) {
      case lexeme_kind::end:
        return "the end of the template";
      case lexeme_kind::tag_end:
      case lexeme_kind::expression_end:
        return "the end of the tag";
      case lexeme_kind::text:
      case lexeme_kind::tag_begin:
      case lexeme_kind::expression_begin:
        return "the beginning of a tag";
      default:
        return detail::quoted(now().text);
    }
  }
  void fail(std::string what) { wrong_.set(now().at, std::move(what)); }
  bool failed() const noexcept { return wrong_.found(); }

  /// Counts what stands inside of each other, as long as it lives.
  class level {
   public:
    explicit level(expression_parser& of) : of_(of) {
      if (++of.depth_ > of.most_depth_)
        of.fail("expressions and blocks too deep inside of each other, the limit is " + std::to_string(of.most_depth_));
    }
    ~level() { --of_.depth_; }
    level(const level&) = delete;
    level& operator=(const level&) = delete;

   private:
    expression_parser& of_;
  };

  // What is made.
  index add(expression e) {
    out_.expressions.push_back(e);
    return static_cast<index>(out_.expressions.size() - 1);
  }
  expression made(expression_kind kind, std::size_t at, index a = nothing, index b = nothing, index c = nothing) const {
    expression e;
    e.kind = kind, e.at = at, e.a = a, e.b = b, e.c = c;
    return e;
  }
  index add_with(expression e, const std::vector<index>& children) {
    e.first = static_cast<index>(out_.children.size());
    e.count = static_cast<index>(children.size());
    out_.children.insert(out_.children.end(), children.begin(), children.end());
    return add(e);
  }
  index name_of(std::string_view name) {
    const auto [place, fresh] = names_.try_emplace(std::string(name), static_cast<index>(out_.names.size()));
    if (fresh) out_.names.emplace_back(name);
    return place->second;
  }
  index constant_of(constant c) {
    out_.constants.push_back(std::move(c));
    return static_cast<index>(out_.constants.size() - 1);
  }
  index text_of(std::string_view text) { return constant_of({constant_kind::text, 0, 0, std::string(text)}); }
  /// A constant with the text of a name, one for all places.
  index word_of(std::string_view name) {
    const auto [place, fresh] = words_.try_emplace(std::string(name), static_cast<index>(out_.constants.size()));
    if (fresh) text_of(name);
    return place->second;
  }

  // a, b, c
  index parse_tuple(bool choices = true, std::string_view end_word = {}, bool brackets = false) {
    const std::size_t at = now().at;
    std::vector<index> parts;
    bool several = false;
    while (!failed()) {
      if (!parts.empty()) expect_symbol(",");
      if (now().kind == lexeme_kind::tag_end || now().kind == lexeme_kind::expression_end || at_symbol(")") ||
          (!end_word.empty() && at_word(end_word)))
        break;
      parts.push_back(parse_expression(choices));
      if (!at_symbol(",")) break;
      several = true;
    }
    if (!several && parts.size() == 1) return parts[0];
    if (!several && !brackets) fail("expected an expression, found " + described());
    return add_with(made(expression_kind::tuple, at), parts);
  }

  // a if b else c
  index parse_expression(bool choices = true) {
    const level inside(*this);
    if (failed()) return nothing;
    const std::size_t at = now().at;
    index whole = parse_disjunction();
    while (choices && !failed() && take_word("if")) {
      const index condition = parse_disjunction();
      const index other = take_word("else") ? parse_expression() : nothing;
      whole = add(made(expression_kind::choice, at, whole, condition, other));
    }
    return whole;
  }

  index parse_disjunction() {
    index left = parse_conjunction();
    for (std::size_t at = now().at; !failed() && take_word("or"); at = now().at)
      left = add(made(expression_kind::disjunction, at, left, parse_conjunction()));
    return left;
  }
  index parse_conjunction() {
    index left = parse_negation();
    for (std::size_t at = now().at; !failed() && take_word("and"); at = now().at)
      left = add(made(expression_kind::conjunction, at, left, parse_negation()));
    return left;
  }
  index parse_negation() {
    const std::size_t at = now().at;
    if (!at_word("not")) return parse_comparison();
    const level inside(*this);
    if (failed()) return nothing;
    step();
    return add(made(expression_kind::negation, at, parse_negation()));
  }

  bool take_comparison(operation& op) {
    constexpr std::pair<std::string_view, operation> known[] = {{"==", operation::equal}, {"!=", operation::unequal},
                                                                {"<", operation::less},   {"<=", operation::at_most},
                                                                {">", operation::more},   {">=", operation::at_least}};
    for (const auto& [symbol, meaning] : known)
      if (take_symbol(symbol)) return op = meaning, true;
    if (take_word("in")) return op = operation::in, true;
    if (!at_word("not") || !is(ahead(), lexeme_kind::name, "in")) return false;
    step();
    step();
    return op = operation::not_in, true;
  }
  index parse_comparison() {
    const std::size_t at = now().at;
    const index left = parse_sum();
    std::vector<operand> operands;
    operation op{};
    while (!failed() && take_comparison(op)) operands.push_back({op, parse_sum()});
    if (operands.empty()) return left;
    expression e = made(expression_kind::comparison, at, left);
    e.first = static_cast<index>(out_.operands.size());
    e.count = static_cast<index>(operands.size());
    out_.operands.insert(out_.operands.end(), operands.begin(), operands.end());
    return add(e);
  }

  index add_binary(operation op, std::size_t at, index left, index right) {
    expression e = made(expression_kind::binary, at, left, right);
    e.op = op;
    return add(e);
  }
  index parse_sum() {
    index left = parse_join();
    while (!failed() && (at_symbol("+") || at_symbol("-"))) {
      const std::size_t at = now().at;
      const operation op = at_symbol("+") ? operation::add : operation::subtract;
      step();
      left = add_binary(op, at, left, parse_join());
    }
    return left;
  }
  index parse_join() {
    const std::size_t at = now().at;
    std::vector<index> parts = {parse_product()};
    while (!failed() && take_symbol("~")) parts.push_back(parse_product());
    return parts.size() == 1 ? parts[0] : add_with(made(expression_kind::join, at), parts);
  }
  index parse_product() {
    constexpr std::pair<std::string_view, operation> known[] = {
        {"*", operation::multiply}, {"/", operation::divide}, {"//", operation::divide_whole}, {"%", operation::modulo}};
    index left = parse_power();
    for (bool more = true; more && !failed();) {
      more = false;
      for (const auto& [symbol, op] : known) {
        const std::size_t at = now().at;
        if (more || !take_symbol(symbol)) continue;
        left = add_binary(op, at, left, parse_power());
        more = true;
      }
    }
    return left;
  }
  index parse_power() {
    index left = parse_signed(true);
    for (std::size_t at = now().at; !failed() && take_symbol("**"); at = now().at)
      left = add_binary(operation::power, at, left, parse_signed(true));
    return left;
  }
  index parse_signed(bool filters) {
    const std::size_t at = now().at;
    index whole = nothing;
    if (at_symbol("-") || at_symbol("+")) {
      const level inside(*this);
      if (failed()) return nothing;
      const bool minus = at_symbol("-");
      step();
      whole = add(made(minus ? expression_kind::negative : expression_kind::positive, at, parse_signed(false)));
    } else {
      whole = parse_primary();
    }
    whole = parse_postfix(whole);
    return filters ? parse_filters(whole) : whole;
  }

  index parse_primary() {
    const lexeme t = now();
    if (t.kind == lexeme_kind::name) {
      step();
      const bool yes = t.text == "true" || t.text == "True", no = t.text == "false" || t.text == "False";
      if (yes || no || t.text == "none" || t.text == "None")
        return add_constant(t.at, {yes ? constant_kind::yes : no ? constant_kind::no : constant_kind::none});
      if (t.text == "caller") uses_caller_ = true;
      if (t.text == "kwargs") uses_named_ = true;
      if (t.text == "varargs") uses_more_ = true;
      return add(made(expression_kind::name, t.at, name_of(t.text)));
    }
    if (t.kind == lexeme_kind::string) return parse_string();
    if (t.kind == lexeme_kind::integer || t.kind == lexeme_kind::real) return step(), add_constant(t.at, number_of(t));
    if (take_symbol("(")) {
      const index whole = parse_tuple(true, {}, true);
      expect_symbol(")");
      return whole;
    }
    if (at_symbol("[") || at_symbol("{")) return parse_collection();
    fail("expected an expression, found " + described());
    return nothing;
  }
  index add_constant(std::size_t at, constant c) { return add(made(expression_kind::constant, at, constant_of(std::move(c)))); }
  index parse_string() {
    const std::size_t at = now().at;
    std::string text;
    while (now().kind == lexeme_kind::string) {  // neighbours are one
      if (const std::string what = append_literal(now().text, text); !what.empty()) fail(what);
      step();
    }
    return add_constant(at, {constant_kind::text, 0, 0, std::move(text)});
  }
  static constant number_of(const lexeme& t) {
    std::string digits(t.text);
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    if (t.kind == lexeme_kind::real) return {constant_kind::real, 0, real_of(digits), {}};
    const char base = digits.size() > 1 ? static_cast<char>(digits[1] | 0x20) : '\0';
    const int radix = base == 'x' ? 16 : base == 'o' ? 8 : base == 'b' ? 2 : 10;
    constant c{constant_kind::integer};
    const char* end = digits.data() + digits.size();
    if (std::from_chars(digits.data() + (radix == 10 ? 0 : 2), end, c.integer, radix).ec == std::errc()) return c;
    return {constant_kind::digits, 0, 0, digits};
  }
  index parse_collection() {
    const std::size_t at = now().at;
    const bool dict = at_symbol("{");
    const std::string_view closer = dict ? "}" : "]";
    std::vector<index> parts;
    step();
    while (!failed() && !at_symbol(closer)) {
      if (!parts.empty()) expect_symbol(",");
      if (at_symbol(closer)) break;
      parts.push_back(parse_expression());
      if (!dict) continue;
      expect_symbol(":");
      parts.push_back(parse_expression());
    }
    expect_symbol(closer);
    return add_with(made(dict ? expression_kind::dict : expression_kind::list, at), parts);
  }

  index parse_postfix(index whole) {
    while (!failed()) {
      if (at_symbol(".") || at_symbol("["))
        whole = parse_subscript(whole);
      else if (at_symbol("("))
        whole = parse_call(whole);
      else
        break;
    }
    return whole;
  }
  index parse_subscript(index whole) {
    const std::size_t at = now().at;
    if (take_symbol(".")) {
      const lexeme t = now();
      step();
      if (t.kind == lexeme_kind::name) return add(made(expression_kind::attribute, at, whole, word_of(t.text)));
      if (t.kind == lexeme_kind::integer) return add(made(expression_kind::item, at, whole, add_constant(t.at, number_of(t))));
      wrong_.set(t.at, "expected a name or a number behind '.'");
      return nothing;
    }
    step();
    std::vector<index> parts;
    while (!failed() && !at_symbol("]")) {
      if (!parts.empty()) expect_symbol(",");
      const index item = parse_item(whole, at);
      if (failed()) return nothing;
      if (out_.expressions[item].kind == expression_kind::slice && out_.expressions[item].a == whole && at_symbol("]") &&
          parts.empty()) {
        step();
        return item;
      }
      parts.push_back(item);
    }
    expect_symbol("]");
    if (parts.empty()) fail("expected an expression, found " + described());
    if (failed()) return nothing;
    const index key = parts.size() == 1 ? parts[0] : add_with(made(expression_kind::tuple, at), parts);
    return add(made(expression_kind::item, at, whole, key));
  }
  /// What stands between [ and ]: an expression, or a slice of `whole`.
  index parse_item(index whole, std::size_t at) {
    const auto ends = [&] { return at_symbol("]") || at_symbol(",") || at_symbol(":"); };
    const index from = at_symbol(":") ? nothing : parse_expression();
    if (!take_symbol(":")) return from;
    expression e = made(expression_kind::slice, at, whole, from);
    if (!ends()) e.c = parse_expression();
    if (take_symbol(":") && !ends()) e.d = parse_expression();
    return add(e);
  }

  void parse_arguments(expression& into) {
    std::vector<argument> found;
    bool named = false, spread = false, spread_named = false;
    expect_symbol("(");
    while (!failed() && !at_symbol(")")) {
      if (!found.empty()) expect_symbol(",");
      if (at_symbol(")")) break;
      if (take_symbol("*")) {
        if (spread || spread_named) fail("arguments behind '**', or '*' twice");
        spread = true;
        found.push_back({argument_kind::spread, nothing, parse_expression()});
      } else if (take_symbol("**")) {
        if (spread_named) fail("'**' twice");
        spread_named = true;
        found.push_back({argument_kind::spread_named, nothing, parse_expression()});
      } else if (now().kind == lexeme_kind::name && is(ahead(), lexeme_kind::symbol, "=")) {
        if (spread_named) fail("arguments behind '**'");
        named = true;
        const index name = word_of(now().text);
        step();
        step();
        found.push_back({argument_kind::named, name, parse_expression()});
      } else {
        if (named || spread || spread_named) fail("an argument without a name behind one that has one");
        found.push_back({argument_kind::plain, nothing, parse_expression()});
      }
    }
    expect_symbol(")");
    into.first = static_cast<index>(out_.arguments.size());
    into.count = static_cast<index>(found.size());
    out_.arguments.insert(out_.arguments.end(), found.begin(), found.end());
  }
  index parse_call(index whole) {
    expression e = made(expression_kind::call, now().at, whole);
    parse_arguments(e);
    return add(e);
  }

  index parse_filters(index whole) {
    while (!failed()) {
      if (at_symbol("|"))
        whole = parse_filter(whole);
      else if (at_word("is"))
        whole = parse_test(whole);
      else if (at_symbol("("))
        whole = parse_call(whole);
      else
        break;
    }
    return whole;
  }
  std::string dotted_name() {
    std::string name(expect_name());
    while (!failed() && take_symbol(".")) name.append(".").append(expect_name());
    return name;
  }
  /// Filters one after another, from '|' on, or from the name of the first.
  index parse_filter(index whole, bool from_name = false) {
    while (!failed() && (from_name || take_symbol("|"))) {
      from_name = false;
      expression e = made(expression_kind::filter, now().at, whole);
      e.b = word_of(dotted_name());
      if (at_symbol("(")) parse_arguments(e);
      whole = add(e);
    }
    return whole;
  }
  index parse_test(index whole) {
    step();
    const std::size_t at = now().at;
    const bool negated = take_word("not");
    expression e = made(expression_kind::test, now().at, whole);
    e.b = word_of(dotted_name());
    const lexeme t = now();
    const bool value = t.kind == lexeme_kind::name || t.kind == lexeme_kind::string || t.kind == lexeme_kind::integer ||
                       t.kind == lexeme_kind::real || at_symbol("[") || at_symbol("{");
    if (at_symbol("(")) {
      parse_arguments(e);
    } else if (value && !at_word("else") && !at_word("or") && !at_word("and")) {
      if (at_word("is")) fail("tests cannot follow each other; use 'and'");
      const index operand = parse_postfix(parse_primary());
      e.first = static_cast<index>(out_.arguments.size());
      e.count = 1;
      out_.arguments.push_back({argument_kind::plain, nothing, operand});
    }
    const index test = add(e);
    return negated ? add(made(expression_kind::negation, at, test)) : test;
  }

  const std::vector<lexeme>& tokens_;
  program& out_;
  mistake& wrong_;
  std::uint64_t most_depth_, depth_ = 0;
  std::size_t at_ = 0;
  bool uses_caller_ = false, uses_named_ = false, uses_more_ = false;  // by the macro that is being read

 private:
  std::unordered_map<std::string, index> names_, words_;
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
