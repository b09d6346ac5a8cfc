/// program_parser: the tags of a template become statements.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/template/parser.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// @source  the parser of Jinja 3.1, with its loop controls and the generation blocks of chat templates
class program_parser : expression_parser {
 public:
  using expression_parser::expression_parser;

  void run() {
    out_.body = parse_block({});
    if (now().kind != lexeme_kind::end) fail("a tag that nothing opened: " + described());
  }

 private:
  using words = std::initializer_list<std::string_view>;

  /// What ends the block that is read, as long as it lives.
  class open_block {
   public:
    open_block(std::vector<std::string_view>& all, words ends) : all_(all), is_open_(ends.size() > 0) {
      if (is_open_) all_.push_back(*(ends.end() - 1));
    }
    ~open_block() {
      if (is_open_) all_.pop_back();
    }
    open_block(const open_block&) = delete;
    open_block& operator=(const open_block&) = delete;

   private:
    std::vector<std::string_view>& all_;
    bool is_open_;
  };

  statement stated(statement_kind kind, std::size_t at, index a = nothing, index b = nothing) const {
    statement s;
    s.kind = kind, s.at = at, s.a = a, s.b = b;
    return s;
  }
  index add_statement(statement s) {
    out_.statements.push_back(s);
    return static_cast<index>(out_.statements.size() - 1);
  }
  index add_block(std::vector<index> block) {
    out_.blocks.push_back(std::move(block));
    return static_cast<index>(out_.blocks.size() - 1);
  }
  index add_target(target t) {
    out_.targets.push_back(std::move(t));
    return static_cast<index>(out_.targets.size() - 1);
  }
  index add_definition(definition d) {
    out_.definitions.push_back(std::move(d));
    return static_cast<index>(out_.definitions.size() - 1);
  }

  void expect_tag_end() {
    if (now().kind != lexeme_kind::tag_end) return fail("expected the end of the tag, found " + described());
    step();
  }

  /// Statements up to a tag that begins with one of the words, at which it stops; without words, to the end.
  index parse_block(words ends) {
    std::vector<index> block;
    const level inside(*this);
    const open_block until(open_, ends);
    while (!failed() && now().kind != lexeme_kind::end) {
      if (now().kind == lexeme_kind::text) {
        block.push_back(add_statement(stated(statement_kind::text, now().at, text_of(now().text))));
        step();
      } else if (now().kind == lexeme_kind::expression_begin) {
        const std::size_t at = now().at;
        step();
        block.push_back(add_statement(stated(statement_kind::print, at, parse_tuple())));
        if (now().kind != lexeme_kind::expression_end) fail("expected the end of the tag, found " + described());
        step();
      } else {
        for (const std::string_view end : ends)
          if (is(ahead(), lexeme_kind::name, end)) return step(), add_block(std::move(block));
        step();
        parse_tag(block);
        if (!failed()) expect_tag_end();
      }
    }
    if (ends.size() > 0) fail("expected {% " + std::string(*(ends.end() - 1)) + " %}, found the end of the template");
    return add_block(std::move(block));
  }
  /// The block behind a tag up to its end word, which it takes.
  index parse_body(std::string_view end) {
    if (at_symbol(":")) step();
    expect_tag_end();
    const index block = parse_block({end});
    step();
    return block;
  }

