/// The filters for HTML: escape, striptags, xmlattr, ...
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/config.hpp"
#include "nibble/text/template/html.hpp"
#include "nibble/text/template/methods.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

inline value escape_filter(run& r, const value& v, const arguments&) {
  if (v.is_text() && text_of(v)->safe) return v;
  const value whole = as_text(r, v);
  traced_text out;
  append_escaped(r, text_of(whole)->text, out);
  return r.text(std::move(out), true);
}
inline value force_escape_filter(run& r, const value& v, const arguments&) {
  const value whole = as_text(r, v);
  traced_text out;
  append_escaped(r, text_of(whole)->text, out);
  return r.text(std::move(out), true);
}
inline value safe_filter(run& r, const value& v, const arguments&) {
  const value whole = as_text(r, v);
  return r.text(text_of(whole)->text, true);
}
/// Tags and comments go, and runs of spaces become one.
inline value striptags_filter(run& r, const value& v, const arguments&) {
  const value whole = as_text(r, v);
  const traced_text& text = text_of(whole)->text;
  const std::string_view all = text.view();
  traced_text bare;
  r.charge(all.size() * 32);
  for (std::size_t at = 0; at < all.size() && r.charge();) {
    const std::size_t tag = all.find('<', at), end = tag == all.npos                       ? all.npos
                                                     : all.substr(tag).starts_with("<!--") ? all.find("-->", tag)
                                                                                           : all.find('>', tag);
    bare.append(text, at, end == all.npos ? all.size() : tag);
    if (end == all.npos) break;
    at = end + (all[end] == '-' ? 3 : 1);
  }
  const value words = r.list(splitter(r, bare).at_spaces(-1));
  return join_method(r, r.text(std::string(" ")), {{words}, {}});
}

/// The entries of a dict as attributes of a tag, but for those that are none or undefined.
/// @source  do_xmlattr, which since Jinja 3.1.4 refuses names that would end early
inline value xmlattr_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "xmlattr", given, {"autospace"});
  if (!v.is(kind::dict))
    r.fail(v.is_undefined() ? undefined_reason(v) : "xmlattr wants a dict, found a " + std::string(type_name(v)));
  if (r.failed()) return value::none();
  const bool spaced = !b[0] || is_true(*b[0]);
  traced_text out;
  for (const entry& e : dict_of(v)->entries) {
    if (e.held.is(kind::none) || e.held.is_undefined()) continue;
    const value key = as_text(r, e.key), name = escape_filter(r, e.key, {}), held = escape_filter(r, e.held, {});
    if (view_of(key).find_first_of(" \t\n\v\f\r/>=") != std::string_view::npos)
      r.fail("xmlattr: a name has no space, and none of / > =: " + detail::quoted(view_of(key)));
    if (!r.charge() || !r.may_be_long(out)) break;
    if (spaced || !out.empty()) out.append(" ", origin::program);
    out.append(text_of(name)->text);
    out.append("=\"", origin::program);
    out.append(text_of(held)->text);
    out.append("\"", origin::program);
  }
  return r.text(std::move(out));
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
