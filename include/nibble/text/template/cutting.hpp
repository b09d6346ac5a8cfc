/// Texts cut and put together: stripped, split, replaced, indexed by characters. Every piece keeps its origins.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/text/margin.hpp"
#include "nibble/text/template/collections.hpp"
#include "nibble/text/template/run.hpp"
#include "nibble/text/template/text_search.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Bytes of the character that a text ends with.
inline std::size_t last_size(std::string_view text) noexcept {
  std::size_t size = 1;
  while (size < text.size() && size < 4 && (static_cast<unsigned char>(text[text.size() - size]) & 0xC0) == 0x80) ++size;
  return size;
}

/// @param chars  what is cut off; null: whitespace
/// @source       Python's str.strip, lstrip, rstrip
inline traced_text stripped(run& r, const traced_text& text, const std::string_view* chars, bool left, bool right) {
  const std::string_view all = text.view();
  std::size_t begin = 0, end = all.size();
  const auto cut = [&](bool at_end) -> std::size_t {
    const std::string_view rest = all.substr(begin, end - begin);
    if (!chars) return margin(rest, at_end);
    if (rest.empty() || !r.charge(chars->size())) return 0;
    const std::size_t size = at_end ? last_size(rest) : decode_utf8(rest, 0).size;
    return chars->find(at_end ? rest.substr(rest.size() - size) : rest.substr(0, size)) != chars->npos ? size : 0;
  };
  while (const std::size_t size = left ? cut(false) : 0) begin += size;
  while (const std::size_t size = right ? cut(true) : 0) end -= size;
  r.charge(all.size() * 8);
  return text.cut(begin, end);
}

/// Pieces of a text, as values.
class splitter {
 public:
  splitter(run& r, const traced_text& text, bool safe = false) : run_(r), text_(text), all_(text.view()), safe_(safe) {
    r.charge(all_.size() * 8);
  }

  /// @source  Python's str.split(None, most)
  std::vector<value> at_spaces(std::int64_t most) {
    for (std::size_t at = 0; !run_.failed();) {
      while (const std::size_t size = margin(all_.substr(at), false)) at += size;
      if (at == all_.size()) break;
      std::size_t end = at;
      if (most >= 0 && most-- == 0) {
        add(at, all_.size());
        break;
      }
      while (end < all_.size() && margin(all_.substr(end), false) == 0) ++end;
      add(at, end);
      at = end;
    }
    return std::move(out_);
  }
  /// @source  Python's str.rsplit(None, most)
  std::vector<value> at_last_spaces(std::int64_t most) {
    for (std::size_t end = all_.size(); !run_.failed();) {
      while (const std::size_t size = margin(all_.substr(0, end), true)) end -= size;
      if (end == 0) break;
      std::size_t at = end;
      if (most >= 0 && most-- == 0) {
        add(0, end);
        break;
      }
      while (at > 0 && margin(all_.substr(0, at), true) == 0) at -= last_size(all_.substr(0, at));
      add(at, end);
      end = at;
    }
    std::reverse(out_.begin(), out_.end());
    return std::move(out_);
  }
  std::vector<value> at(std::string_view separator, std::int64_t most) {
    const text_search search(separator);
    std::size_t begin = 0;
    for (std::size_t end; !run_.failed() && most-- != 0 && (end = search.find(all_, begin)) != all_.npos;
         begin = end + separator.size())
      add(begin, end);
    add(begin, all_.size());
    return std::move(out_);
  }
  std::vector<value> at_last(std::string_view separator, std::int64_t most) {
    const text_search search(separator, true);
    std::size_t end = all_.size();
    while (!run_.failed() && most-- != 0) {
      const std::size_t begin = search.find_last(all_, end);
      if (begin == all_.npos) break;
      add(begin + separator.size(), end);
      end = begin;
    }
    add(0, end);
    std::reverse(out_.begin(), out_.end());
    return std::move(out_);
  }
  /// @source  Python's str.splitlines
  std::vector<value> lines(bool keep_ends) {
    for (std::size_t begin = 0, at = 0; begin < all_.size() && !run_.failed();) {
      const std::size_t size = at < all_.size() ? line_end(at) : 0;
      if (at < all_.size() && size == 0) {
        ++at;
        continue;
      }
      add(begin, at + (keep_ends ? size : 0));
      begin = at += size;
    }
    return std::move(out_);
  }