  void parse_tag(std::vector<index>& block) {
    const std::size_t at = now().at;
    const std::string_view tag = expect_name();
    if (failed()) return;
    if (tag == "if") return block.push_back(parse_if(at));
    if (tag == "for") return block.push_back(parse_for(at));
    if (tag == "set") return block.push_back(parse_set(at));
    if (tag == "macro") return block.push_back(parse_macro(at));
    if (tag == "call") return block.push_back(parse_call_block(at));
    if (tag == "with") return block.push_back(parse_with(at));
    if (tag == "print") return parse_print(at, block);
    if (tag == "break" || tag == "continue") return block.push_back(parse_leave(at, tag == "break"));
    if (tag == "generation")
      return block.push_back(add_statement(stated(statement_kind::scope, at, nothing, parse_body("endgeneration"))));
    if (tag == "filter") {
      const index filter = parse_filter(nothing, true);
      return block.push_back(add_statement(stated(statement_kind::filter_block, at, filter, parse_body("endfilter"))));
    }
    if (tag == "block") return block.push_back(parse_named_block(at));
    if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
      while (!failed() && now().kind != lexeme_kind::tag_end && now().kind != lexeme_kind::end) step();
      return block.push_back(add_statement(stated(statement_kind::unavailable, at, word_of(tag))));
    }
    wrong_.set(at, misplaced(tag));
  }
  /// Why a tag cannot stand here.
  std::string misplaced(std::string_view tag) const {
    const std::string expected = open_.empty() ? std::string() : "expected {% " + std::string(open_.back()) + " %}";
    if (!is_end(tag)) return "a tag that is not known: " + detail::quoted(tag) + (expected.empty() ? "" : "; " + expected);
    const std::string found = "{% " + std::string(tag) + " %}";
    return expected.empty() ? found + " where nothing is open that it could belong to" : expected + ", found " + found;
  }
  /// Whether it ends a block, or divides one.
  static bool is_end(std::string_view tag) noexcept {
    constexpr std::string_view ends[] = {"else",    "elif",    "endif",  "endfor",   "endset",    "endmacro",
                                         "endcall", "endwith", "endraw", "endblock", "endfilter", "endgeneration"};
    return std::find(std::begin(ends), std::end(ends), tag) != std::end(ends);
  }

  index parse_if(std::size_t at) {
    const level inside(*this);
    statement s = stated(statement_kind::branch, at, parse_tuple(false));
    if (at_symbol(":")) step();
    expect_tag_end();
    s.b = parse_block({"elif", "else", "endif"});
    std::vector<statement> chain = {s};  // each but the first is the other branch of the one before
    while (!failed() && at_word("elif")) {
      const std::size_t place = now().at;
      step();
      statement other = stated(statement_kind::branch, place, parse_tuple(false));
      if (at_symbol(":")) step();
      expect_tag_end();
      other.b = parse_block({"elif", "else", "endif"});
      chain.push_back(other);
    }
    if (!failed() && take_word("else"))
      chain.back().c = parse_body("endif");
    else
      step();
    while (chain.size() > 1) {
      const index last = add_statement(chain.back());
      chain.pop_back();
      chain.back().c = add_block({last});
    }
    return add_statement(chain[0]);
  }

  index parse_for(std::size_t at) {
    statement s = stated(statement_kind::loop, at, parse_target("in"));
    if (!take_word("in")) fail("expected 'in', found " + described());
    s.b = parse_tuple(false, "recursive");
    if (take_word("if")) s.c = parse_expression();
    s.flag = take_word("recursive");
    if (at_symbol(":")) step();
    expect_tag_end();
    ++loops_;
    s.d = parse_block({"else", "endfor"});
    --loops_;
    if (!failed() && take_word("else"))
      s.e = parse_body("endfor");
    else
      step();
    return add_statement(s);
  }
  index parse_leave(std::size_t at, bool leaves) {
    if (loops_ == 0) wrong_.set(at, "'break' and 'continue' have no meaning outside of a loop");
    return add_statement(stated(leaves ? statement_kind::leave : statement_kind::next, at));
  }

  // a, (b, c), n.d
  index parse_target(std::string_view end = {}, bool attributes = false) {
    const std::size_t at = now().at;
    std::vector<index> parts;
    bool several = false;
    while (!failed()) {
      if (now().kind == lexeme_kind::tag_end || at_symbol(")") || at_symbol("=") || (!end.empty() && at_word(end))) break;
      parts.push_back(parse_one_target(attributes));
      if (!take_symbol(",")) break;
      several = true;
    }
    if (parts.empty()) fail("expected a name, found " + described());
    if (failed()) return nothing;
    if (!several && parts.size() == 1) return parts[0];
    target t;
    t.kind = target::form::several, t.parts = std::move(parts), t.at = at;
    return add_target(std::move(t));
  }
  index parse_one_target(bool attributes) {
    const level inside(*this);
    if (failed()) return nothing;
    if (at_symbol("(") || at_symbol("[")) {
      const bool round = at_symbol("(");
      step();
      const index inner = parse_target({}, attributes);
      expect_symbol(round ? ")" : "]");
      return inner;
    }
    target t;
    t.at = now().at;
    const std::string_view name = expect_name();
    for (const std::string_view fixed : {"true", "false", "none", "True", "False", "None"})
      if (name == fixed) wrong_.set(t.at, "nothing can be assigned to " + detail::quoted(name));
    t.name = name_of(name);
    if (attributes && take_symbol(".")) {
      t.kind = target::form::attribute;
      t.attribute = word_of(expect_name());
    }
    return add_target(std::move(t));
  }

  index parse_set(std::size_t at) {
    statement s = stated(statement_kind::assign, at, parse_target({}, true));
    if (take_symbol("=")) {
      s.b = parse_tuple();
      return add_statement(s);
    }
    s.kind = statement_kind::assign_block;
    if (at_symbol("|")) s.c = parse_filter(nothing);
    s.b = parse_body("endset");
    return add_statement(s);
  }

  void parse_parameters(definition& d) {
    expect_symbol("(");
    bool fallbacks = false;
    while (!failed() && !at_symbol(")")) {
      if (!d.parameters.empty()) expect_symbol(",");
      const std::string_view name = expect_name();
      definition::parameter p{name_of(name), word_of(name), nothing};
      if (take_symbol("=")) {
        p.fallback = parse_expression();
        fallbacks = true;
      } else if (fallbacks) {
        fail("a parameter without a value behind one that has one");
      }
      d.parameters.push_back(p);
    }
    expect_symbol(")");
  }
  /// The body of a macro or a call block, and which of the special names it uses.
  index parse_definition(definition d, std::string_view end) {
    const bool caller = uses_caller_, named = uses_named_, more = uses_more_;
    const int loops = std::exchange(loops_, 0);
    uses_caller_ = uses_named_ = uses_more_ = false;
    d.body = parse_body(end);
    d.uses_caller = uses_caller_, d.uses_named = uses_named_, d.uses_more = uses_more_;
    uses_caller_ |= caller, uses_named_ |= named, uses_more_ |= more;
    loops_ = loops;
    return add_definition(std::move(d));
  }
  index parse_macro(std::size_t at) {
    definition d;
    d.at = at;
    const std::string_view name = expect_name();
    d.name = name_of(name);
    d.text = word_of(name);
    parse_parameters(d);
    return add_statement(stated(statement_kind::define, at, parse_definition(std::move(d), "endmacro")));
  }
  index parse_call_block(std::size_t at) {
    definition d;
    d.at = at;
    if (at_symbol("(")) parse_parameters(d);
    const index call = parse_expression();
    if (failed()) return nothing;
    if (out_.expressions[call].kind != expression_kind::call) wrong_.set(at, "expected a call in the tag");
    return add_statement(stated(statement_kind::call_block, at, parse_definition(std::move(d), "endcall"), call));
  }

  index parse_with(std::size_t at) {
    statement s = stated(statement_kind::with, at);
    std::vector<index> pairs;
    while (!failed() && now().kind != lexeme_kind::tag_end && !at_symbol(":")) {
      if (!pairs.empty()) expect_symbol(",");
      pairs.push_back(parse_one_target(false));
      expect_symbol("=");
      pairs.push_back(parse_expression());
    }
    s.b = parse_body("endwith");
    s.first = static_cast<index>(out_.children.size());
    s.count = static_cast<index>(pairs.size());
    out_.children.insert(out_.children.end(), pairs.begin(), pairs.end());
    return add_statement(s);
  }
  void parse_print(std::size_t at, std::vector<index>& block) {
    bool first = true;
    while (!failed() && now().kind != lexeme_kind::tag_end) {
      if (!first) expect_symbol(",");
      first = false;
      block.push_back(add_statement(stated(statement_kind::print, at, parse_expression())));
    }
  }
  index parse_named_block(std::size_t at) {
    const std::string_view name = expect_name();
    while (take_word("scoped") || take_word("required")) {
    }
    statement s = stated(statement_kind::scope, at);
    s.flag = true;
    const int loops = std::exchange(loops_, 0);
    s.b = parse_body("endblock");
    loops_ = loops;
    if (at_word(name)) step();
    return add_statement(s);
  }

  int loops_ = 0;                       // that the place is in
  std::vector<std::string_view> open_;  // what ends the blocks that it is in
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
