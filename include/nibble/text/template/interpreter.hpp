/// interpreter: the statements of a program, and what they write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/template/evaluator.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

class interpreter final : expression_evaluator, loop_source {
 public:
  using expression_evaluator::expression_evaluator;

  /// What the template writes; of no meaning after a failure.
  traced_text render() {
    scope_ = make_scope(value());
    root_ = scope_;
    run_.loops = this;
    traced_text out;
    out_ = &out;
    static_cast<void>(execute(code_.body));
    return out;
  }

 private:
  /// How a block ended.
  enum class end { done, left, next };

  /// Another place to write to, and another scope, as long as it lives.
  class turned {
   public:
    turned(interpreter& of, value scope, traced_text* out) : of_(of), scope_(std::move(of.scope_)), out_(of.out_) {
      of.scope_ = std::move(scope);
      if (out) of.out_ = out;
    }
    ~turned() {
      of_.scope_ = std::move(scope_);
      of_.out_ = out_;
    }
    turned(const turned&) = delete;
    turned& operator=(const turned&) = delete;

   private:
    interpreter& of_;
    value scope_;
    traced_text* out_;
  };

  end execute(index block) {
    const run::level inside(run_);
    for (const index i : code_.blocks[block]) {
      const end how = execute(code_.statements[i]);
      if (run_.failed()) return end::left;
      if (how != end::done) return how;
    }
    return end::done;
  }
  end execute(const statement& s) {
    run_.place = s.at;
    if (!run_.charge() || !run_.may_be_long(*out_)) return end::left;
    switch (s.kind) {
      case statement_kind::text:
        write(code_.constants[s.a].text);
        break;
      case statement_kind::print:
        append_text(run_, evaluate(s.a), *out_);
        break;
      case statement_kind::branch:
        return branch(s);
      case statement_kind::loop:
        loop(s);
        break;
      case statement_kind::assign:
        assign(code_.targets[s.a], evaluate(s.b));
        break;
      case statement_kind::assign_block:
        assign_block(s);
        break;
      case statement_kind::define:
        set_variable(code_.definitions[s.a].name, make_macro(s.a));
        break;
      case statement_kind::call_block:
        call_block(s);
        break;
      case statement_kind::filter_block:
        append_text(run_, filtered(s.a, capture(s.b)), *out_);
        break;
      case statement_kind::with:
        return with(s);
      case statement_kind::scope:
        return execute_in(s.flag ? make_scope(root_) : scope_, s.b);
      case statement_kind::leave:
        return end::left;
      case statement_kind::next:
        return end::next;
      case statement_kind::unavailable:
        run_.fail("there is no other template to " + code_.constants[s.a].text);
        break;
    }
    return end::done;
  }

  end execute_in(value scope, index block) {
    const turned inner(*this, std::move(scope), nullptr);
    return execute(block);
  }
  void write(const std::string& text) {
    run_.charge(text.size());
    out_->append(text, origin::program);
  }
  /// An elif is a branch alone in the other block: one after another, however many there are.
  end branch(const statement& first) {
    for (const statement* s = &first; run_.charge();) {
      if (is_true(evaluate(s->a))) return run_.failed() ? end::left : execute(s->b);
      if (s->c == nothing || run_.failed()) break;
      const std::vector<index>& other = code_.blocks[s->c];
      if (other.size() != 1 || code_.statements[other[0]].kind != statement_kind::branch) return execute(s->c);
      s = &code_.statements[other[0]];
    }
    return end::done;
  }

