/// binary, negated: what + - * / // % ** do with values.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/text/template/collections.hpp"
#include "nibble/text/template/html.hpp"
#include "nibble/text/template/percent_format.hpp"
#include "nibble/text/template/printing.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

inline bool add_fits(std::int64_t a, std::int64_t b, std::int64_t& out) noexcept {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
  if (b > 0 ? a > most - b : a < least - b) return false;
  out = a + b;
  return true;
}
inline bool multiply_fits(std::int64_t a, std::int64_t b, std::int64_t& out) noexcept {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
  if (a > 0 ? (b > 0 ? a > most / b : b < least / a) : (b > 0 ? a < least / b : a != 0 && b < most / a)) return false;
  out = a * b;
  return true;
}
/// Of signs of both kinds, Python's remainder has that of the divisor.
inline double remainder_of(double a, double b) noexcept {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest == 0 ? std::copysign(0.0, b) : rest;
}

inline value integer_power(run& r, std::int64_t base, std::int64_t exponent, origin from) {
  if (exponent < 0) {
    if (base == 0) r.fail("a division by zero");
    return value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)), from);
  }
  std::int64_t out = 1;
  bool fits = true;
  while (exponent > 0 && fits) {
    if (exponent % 2 == 1) fits = multiply_fits(out, base, out);
    exponent /= 2;
    if (exponent > 0 && fits) fits = multiply_fits(base, base, base);
  }
  if (!fits) r.fail("an integer of more than 64 bits");
  return value::integer(out, from);
}

inline value integer_binary(run& r, operation op, std::int64_t a, std::int64_t b, origin from) {
  std::int64_t out = 0;
  bool fits = true;
  const bool divides = op == operation::divide || op == operation::divide_whole || op == operation::modulo;
  if (divides && b == 0) return r.fail("a division by zero"), value::none();
  switch (op) {
    case operation::add:
      fits = add_fits(a, b, out);
      break;
    case operation::subtract:
      fits = b != std::numeric_limits<std::int64_t>::min() ? add_fits(a, -b, out) : a < 0 && (out = a - b, true);
      break;
    case operation::multiply:
      fits = multiply_fits(a, b, out);
      break;
    case operation::divide:
      return value::real(static_cast<double>(a) / static_cast<double>(b), from);
    case operation::power:
      return integer_power(r, a, b, from);
    case operation::divide_whole:
      if (b == -1)
        fits = multiply_fits(a, -1, out);
      else
        out = a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
      break;
    default:
      if (b != -1) out = a % b;
      if (out != 0 && (out < 0) != (b < 0)) out += b;
      break;
  }
  if (!fits) r.fail("an integer of more than 64 bits");
  return value::integer(out, from);
}

inline value real_binary(run& r, operation op, double a, double b, origin from) {
  const bool divides = op == operation::divide || op == operation::divide_whole || op == operation::modulo;
  if (divides && b == 0) return r.fail("a division by zero"), value::none();
  switch (op) {
    case operation::add:
      return value::real(a + b, from);
    case operation::subtract:
      return value::real(a - b, from);
    case operation::multiply:
      return value::real(a * b, from);
    case operation::divide:
      return value::real(a / b, from);
    case operation::divide_whole:
      return value::real(std::floor((a - remainder_of(a, b)) / b + 0.5), from);
    case operation::modulo:
      return value::real(remainder_of(a, b), from);
    default:
      if (a == 0 && b < 0) r.fail("a division by zero");
      if (a < 0 && std::floor(b) != b) r.fail("a root of a negative number");
      const double power = std::pow(a, b);
      if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) r.fail("a number too large");
      return value::real(power, from);
  }
}

inline value repeated(run& r, const value& v, std::int64_t times) {
  const std::uint64_t count = times > 0 ? static_cast<std::uint64_t>(times) : 0;
  if (v.is_text()) {
    const traced_text& text = text_of(v)->text;
    const std::size_t runs = product_of_sizes(text.runs(), as_size(count));
    if (!r.may_be_long(product_of_sizes(text.size(), as_size(count)))) return value::none();
    if (text.runs() > 1 && !(r.may_be_long(product_of_sizes(runs, 16)) && r.charge(runs * 16))) return value::none();
    return r.text(text.repeated(text.empty() ? 0 : as_size(count)), text_of(v)->safe);
  }
  const std::vector<value>& items = list_of(v)->items;
  std::vector<value> out;
  if (!r.may_be_long(product_of_sizes(items.size(), as_size(count), sizeof(value)))) return value::none();
  for (std::uint64_t i = 0; i < count && !items.empty() && r.charge(items.size() * 16); ++i)
    out.insert(out.end(), items.begin(), items.end());
  return r.list(std::move(out), list_of(v)->form);
}

