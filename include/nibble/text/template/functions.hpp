/// call_function: range, dict, namespace, cycler, joiner, raise_exception and strftime_now.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/template/clock.hpp"
#include "nibble/text/template/methods.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

inline constexpr std::int64_t longest_range = 100'000;

/// @source  Python's range, in Jinja's sandbox
inline value make_range(run& r, const arguments& given) {
  const bound b(r, "range", given, {"start", "stop", "step"}, 1);
  const std::int64_t first = b[1] ? integer_argument(r, b[0], 0) : 0;
  const std::int64_t last = integer_argument(r, b[1] ? b[1] : b[0], 0), step = integer_argument(r, b[2], 1);
  if (!r.failed() && step == 0) r.fail("a range in steps of 0");
  if (r.failed()) return value::none();
  constexpr std::int64_t widest = std::int64_t{1} << 61;
  if (first < -widest || first > widest || last < -widest || last > widest || step < -widest || step > widest)
    return r.fail("a range with a bound too far from 0"), value::none();
  const std::int64_t way = step > 0 ? last - first : first - last, stride = step > 0 ? step : -step;
  const std::int64_t count = way > 0 ? (way + stride - 1) / stride : 0;
  if (count > longest_range) return r.fail_beyond("a range too long", longest_range), value::none();
  std::vector<value> out;
  for (std::int64_t i = 0; i < count && r.charge(); ++i) out.push_back(value::integer(first + i * step));
  return r.list(std::move(out), list_form::range);
}

/// dict(...), namespace(...): from a dict or pairs, and names.
inline value make_dict(run& r, const arguments& given, kind k) {
  auto* made = r.memory.make<dict_node>(k);
  value out = value::refer(k, made);
  if (given.plain.size() > 1) r.fail("expected one dict, found " + std::to_string(given.plain.size()) + " arguments");
  if (given.plain.size() == 1 && given.plain[0].is(kind::dict)) {
    r.charge(dict_of(given.plain[0])->entries.size() * 16);
    for (const entry& e : dict_of(given.plain[0])->entries) set_entry(r, *made, e.key, e.held);
  } else if (given.plain.size() == 1) {
    for (const value& pair : items_of(r, given.plain[0])) {
      const std::vector<value> parts = items_of(r, pair);
      if (parts.size() != 2) r.fail("a dict is made of pairs");
      if (r.failed()) break;
      set_entry(r, *made, parts[0], parts[1]);
    }
  }
  for (const auto& [name, held] : given.named) set_entry(r, *made, name, held);
  return out;
}

inline value make_cycle(run& r, const arguments& given, kind k) {
  auto* made = r.memory.make<cycle_node>(k);
  value out = value::refer(k, made);
  made->items = given.plain;
  if (k == kind::cycler && given.plain.empty()) r.fail("a cycler needs an item");
  if (k == kind::joiner) {
    const bound b(r, "joiner", given, {"sep"});
    const value separator = b[0] ? *b[0] : r.text(std::string(", "));
    made->items = {separator};
  }
  r.memory.recount(made, sizeof(cycle_node) + made->items.capacity() * sizeof(value));
  return out;
}
inline value call_joiner(run& r, const value& v) {
  cycle_node& joiner = *cycle_of(v);
  return joiner.position++ == 0 ? r.text(std::string()) : joiner.items[0];
}

using function_call = value (*)(run& r, const arguments& given);
struct named_function {
  std::string_view name;
  function_call call;
};

inline constexpr auto all_functions = std::to_array<named_function>({
    {"range", make_range},
    {"dict", [](run& r, const arguments& given) { return make_dict(r, given, kind::dict); }},
    {"namespace", [](run& r, const arguments& given) { return make_dict(r, given, kind::space); }},
    {"cycler", [](run& r, const arguments& given) { return make_cycle(r, given, kind::cycler); }},
    {"joiner", [](run& r, const arguments& given) { return make_cycle(r, given, kind::joiner); }},
    {"raise_exception",
     [](run& r, const arguments& given) {
       const bound b(r, "raise_exception", given, {"message"}, 1);
       if (r.failed()) return value::none();
       const value message = as_text(r, *b[0]);
       std::string text(view_of(message).substr(0, 300));
       for (char& c : text) c = c >= ' ' && c < 0x7F ? c : '?';
       r.fail("the template refuses this: " + text);
       return value::none();
     }},
    {"strftime_now",
     [](run& r, const arguments& given) {
       const bound b(r, "strftime_now", given, {"format"}, 1);
       return r.failed() ? value::none() : r.text(time_text(r, text_argument(r, *b[0])));
     }},
});

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
