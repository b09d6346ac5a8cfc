/// evaluator: runs a program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/template/filters.hpp"
#include "nibble/text/template/functions.hpp"
#include "nibble/text/template/syntax.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Expressions: what they give. A failure is seen by run::failed.
class expression_evaluator {
 public:
  /// @param outside  the value of each name that the template does not set
  expression_evaluator(const program& code, run& r, std::vector<value> outside)
      : code_(code), run_(r), outside_(std::move(outside)), constants_(code.constants.size()) {}

 protected:
  ~expression_evaluator() = default;
  /// Calls a macro, or the body of a recursive loop.
  virtual value call_macro(const value& macro, arguments given) = 0;
  virtual value call_loop(const value& loop, const arguments& given) = 0;

  const expression& at(index i) const { return code_.expressions[i]; }

  /// A constant as a value, which is made when it is needed first.
  const value& constant_value(index i) {
    value& made = constants_[i];
    if (!made.is_undefined()) return made;
    const constant& c = code_.constants[i];
    switch (c.kind) {
      case constant_kind::none:
        return made = value::none();
      case constant_kind::yes:
      case constant_kind::no:
        return made = value::boolean(c.kind == constant_kind::yes);
      case constant_kind::integer:
        return made = value::integer(c.integer);
      case constant_kind::real:
        return made = value::real(c.real);
      case constant_kind::digits:
        return made = run_.memory.text(traced_text(c.text, origin::program), false, kind::digits);
      default:
        return made = run_.memory.text(c.text);
    }
  }

  /// The variable that a name means here, or null.
  value* find_variable(index name) {
    std::size_t passed = 0;
    for (scope_node* scope = scope_of(scope_); scope;
         scope = scope->parent.is(kind::scope) ? scope_of(scope->parent) : nullptr) {
      if (value* found = scope->find(name)) return found;
      if (++passed % 8 == 0 && !run_.charge()) return nullptr;
    }
    return nullptr;
  }
  value look_up(index name) {
    const value* found = find_variable(name);
    return found ? *found : outside_[name];
  }
  void set_variable(index name, value held) {
    scope_node& scope = *scope_of(scope_);
    if (value* known = scope.find(name)) return static_cast<void>(*known = std::move(held));
    scope.add(name, std::move(held));
    run_.memory.recount(&scope, sizeof(scope_node) + scope.bindings.capacity() * sizeof(binding) +
                                    scope.slots.capacity() * sizeof(std::uint32_t));
  }
  /// A new scope within another.
  value make_scope(const value& parent) {
    auto* made = run_.memory.make<scope_node>(kind::scope);
    made->parent = parent;
    return value::refer(kind::scope, made);
  }

  value evaluate(index i) {
    const run::level inside(run_);
    const expression& e = at(i);
    run_.place = e.at;
    if (!run_.charge()) return value::none();
    switch (e.kind) {
      case expression_kind::constant:
        return constant_value(e.a);
      case expression_kind::name:
        return look_up(e.a);
      case expression_kind::list:
      case expression_kind::tuple:
        return run_.list(evaluate_all(e), e.kind == expression_kind::list ? list_form::list : list_form::tuple);
      case expression_kind::dict:
        return evaluate_dict(e);
      case expression_kind::attribute: {
        const value owner = evaluate(e.a);
        run_.place = e.at;
        return attribute_of(run_, owner, constant_value(e.b));
      }
      case expression_kind::item: {
        const value owner = evaluate(e.a), key = evaluate(e.b);
        run_.place = e.at;
        return item_of(run_, owner, key);
      }
      case expression_kind::slice:
        return evaluate_slice(e);
      case expression_kind::call:
        return evaluate_call(e);
      case expression_kind::filter:
        return evaluate_filter(e, evaluate(e.a));
      case expression_kind::test:
        return evaluate_test(e);
      default:
        return evaluate_operator(e);
    }
  }

  std::vector<value> evaluate_all(const expression& e) {
    std::vector<value> out;
    for (index i = 0; i < e.count && !run_.failed(); ++i) out.push_back(evaluate(code_.children[e.first + i]));
    return out;
  }
  value evaluate_dict(const expression& e) {
    auto* made = run_.memory.make<dict_node>(kind::dict);
    value out = value::refer(kind::dict, made);
    for (index i = 0; i + 1 < e.count && !run_.failed(); i += 2) {
      const value key = evaluate(code_.children[e.first + i]);
      value held = evaluate(code_.children[e.first + i + 1]);
      run_.place = e.at;
      set_entry(run_, *made, key, std::move(held));
    }
    return out;
  }
  value evaluate_slice(const expression& e) {
    const value owner = evaluate(e.a);
    value bounds[3];
    const value* given[3] = {};
    const index parts[] = {e.b, e.c, e.d};
    for (int i = 0; i < 3; ++i) {
      if (parts[i] == nothing) continue;
      bounds[i] = evaluate(parts[i]);
      given[i] = &bounds[i];
    }
    run_.place = e.at;
    return run_.failed() ? value::none() : slice_of(run_, owner, given[0], given[1], given[2]);
  }