inline value joined(run& r, const value& a, const value& b) {
  const bool safe = text_of(a)->safe || text_of(b)->safe;
  if (!r.may_be_long(sum_of_sizes(view_of(a).size(), view_of(b).size()))) return value::none();
  traced_text out;
  for (const value* v : {&a, &b}) {
    if (safe && !text_of(*v)->safe)
      append_escaped(r, text_of(*v)->text, out);
    else
      out.append(text_of(*v)->text);
  }
  return r.text(std::move(out), safe);
}

/// @source  Python's operators; integers of more than 64 bits are a failure
inline value binary(run& r, operation op, const value& a, const value& b) {
  if (!r.charge()) return value::none();
  const origin from = joined_origin(a.from(), b.from());
  if (a.is_integer() && b.is_integer()) return integer_binary(r, op, a.as_integer(), b.as_integer(), from);
  if (a.is_number() && b.is_number()) return real_binary(r, op, a.as_real(), b.as_real(), from);
  const bool plain_list = a.is(kind::list) && (list_of(a)->form == list_form::list || list_of(a)->form == list_form::tuple);
  if (op == operation::add && a.is_text() && b.is_text()) return joined(r, a, b);
  if (op == operation::add && plain_list && b.is(kind::list) && list_of(a)->form == list_of(b)->form) {
    if (!r.charge((list_of(a)->items.size() + list_of(b)->items.size()) * 16)) return value::none();
    std::vector<value> out = list_of(a)->items;
    out.insert(out.end(), list_of(b)->items.begin(), list_of(b)->items.end());
    return r.list(std::move(out), list_of(a)->form);
  }
  if (op == operation::multiply && (a.is_text() || plain_list) && b.is_integer()) return repeated(r, a, b.as_integer());
  if (op == operation::multiply && a.is_integer() &&
      (b.is_text() || is_list(b, list_form::list) || is_list(b, list_form::tuple)))
    return repeated(r, b, a.as_integer());
  if (op == operation::modulo && a.is_text()) return percent_format(r, a, b);
  for (const value* v : {&a, &b})
    if (v->is_undefined()) r.fail(undefined_reason(*v));
  if (a.is(kind::digits) || b.is(kind::digits)) r.fail("an integer of more than 64 bits");
  constexpr const char* signs[] = {"+", "-", "*", "/", "//", "%", "**"};
  r.fail(std::string("'") + signs[static_cast<int>(op)] + "' does not take a " + std::string(type_name(a)) + " and a " +
         std::string(type_name(b)));
  return value::none();
}

/// An integer that no 64 bits hold, with the other sign: the least that they hold may come of it.
inline value negated_digits(run& r, const value& v) {
  const std::string_view digits = text_of(v)->text.view();
  const origin from = text_of(v)->text.whole_origin();
  if (digits == "9223372036854775808") return value::integer(std::numeric_limits<std::int64_t>::min(), from);
  r.charge(digits.size());
  const bool minus = digits.starts_with('-');
  return r.memory.text(traced_text(minus ? std::string(digits.substr(1)) : '-' + std::string(digits), from), false,
                       kind::digits);
}

/// -v, or +v.
inline value negated(run& r, const value& v, bool minus) {
  if (v.is_integer())
    return minus ? integer_binary(r, operation::subtract, 0, v.as_integer(), v.from())
                 : value::integer(v.as_integer(), v.from());
  if (v.is(kind::real)) return value::real(minus ? -v.as_real() : v.as_real(), v.from());
  if (v.is(kind::digits)) return minus ? negated_digits(r, v) : v;
  if (v.is_undefined()) r.fail(undefined_reason(v));
  r.fail("a sign does not belong to a " + std::string(type_name(v)));
  return value::none();
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
