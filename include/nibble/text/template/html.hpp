/// append_escaped: a text as HTML shows it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/text/template/run.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// @source  markupsafe.escape
inline void append_escaped(run& r, const traced_text& text, traced_text& out) {
  if (!r.charge(text.size() * 8)) return;
  text.each_piece([&](std::string_view run, origin from) {
    std::string written;
    for (const char c : run) {
      switch (c) {
        case '&':
          written += "&amp;";
          break;
        case '<':
          written += "&lt;";
          break;
        case '>':
          written += "&gt;";
          break;
        case '\'':
          written += "&#39;";
          break;
        case '"':
          written += "&#34;";
          break;
        default:
          written += c;
      }
    }
    out.append(written, from);
    return r.may_be_long(out);
  });
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