 private:
  void add(std::size_t begin, std::size_t end) { out_.push_back(run_.text(text_.cut(begin, end), safe_)); }
  /// Bytes of the end of a line that begins here, or 0.
  std::size_t line_end(std::size_t at) const noexcept {
    const auto first = static_cast<unsigned char>(all_[at]);
    if (first >= ' ' && first != 0xC2 && first != 0xE2) return 0;
    const std::string_view rest = all_.substr(at, 3);
    if (rest.starts_with("\r\n")) return 2;
    if (std::string_view("\n\r\v\f\x1c\x1d\x1e").find(rest[0]) != std::string_view::npos) return 1;
    if (rest.starts_with("\xC2\x85")) return 2;
    return rest == "\xE2\x80\xA8" || rest == "\xE2\x80\xA9" ? 3 : 0;
  }

  run& run_;
  const traced_text& text_;
  std::string_view all_;
  bool safe_;
  std::vector<value> out_;
};

/// @param most  how often; negative: everywhere
/// @source      Python's str.replace
inline traced_text replaced(run& r, const traced_text& text, std::string_view old, const traced_text& by, std::int64_t most) {
  const std::string_view all = text.view();
  const text_search search(old);
  traced_text out;
  std::size_t at = 0;
  r.charge(search_work(all, old));
  while (most-- != 0 && r.charge(by.size()) && r.may_be_long(out, by.size())) {
    std::size_t found = old.empty() ? at : search.find(all, at);
    if (found == all.npos) break;
    out.append(text, at, found);
    out.append(by);
    at = found + old.size();
    if (!old.empty()) continue;
    if (at == all.size()) return out;  // between all characters, and at the ends
    found = at + decode_utf8(all, at).size;
    out.append(text, at, found);
    at = found;
  }
  out.append(text, at, all.size());
  return out;
}

/// Where the character with this number begins, or the end of the text.
inline std::size_t place_of(std::string_view text, std::size_t character) noexcept {
  std::size_t at = 0;
  while (character > 0 && at < text.size()) {
    at += decode_utf8(text, at).size;
    --character;
  }
  return at;
}

/// What a slice takes of `size` items: the first, how many, and how far apart.
struct stretch {
  std::int64_t first = 0, count = 0, step = 1;
};
/// @param from, to, step  null or numbers; negative ones count from the end
/// @source                Python's slice.indices
inline stretch slice_of(run& r, std::size_t size, const std::int64_t* from, const std::int64_t* to, const std::int64_t* step) {
  stretch out;
  out.step = step ? *step : 1;
  if (out.step == 0) return r.fail("a slice in steps of 0"), stretch();
  const auto end = static_cast<std::int64_t>(size);
  out.step = std::clamp<std::int64_t>(out.step, -end - 1, end + 1);
  const std::int64_t least = out.step > 0 ? 0 : -1, most = out.step > 0 ? end : end - 1;
  const auto place = [&](const std::int64_t* given, std::int64_t usual) {
    if (!given) return usual;
    const std::int64_t at = *given < 0 ? (*given < -end ? least : *given + end) : *given;
    return std::clamp(at, least, most);
  };
  out.first = place(from, out.step > 0 ? least : most);
  const std::int64_t last = place(to, out.step > 0 ? most : least);
  const std::int64_t way = out.step > 0 ? last - out.first : out.first - last, stride = out.step > 0 ? out.step : -out.step;
  out.count = way > 0 ? (way + stride - 1) / stride : 0;
  return out;
}

inline traced_text sliced(run& r, const traced_text& text, const stretch& s) {
  const std::string_view all = text.view();
  const auto taken = static_cast<std::size_t>(s.step == 1 ? 0 : s.count);
  const std::size_t work = text.runs() > 1 ? 64 : 16;  // of a character that is taken
  if (!r.charge(sum_of_sizes(product_of_sizes(all.size(), 4), product_of_sizes(taken, work)))) return {};
  if (s.step == 1) {
    const std::size_t begin = place_of(all, static_cast<std::size_t>(s.first));
    return text.cut(begin, begin + place_of(all.substr(begin), static_cast<std::size_t>(s.count)));
  }
  traced_text out;
  std::string alone;  // of a text that one has written
  std::size_t begin = place_of(all, static_cast<std::size_t>(s.first));
  for (std::int64_t i = 0; i < s.count; ++i) {
    const std::size_t size = decode_utf8(all, begin).size;
    if (text.runs() > 1)
      out.append(text, begin, begin + size);
    else
      alone += all.substr(begin, size);
    if (i + 1 == s.count) break;
    if (s.step > 0) begin += place_of(all.substr(begin), static_cast<std::size_t>(s.step));
    for (std::int64_t back = s.step; back < 0; ++back) begin -= last_size(all.substr(0, begin));
  }
  if (text.runs() == 1) return traced_text(std::move(alone), text.whole_origin());
  return out;
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
