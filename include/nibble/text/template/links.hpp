/// urlize: addresses in a text as links of HTML.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/code_point.hpp"
#include "nibble/text/margin.hpp"
#include "nibble/text/template/html_filters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Letters, numbers, and _ ; and these other signs.
inline bool is_word(std::string_view text, std::string_view also = {}) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const code_point c = code_point_at(text, at);
    const bool fits = c.is_letter() || c.is_number() || c.ascii == '_' || (c.ascii != 0 && also.find(c.ascii) != also.npos);
    if (!fits) return false;
    at += c.size;
  }
  return !text.empty();
}
inline std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}
/// Takes a text that something begins with.
inline bool take_front(std::string_view& text, std::string_view front) noexcept {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

/// What may stand behind a host: a port, and the rest of an address.
inline bool is_behind_host(std::string_view text) noexcept {
  if (take_front(text, ":")) {
    const std::size_t digits = (std::min)(text.find_first_not_of("0123456789"), text.size());
    if (digits < 1 || digits > 5) return false;
    text.remove_prefix(digits);
  }
  return text.empty() || std::string_view("/?#").find(text.front()) != std::string_view::npos;
}
/// Four numbers, or groups of hexadecimal digits in brackets.
inline bool is_number_host(std::string_view text) noexcept {
  constexpr std::string_view digits = "0123456789", hex = "0123456789abcdef";
  const auto take = [&](std::string_view set, std::size_t most) {
    const std::size_t n = (std::min)({text.find_first_not_of(set), text.size(), most});
    text.remove_prefix(n);
    return n;
  };
  if (!take_front(text, "[")) {
    for (int i = 0; i < 4; ++i)
      if ((i > 0 && !take_front(text, ".")) || take(digits, 3) == 0) return false;
    return is_behind_host(text);
  }
  for (int i = 0; i < 2; ++i)
    if (take(hex, 4), !take_front(text, ":")) return false;
  for (int i = 0; i < 6 && !text.starts_with(']'); ++i) take(hex, 4), take_front(text, ":");
  return take_front(text, "]") && is_behind_host(text);
}
/// @param text  an address without spaces, escaped
/// @source      Jinja's _http_re
inline bool is_web_address(std::string_view text) {
  const std::string lower = lower_ascii(text);
  std::string_view rest = lower;
  const bool scheme = take_front(rest, "https://") || take_front(rest, "http://");
  if (scheme && is_number_host(rest)) return true;
  const bool named = scheme || take_front(rest, "www.");
  std::size_t end = 0;
  while (end < rest.size() && is_word(rest.substr(end, code_point_at(rest, end).size), "%-."))
    end += code_point_at(rest, end).size;
  if (!is_behind_host(rest.substr(end))) return false;
  std::string_view host = rest.substr(0, end);
  for (std::size_t dot; (dot = host.find('.')) != host.npos; host.remove_prefix(dot + 1)) {
    const std::size_t size = character_count(host.substr(0, dot));
    if (size == 0 || (!named && (size < 2 || size > 63))) return false;
  }
  constexpr std::string_view known[] = {"com", "net", "int", "edu", "gov", "org", "info", "mil"};
  if (!named) return host.size() < end && std::find(std::begin(known), std::end(known), host) != std::end(known);
  if (host.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == host.npos) return host.size() >= 2 && host.size() <= 63;
  if (!take_front(host, "xn--") || !is_word(host, "%")) return false;
  return character_count(host) >= 2 && character_count(host) <= 59;
}
/// @source  Jinja's _email_re
inline bool is_mail_address(std::string_view text) noexcept {
  const std::size_t at = text.rfind('@');
  if (at == text.npos || at == 0) return false;
  const std::string_view host = text.substr(at + 1);
  const std::size_t dot = host.rfind('.');
  return dot != host.npos && dot > 0 && is_word(host.substr(dot + 1)) && is_word(host.substr(0, dot), ".-") && host[0] != '.' &&
         host[0] != '-';
}

/// @source  Jinja's urlize
class link_writer {
 public:
  link_writer(run& r, traced_text attributes, const std::int64_t* most, std::vector<std::string> schemes)
      : run_(r), attributes_(std::move(attributes)), most_(most), schemes_(std::move(schemes)) {}

  /// @param escaped  a text as HTML shows it
  traced_text write(const traced_text& escaped) {
    traced_text out;
    const std::string_view all = escaped.view();
    run_.charge(all.size() * 64);
    for (std::size_t at = 0; at < all.size() && run_.charge();) {
      std::size_t end = at;
      while (const std::size_t size = margin(all.substr(end), false)) end += size;
      out.append(escaped, at, end);
      for (at = end; end < all.size() && margin(all.substr(end), false) == 0;) end += code_point_at(all, end).size;
      if (end > at) add_word(escaped, at, end, out);
      if (!run_.may_be_long(out)) break;
      at = end;
    }
    return out;
  }

 private:
  /// Signs around an address are not a part of it, but for those that close what was opened in it.
  void add_word(const traced_text& text, std::size_t begin, std::size_t end, traced_text& out) {
    const std::string_view all = text.view();
    std::size_t first = begin, last = end;
    const auto before = [&] { return first < last ? one_of(all.substr(first, last - first), {"(", "<", "&lt;"}, false) : 0; };
    const auto behind = [&] {
      return first < last ? one_of(all.substr(first, last - first), {")", ">", ".", ",", "&gt;"}, true) : 0;
    };
    while (const std::size_t size = before()) first += size;
    while (const std::size_t size = behind()) last -= size;
    constexpr std::pair<std::string_view, std::string_view> pairs[] = {{"(", ")"}, {"<", ">"}, {"&lt;", "&gt;"}};
    for (const auto& [opens, closes] : pairs) {
      const std::size_t open = count(all.substr(first, last - first), opens);
      if (open <= count(all.substr(first, last - first), closes)) continue;
      for (std::size_t n = (std::min)(open, count(all.substr(last, end - last), closes)); n > 0; --n)
        last = all.find(closes, last) + closes.size();
    }
    out.append(text, begin, first);
    add_address(text.cut(first, last), out);
    out.append(text, last, end);
  }

  void add_address(const traced_text& address, traced_text& out) {
    const std::string_view text = address.view();
    if (is_web_address(text))
      return add_link(text.starts_with("https://") || text.starts_with("http://") ? "" : "https://", address, shown(address),
                      true, out);
    if (text.starts_with("mailto:") && is_mail_address(text.substr(7)))
      return add_link("", address, address.cut(7, address.size()), false, out);
    if (!text.starts_with("www.") && text.find(':') == text.npos && is_mail_address(text))
      return add_link("mailto:", address, address, false, out);
    for (const std::string& scheme : schemes_)
      if (text != scheme && text.starts_with(scheme)) return add_link("", address, address, true, out);
    out.append(address);
  }

  void add_link(std::string_view scheme, const traced_text& to, const traced_text& name, bool with_attributes,
                traced_text& out) {
    out.append("<a href=\"" + std::string(scheme), origin::program);
    out.append(to);
    out.append("\"", origin::program);
    if (with_attributes) out.append(attributes_);
    out.append(">", origin::program);
    out.append(name);
    out.append("</a>", origin::program);
  }
  traced_text shown(const traced_text& address) {
    const auto size = character_count(address.view());
    if (!most_ || static_cast<std::int64_t>(size) <= *most_) return address;
    traced_text out = sliced(run_, address, slice_of(run_, size, nullptr, most_, nullptr));
    out.append("...", origin::program);
    return out;
  }

  static std::size_t one_of(std::string_view text, std::initializer_list<std::string_view> signs, bool at_end) noexcept {
    for (const std::string_view s : signs)
      if (at_end ? text.ends_with(s) : text.starts_with(s)) return s.size();
    return 0;
  }
  static std::size_t count(std::string_view text, std::string_view of) noexcept {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find(of, at)) != text.npos; at += of.size()) ++n;
    return n;
  }

  run& run_;
  const traced_text attributes_;
  const std::int64_t* most_;  // characters of an address that are shown; null: all
  const std::vector<std::string> schemes_;
};