  // Loops.
  void loop(const statement& s) {
    const value all = evaluate(s.b);
    run_.place = s.at;
    if (!run_.failed()) run_loop(s, all, scope_, 0);
  }
  void run_loop(const statement& s, const value& all, const value& around, std::int64_t depth) {
    auto* made = run_.memory.make<loop_node>(kind::loop);
    const value facts = value::refer(kind::loop, made);
    made->is_open = s.c != nothing || is_list(all, list_form::iterator);
    if (made->is_open)
      made->rest.source = all;
    else
      made->items = items_of(run_, all);
    made->depth = depth;
    made->recursive = s.flag;
    made->body = static_cast<index>(&s - code_.statements.data());
    made->scope = around;
    run_.memory.recount(made, sizeof(loop_node) + made->items.capacity() * sizeof(value));
    for (made->index = 0; (made->index < made->items.size() || pull(*made)) && run_.charge(); ++made->index) {
      const turned inner(*this, make_scope(around), nullptr);
      if (loop_name_ != nothing) set_variable(loop_name_, facts);
      const value item = made->items[made->index];
      assign(code_.targets[s.a], item);
      if (run_.failed() || execute(s.d) == end::left) return;
    }
    if (!made->items.empty() || s.e == nothing || run_.failed()) return;
    const turned inner(*this, make_scope(around), nullptr);
    static_cast<void>(execute(s.e));
  }
  /// The next one for which the condition of the loop holds, looked at when it is needed and no earlier.
  bool pull(loop_node& loop) override {
    const statement& s = code_.statements[loop.body];
    const std::size_t place = run_.place;
    for (value item; loop.is_open && next_of_source(run_, loop.rest, item);) {
      if (s.c != nothing && !holds(s, item, loop.scope)) continue;
      if (run_.failed()) break;
      run_.place = place;
      loop.items.push_back(std::move(item));
      run_.memory.recount(&loop, sizeof(loop_node) + loop.items.capacity() * sizeof(value));
      return true;
    }
    loop.is_open = false;
    return false;
  }
  bool holds(const statement& s, const value& item, const value& around) {
    const turned inner(*this, make_scope(around), nullptr);
    assign(code_.targets[s.a], item);
    return !run_.failed() && is_true(evaluate(s.c));
  }
  value call_loop(const value& of, const arguments& given) override {
    const loop_node& facts = *loop_of(of);
    if (!facts.recursive) run_.fail("a loop that calls itself has to be marked as recursive");
    if (given.plain.size() != 1) run_.fail("loop() takes one argument");
    if (run_.failed()) return value::none();
    traced_text text;
    {
      const turned inner(*this, facts.scope, &text);
      run_loop(code_.statements[facts.body], given.plain[0], facts.scope, facts.depth + 1);
    }
    return run_.text(std::move(text));
  }

  // Variables.
  void assign(const target& t, const value& v) {
    run_.place = t.at;
    if (run_.failed()) return;
    if (t.kind == target::form::name) return set_variable(t.name, v);
    if (t.kind == target::form::attribute) {
      const value space = look_up(t.name);
      if (!space.is(kind::space))
        return run_.fail(detail::quoted(code_.names[t.name]) + " is no namespace: its attributes cannot be set");
      return set_entry(run_, *dict_of(space), constant_value(t.attribute), v);
    }
    const std::vector<value> parts = items_of(run_, v);
    if (!run_.failed() && parts.size() != t.parts.size())
      run_.fail("expected " + std::to_string(t.parts.size()) + " values to assign, found " + std::to_string(parts.size()));
    const run::level inside(run_);
    for (std::size_t i = 0; i < t.parts.size() && !run_.failed(); ++i) assign(code_.targets[t.parts[i]], parts[i]);
  }
  /// What a block writes, as a text.
  value capture(index block) {
    traced_text text;
    {
      const turned inner(*this, make_scope(scope_), &text);
      static_cast<void>(execute(block));
    }
    return run_.text(std::move(text));
  }
  /// A text through filters, the innermost of which has no operand of its own.
  value filtered(index filter, value text) {
    std::vector<index> chain;
    for (index i = filter; i != nothing; i = at(i).a) chain.push_back(i);
    for (; !chain.empty() && !run_.failed(); chain.pop_back()) text = evaluate_filter(at(chain.back()), text);
    return text;
  }
  void assign_block(const statement& s) {
    value text = capture(s.b);
    if (s.c != nothing && !run_.failed()) text = filtered(s.c, std::move(text));
    assign(code_.targets[s.a], text);
  }
  end with(const statement& s) {
    const value outer = scope_, inner = make_scope(scope_);
    for (index i = 0; i + 1 < s.count && !run_.failed(); i += 2) {
      const value v = evaluate(code_.children[s.first + i + 1]);
      const turned inside(*this, inner, nullptr);
      assign(code_.targets[code_.children[s.first + i]], v);
    }
    const turned inside(*this, inner, nullptr);
    return run_.failed() ? end::left : execute(s.b);
  }

