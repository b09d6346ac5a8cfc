/// brace_formatter: '{} of {0[name]!r:>8}'.format(...).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/config.hpp"
#include "nibble/text/template/percent_format.hpp"
#include "nibble/text/template/subscripts.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// @source  Python's format string syntax, without fields within the description of a field
class brace_formatter {
 public:
  brace_formatter(run& r, const arguments& given) : run_(r), given_(given) {}

  traced_text write(const traced_text& format) {
    const std::string_view all = format.view();
    run_.charge(all.size() * 8);
    for (std::size_t at = 0; at < all.size() && run_.charge(256) && run_.may_be_long(out_);) {
      const std::size_t brace = (std::min)(all.find_first_of("{}", at), all.size());
      out_.append(format, at, brace);
      if (brace == all.size()) break;
      if (all.substr(brace, 2) == "{{" || all.substr(brace, 2) == "}}") {
        out_.append(format, brace, brace + 1);
        at = brace + 2;
        continue;
      }
      const std::size_t end = all[brace] == '{' ? all.find('}', brace) : all.npos;
      if (end == all.npos) {
        run_.fail("a format with a brace that stands alone");
        break;
      }
      write_field(all.substr(brace + 1, end - brace - 1), format.cut(brace, end).whole_origin());
      at = end + 1;
    }
    return std::move(out_);
  }

 private:
  static bool is_number(std::string_view text) noexcept {
    return !text.empty() && text.size() < 8 && text.find_first_not_of("0123456789") == text.npos;
  }
  static std::size_t number_of(std::string_view digits) noexcept {
    std::size_t out = 0;
    for (const char c : digits) out = out * 10 + static_cast<std::size_t>(c - '0');
    return out;
  }

  /// What a name as 0.role[text] stands for.
  value find(std::string_view name) {
    const std::size_t end = (std::min)(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, end);
    value out;
    if (first.empty() || is_number(first)) {
      const std::size_t at = first.empty() ? next_++ : number_of(first);
      if (at >= given_.plain.size()) return run_.fail("too few values for the format"), value::none();
      out = given_.plain[at];
    } else {
      const value* known = run_.charge(given_.named.size() * 16) ? given_.find(first) : nullptr;
      if (!known) return run_.fail("nothing is named " + detail::quoted(first)), value::none();
      out = *known;
    }
    for (std::string_view rest = name.substr(end); !rest.empty() && run_.charge();) {
      const bool attribute = rest[0] == '.';
      const std::size_t stop = attribute ? (std::min)(rest.find_first_of(".[", 1), rest.size()) : rest.find(']');
      if (stop == rest.npos) return run_.fail("a format with '[' that does not end"), value::none();
      const std::string_view part = rest.substr(1, stop - 1);
      const value key = !attribute && is_number(part) ? value::integer(static_cast<std::int64_t>(number_of(part)))
                                                      : run_.text(std::string(part));
      out = attribute ? attribute_of(run_, out, key) : item_of(run_, out, key);
      rest.remove_prefix(stop + (attribute ? 0 : 1));
    }
    return out;
  }

  void write_field(std::string_view text, origin from) {
    const std::size_t colon = (std::min)(text.find(':'), text.size());
    std::string_view name = text.substr(0, colon);
    char conversion = '\0';
    if (name.size() >= 2 && name[name.size() - 2] == '!') {
      conversion = name.back();
      name.remove_suffix(2);
    }
    value v = find(name);
    if (run_.failed()) return;
    traced_text written;
    if (conversion == 'r' || conversion == 'a')
      append_repr(run_, v, written);
    else if (conversion == 's' || !v.is_number() || v.is(kind::boolean))
      append_text(run_, v, written);
    else if (conversion)
      return run_.fail("a format with an unknown conversion");
    const bool number = !conversion && v.is_number() && !v.is(kind::boolean);
    field f;
    f.from = from;
    if (!read_description(colon < text.size() ? text.substr(colon + 1) : std::string_view(), f)) return;
    if (!number && f.type != '\0' && f.type != 's') return run_.fail("a format of numbers for a " + std::string(type_name(v)));
    if (number)
      append_number(run_, v, f, out_);
    else
      append_words(written, f, '<', out_);
  }

  /// [[fill]align][sign][#][0][width][,][.precision][type]
  bool read_description(std::string_view text, field& f) {
    const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    const std::size_t fill = text.empty() ? 0 : decode_utf8(text, 0).size;
    const auto take = [&](char c) {
      const bool found = text.starts_with(c);
      if (found) text.remove_prefix(1);
      return found;
    };
    const auto take_number = [&] {
      const std::size_t end = (std::min)(text.find_first_not_of("0123456789"), text.size());
      const std::size_t out = end < 8 ? number_of(text.substr(0, end)) : widest_field + 1;
      text.remove_prefix(end);
      return out;
    };
    if (fill > 0 && text.size() > fill && is_align(text[fill])) {
      f.fill = std::string(text.substr(0, fill));
      f.align = text[fill];
      text.remove_prefix(fill + 1);
    } else if (!text.empty() && is_align(text[0])) {
      f.align = text[0];
      text.remove_prefix(1);
    }
    for (const char sign : {'+', '-', ' '})
      if (take(sign)) f.sign = sign;
    f.alternate = take('#');
    if (text.starts_with('0') && !f.align) f.fill = "0", f.align = '=';
    f.width = take_number();
    f.commas = take(',');
    f.underscores = take('_');
    if (take('.')) f.precision = static_cast<std::int64_t>(take_number());
    if (!text.empty()) f.type = text[0], text.remove_prefix(1);
    if (!text.empty() || (f.type && std::string_view("bcdeEfFgGnosxX%").find(f.type) == std::string_view::npos))
      return run_.fail("a format with an unknown description"), false;
    if (f.width > widest_field || f.precision > static_cast<std::int64_t>(widest_field))
      return run_.fail_beyond("a field too wide", widest_field), false;
    return true;
  }

  run& run_;
  const arguments& given_;
  traced_text out_;
  std::size_t next_ = 0;
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
