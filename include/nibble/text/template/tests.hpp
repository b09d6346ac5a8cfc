/// call_test: x is defined, x is divisibleby 3, ...
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/text/template/arithmetic.hpp"
#include "nibble/text/template/letters.hpp"
#include "nibble/text/template/run.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

using test_call = bool (*)(run& r, const value& v, const value& other);

struct named_test {
  std::string_view name;
  bool takes_other;
  test_call holds;
};

bool is_filter(std::string_view name) noexcept;
bool is_test(std::string_view name) noexcept;

inline bool is_remainder(run& r, const value& v, std::int64_t by, std::int64_t rest) {
  const value left = binary(r, operation::modulo, v, value::integer(by));
  return !r.failed() && left.as_real() == static_cast<double>(rest);
}
inline bool is_sized(const value& v) noexcept {
  return v.is_text() || v.is(kind::dict) || v.is_undefined() || (v.is(kind::list) && is_indexed(list_of(v)->form));
}
inline bool is_same(run& r, const value& a, const value& b) {
  if (a.type() != b.type() || !r.charge(view_of(a).size())) return false;
  if (a.has_node()) return a.referred() == b.referred() || (a.is_text() && view_of(a) == view_of(b));
  return a.is(kind::real) ? a.as_real() == b.as_real() : a.as_integer() == b.as_integer();
}
inline bool is_cased(run& r, const value& v, text_kind kind) {
  const value text = as_text(r, v);
  return r.charge(view_of(text).size() * 16) && is_of(view_of(text), kind);
}

// clang-format off
/// @source  Jinja's builtin tests
inline constexpr auto all_tests = std::to_array<named_test>({
    {"defined", false, [](run&, const value& v, const value&) { return !v.is_undefined(); }},
    {"undefined", false, [](run&, const value& v, const value&) { return v.is_undefined(); }},
    {"none", false, [](run&, const value& v, const value&) { return v.is(kind::none); }},
    {"string", false, [](run&, const value& v, const value&) { return v.is_text(); }},
    {"mapping", false, [](run&, const value& v, const value&) { return v.is(kind::dict); }},
    {"iterable", false, [](run&, const value& v, const value&) { return is_iterable(v); }},
    {"sequence", false, [](run&, const value& v, const value&) { return is_sized(v); }},
    {"boolean", false, [](run&, const value& v, const value&) { return v.is(kind::boolean); }},
    {"true", false, [](run&, const value& v, const value&) { return v.is(kind::boolean) && is_true(v); }},
    {"false", false, [](run&, const value& v, const value&) { return v.is(kind::boolean) && !is_true(v); }},
    {"integer", false, [](run&, const value& v, const value&) { return v.is(kind::integer) || v.is(kind::digits); }},
    {"float", false, [](run&, const value& v, const value&) { return v.is(kind::real); }},
    {"number", false, [](run&, const value& v, const value&) { return v.is_number() || v.is(kind::digits); }},
    {"callable", false, [](run&, const value& v, const value&) { return v.is(kind::function) || v.is(kind::macro) || v.is(kind::method) || v.is(kind::joiner) || v.is(kind::loop) || v.is_undefined(); }},
    {"lower", false, [](run& r, const value& v, const value&) { return is_cased(r, v, text_kind::lower); }},
    {"upper", false, [](run& r, const value& v, const value&) { return is_cased(r, v, text_kind::upper); }},
    {"odd", false, [](run& r, const value& v, const value&) { return is_remainder(r, v, 2, 1); }},
    {"even", false, [](run& r, const value& v, const value&) { return is_remainder(r, v, 2, 0); }},
    {"escaped", false, [](run&, const value& v, const value&) { return v.is_text() && text_of(v)->safe; }},
    {"filter", false, [](run&, const value& v, const value&) { return is_filter(view_of(v)); }},
    {"test", false, [](run&, const value& v, const value&) { return is_test(view_of(v)); }},
    {"divisibleby", true, [](run& r, const value& v, const value& o) { const value rest = binary(r, operation::modulo, v, o); return !r.failed() && rest.as_real() == 0; }},
    {"sameas", true, [](run& r, const value& v, const value& o) { return is_same(r, v, o); }},
    {"in", true, [](run& r, const value& v, const value& o) { return contains(r, o, v); }},
    {"==", true, is_equal}, {"eq", true, is_equal}, {"equalto", true, is_equal},
    {"!=", true, [](run& r, const value& v, const value& o) { return !is_equal(r, v, o); }},
    {"ne", true, [](run& r, const value& v, const value& o) { return !is_equal(r, v, o); }},
    {"<", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) < 0; }},
    {"lt", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) < 0; }},
    {"lessthan", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) < 0; }},
    {"<=", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) <= 0; }},
    {"le", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) <= 0; }},
    {">", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) > 0; }},
    {"gt", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) > 0; }},
    {"greaterthan", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) > 0; }},
    {">=", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) >= 0; }},
    {"ge", true, [](run& r, const value& v, const value& o) { return compare(r, v, o) >= 0; }},
});
// clang-format on

inline const named_test* find_test(std::string_view name) noexcept {
  for (const named_test& known : all_tests)
    if (known.name == name) return &known;
  return nullptr;
}
inline bool is_test(std::string_view name) noexcept { return find_test(name) != nullptr; }

inline bool call_test(run& r, std::string_view name, const value& v, const arguments& given) {
  const named_test* known = find_test(name);
  if (!known) return r.fail("a test that is not known: " + detail::quoted(name)), false;
  if (given.plain.size() + given.named.size() != known->takes_other)
    return r.fail("the test " + detail::quoted(name) + " takes " + (known->takes_other ? "one argument" : "no arguments")),
           false;
  return known->holds(r, v, given.plain.empty() ? (given.named.empty() ? value() : given.named[0].second) : given.plain[0]);
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