inline value urlize_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "urlize", given, {"trim_url_limit", "nofollow", "target", "rel", "extra_schemes"});
  const std::int64_t most = integer_argument(r, b.given(0), 0);
  std::vector<std::string> relations = {"noopener"}, schemes;
  origin related = origin::program;
  if (b[1] && is_true(*b[1])) relations.push_back("nofollow");
  if (b.given(3)) {
    related = text_argument(r, *b[3]).whole_origin();
    for (const value& part : splitter(r, text_argument(r, *b[3])).at_spaces(-1)) relations.emplace_back(view_of(part));
  }
  std::sort(relations.begin(), relations.end());
  relations.erase(std::unique(relations.begin(), relations.end()), relations.end());
  for (const value& scheme : b.given(4) ? items_of(r, *b[4]) : std::vector<value>()) {
    const std::string_view text = view_of(scheme);
    const std::size_t colon = text.find(':');
    const std::string_view behind = colon == text.npos ? text : text.substr(colon + 1);
    if (colon == text.npos || character_count(text.substr(0, colon)) < 2 || !is_word(text.substr(0, colon), ".+-") ||
        !(behind.empty() || behind == "/" || behind == "//"))
      r.fail("urlize: not the scheme of an address: " + detail::quoted(text));
    schemes.emplace_back(text);
  }
  if (r.failed()) return value::none();
  traced_text attributes(" rel=\"", origin::program);
  for (std::size_t i = 0; i < relations.size(); ++i)
    append_escaped(r, traced_text((i > 0 ? " " : "") + relations[i], related), attributes);
  attributes.append("\"", origin::program);
  if (b.given(2)) {
    attributes.append(" target=\"", origin::program);
    append_escaped(r, text_argument(r, *b[2]), attributes);
    attributes.append("\"", origin::program);
  }
  const value whole = escape_filter(r, v, {});
  link_writer links(r, std::move(attributes), b.given(0) ? &most : nullptr, std::move(schemes));
  return r.text(links.write(text_of(whole)->text));
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
