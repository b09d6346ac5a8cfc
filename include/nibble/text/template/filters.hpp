/// call_filter: every filter by its name.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/text/template/links.hpp"
#include "nibble/text/template/list_filters.hpp"
#include "nibble/text/template/pretty_printing.hpp"
#include "nibble/text/template/text_filters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

using filter_call = value (*)(run& r, const value& v, const arguments& given);

struct named_filter {
  std::string_view name;
  filter_call call;
};

// clang-format off
/// @source  Jinja's builtin filters; tojson is that of chat templates
inline constexpr auto all_filters = std::to_array<named_filter>({
    {"abs", abs_filter}, {"attr", attr_filter}, {"batch", batch_filter}, {"capitalize", case_filter<casing::capital>},
    {"center", center_filter}, {"count", length_filter}, {"d", default_filter}, {"default", default_filter},
    {"dictsort", dictsort_filter}, {"e", escape_filter}, {"escape", escape_filter}, {"filesizeformat", filesizeformat_filter},
    {"first", first_filter}, {"float", float_filter}, {"forceescape", force_escape_filter}, {"format", format_filter},
    {"groupby", groupby_filter}, {"indent", indent_filter}, {"int", int_filter}, {"items", items_filter}, {"join", join_filter},
    {"last", last_filter}, {"length", length_filter}, {"list", list_filter}, {"lower", case_filter<casing::lower>}, {"map", map_filter},
    {"max", [](run& r, const value& v, const arguments& a) { return extreme_filter(r, v, a, true); }},
    {"min", [](run& r, const value& v, const arguments& a) { return extreme_filter(r, v, a, false); }},
    {"pprint", pprint_filter},
    {"random", random_filter},
    {"reject", select_filter<false, false>},
    {"rejectattr", select_filter<false, true>},
    {"replace", replace_filter}, {"reverse", reverse_filter}, {"round", round_filter}, {"safe", safe_filter},
    {"select", select_filter<true, false>},
    {"selectattr", select_filter<true, true>},
    {"slice", slice_filter}, {"sort", sort_filter}, {"string", string_filter}, {"striptags", striptags_filter}, {"sum", sum_filter},
    {"title", title_filter}, {"tojson", tojson_filter}, {"trim", trim_filter}, {"truncate", truncate_filter}, {"unique", unique_filter},
    {"upper", case_filter<casing::upper>}, {"urlencode", urlencode_filter}, {"urlize", urlize_filter}, {"wordcount", wordcount_filter},
    {"wordwrap", wordwrap_filter}, {"xmlattr", xmlattr_filter},
});
// clang-format on

inline const named_filter* find_filter(std::string_view name) noexcept {
  for (const named_filter& known : all_filters)
    if (known.name == name) return &known;
  return nullptr;
}
inline bool is_filter(std::string_view name) noexcept { return find_filter(name) != nullptr; }

inline value call_filter(run& r, std::string_view name, const value& v, const arguments& given) {
  const named_filter* known = find_filter(name);
  if (!known) return r.fail("a filter that is not known: " + detail::quoted(name)), value::none();
  return known->call(r, v, given);
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