  // Macros.
  value make_macro(index definition) {
    auto* made = run_.memory.make<macro_node>(kind::macro);
    made->definition = definition;
    made->scope = scope_;
    return value::refer(kind::macro, made);
  }
  void call_block(const statement& s) {
    const expression& e = at(s.b);
    const value callee = evaluate(e.a);
    arguments given = evaluate_arguments(e);
    given.named.emplace_back(run_.text(std::string("caller")), make_macro(s.a));
    if (!run_.failed()) append_text(run_, call(callee, std::move(given)), *out_);
  }
  value call_macro(const value& macro, arguments given) override {
    const definition& d = code_.definitions[macro_of(macro)->definition];
    const std::size_t place = run_.place;
    traced_text text;
    {
      const run::level inside(run_);
      const turned inner(*this, make_scope(macro_of(macro)->scope), &text);
      if (bind_parameters(d, given) && !run_.failed()) static_cast<void>(execute(d.body));
    }
    if (!run_.failed()) run_.place = place;
    return run_.text(std::move(text));
  }
  bool bind_parameters(const definition& d, arguments& given) {
    std::vector<bool> used(given.named.size());
    const auto take = [&](std::string_view name) -> const value* {
      run_.charge(used.size() * 16);
      for (std::size_t i = 0; i < used.size(); ++i)
        if (!used[i] && view_of(given.named[i].first) == name) return used[i] = true, &given.named[i].second;
      return nullptr;
    };
    for (std::size_t i = 0; i < d.parameters.size() && !run_.failed(); ++i) {
      const definition::parameter& p = d.parameters[i];
      const value* v = i < given.plain.size() ? &given.plain[i] : take(code_.constants[p.text].text);
      if (v)
        set_variable(p.name, *v);
      else if (p.fallback != nothing)
        set_variable(p.name, evaluate(p.fallback));
      else
        set_variable(p.name,
                     value::undefined(lack::said, run_.text("the parameter " + detail::quoted(code_.constants[p.text].text) +
                                                            " was not provided")));
    }
    bind_special(d, given, take("caller"), used);
    return !run_.failed();
  }
  /// caller, varargs and kwargs, for those that use them: others must not be given more than they ask for.
  void bind_special(const definition& d, const arguments& given, const value* caller, const std::vector<bool>& used) {
    if (caller && !d.uses_caller) run_.fail("a macro that does not call its caller");
    if (d.uses_caller && caller_name_ != nothing)
      set_variable(caller_name_, caller ? *caller : value::undefined(lack::said, run_.text(std::string("there is no caller"))));
    const std::size_t plain = d.parameters.size();
    if (d.uses_more && more_name_ != nothing) {
      std::vector<value> more(given.plain.begin() + static_cast<std::ptrdiff_t>((std::min)(plain, given.plain.size())),
                              given.plain.end());
      set_variable(more_name_, run_.list(std::move(more), list_form::tuple));
    } else if (given.plain.size() > plain) {
      run_.fail("a macro of " + std::to_string(plain) + " parameters is given " + std::to_string(given.plain.size()));
    }
    auto* rest = run_.memory.make<dict_node>(kind::dict);
    const value names = value::refer(kind::dict, rest);
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      if (!d.uses_named) run_.fail("a macro has no parameter of this name: " + detail::quoted(view_of(given.named[i].first)));
      set_entry(run_, *rest, given.named[i].first, given.named[i].second);
    }
    if (d.uses_named && named_name_ != nothing) set_variable(named_name_, names);
  }

  index name_of(std::string_view name) const {
    for (std::size_t i = 0; i < code_.names.size(); ++i)
      if (code_.names[i] == name) return static_cast<index>(i);
    return nothing;
  }

  traced_text* out_ = nullptr;
  value root_;
  // Names that the language gives a meaning; `nothing` where the template does not use them.
  index loop_name_ = name_of("loop"), caller_name_ = name_of("caller"), more_name_ = name_of("varargs"),
        named_name_ = name_of("kwargs");
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