  value evaluate_operator(const expression& e) {
    switch (e.kind) {
      case expression_kind::negation:
        return value::boolean(!is_true(evaluate(e.a)));
      case expression_kind::conjunction: {
        value left = evaluate(e.a);
        return is_true(left) ? evaluate(e.b) : left;
      }
      case expression_kind::disjunction: {
        value left = evaluate(e.a);
        return is_true(left) ? left : evaluate(e.b);
      }
      case expression_kind::choice:
        if (is_true(evaluate(e.b))) return evaluate(e.a);
        if (e.c != nothing) return evaluate(e.c);
        return value::undefined(lack::said, run_.text("an 'if' within an expression without 'else' was false"));
      case expression_kind::comparison:
        return evaluate_comparison(e);
      case expression_kind::join: {
        traced_text out;
        for (index i = 0; i < e.count && !run_.failed(); ++i) append_text(run_, evaluate(code_.children[e.first + i]), out);
        return run_.text(std::move(out));
      }
      case expression_kind::binary: {
        const value left = evaluate(e.a), right = evaluate(e.b);
        run_.place = e.at;
        return run_.failed() ? value::none() : binary(run_, e.op, left, right);
      }
      default: {
        const value v = evaluate(e.a);
        run_.place = e.at;
        return run_.failed() ? value::none() : negated(run_, v, e.kind == expression_kind::negative);
      }
    }
  }
  bool compares(operation op, const value& a, const value& b) {
    switch (op) {
      case operation::equal:
        return is_equal(run_, a, b);
      case operation::unequal:
        return !is_equal(run_, a, b);
      case operation::less:
        return compare(run_, a, b) < 0;
      case operation::at_most:
        return compare(run_, a, b) <= 0;
      case operation::more:
        return compare(run_, a, b) > 0;
      case operation::at_least:
        return compare(run_, a, b) >= 0;
      case operation::in:
        return contains(run_, b, a);
      default:
        return !contains(run_, b, a);
    }
  }
  /// a < b < c: true if each is.
  value evaluate_comparison(const expression& e) {
    value left = evaluate(e.a);
    for (index i = 0; i < e.count && !run_.failed(); ++i) {
      const operand& next = code_.operands[e.first + i];
      value right = evaluate(next.value);
      run_.place = e.at;
      if (run_.failed() || !compares(next.op, left, right)) return value::boolean(false);
      left = std::move(right);
    }
    return value::boolean(true);
  }

  arguments evaluate_arguments(const expression& e) {
    arguments out;
    for (index i = 0; i < e.count && !run_.failed(); ++i) {
      const argument& a = code_.arguments[e.first + i];
      value v = evaluate(a.value);
      if (a.kind == argument_kind::plain) {
        out.plain.push_back(std::move(v));
      } else if (a.kind == argument_kind::named) {
        out.named.emplace_back(constant_value(a.name), std::move(v));
      } else if (a.kind == argument_kind::spread) {
        for (value& item : items_of(run_, v)) out.plain.push_back(std::move(item));
      } else if (v.is(kind::dict)) {
        run_.charge(dict_of(v)->entries.size() * 16);
        for (const entry& each : dict_of(v)->entries) out.named.emplace_back(each.key, each.held);
      } else {
        run_.fail("'**' wants a dict, found a " + std::string(type_name(v)));
      }
    }
    run_.place = e.at;
    return out;
  }
  value evaluate_filter(const expression& e, const value& v) {
    const arguments given = evaluate_arguments(e);
    return run_.failed() ? value::none() : call_filter(run_, code_.constants[e.b].text, v, given);
  }
  value evaluate_test(const expression& e) {
    const value v = evaluate(e.a);
    const arguments given = evaluate_arguments(e);
    return value::boolean(!run_.failed() && call_test(run_, code_.constants[e.b].text, v, given));
  }
  value evaluate_call(const expression& e) {
    const value callee = evaluate(e.a);
    arguments given = evaluate_arguments(e);
    return run_.failed() ? value::none() : call(callee, std::move(given));
  }
  value call(const value& callee, arguments given) {
    switch (callee.type()) {
      case kind::function:
        return all_functions[static_cast<std::size_t>(callee.as_integer())].call(run_, given);
      case kind::method:
        return all_methods[method_of(callee)->id].call(run_, method_of(callee)->self, given);
      case kind::macro:
        return call_macro(callee, std::move(given));
      case kind::loop:
        return call_loop(callee, given);
      case kind::joiner:
        return call_joiner(run_, callee);
      case kind::undefined:
        run_.fail(undefined_reason(callee));
        return value::none();
      default:
        run_.fail("a " + std::string(type_name(callee)) + " cannot be called");
        return value::none();
    }
  }

  const program& code_;
  run& run_;
  std::vector<value> outside_, constants_;
  value scope_;
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
