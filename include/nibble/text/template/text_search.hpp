/// text_search: where a text stands in another, in linear time whatever they are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// A part that is searched for, forwards or from the end. It stays where it is as long as this lives.
/// @cost    O(part) to make, O(text) for each search, no allocation
/// @source  Crochemore and Perrin 1991, "Two-way string-matching"
class text_search {
 public:
  static constexpr std::size_t none = std::string_view::npos;

  explicit text_search(std::string_view part, bool backwards = false) noexcept : part_(part), backwards_(backwards) {
    if (is_short()) return;
    const cut less = largest_suffix(false), more = largest_suffix(true);
    const cut& last = more.at > less.at ? more : less;
    cut_ = last.at;
    period_ = last.period;
    for (std::size_t i = 0; i < cut_ && is_periodic_; ++i) is_periodic_ = at(part_, i) == at(part_, i + period_);
    if (!is_periodic_) period_ = (std::max)(cut_, part_.size() - cut_) + 1;
  }

  /// The first place at `from` or behind it.
  std::size_t find(std::string_view text, std::size_t from = 0) const noexcept {
    if (from > text.size()) return none;
    if (is_short()) return text.find(part_, from);
    const std::size_t found = search(text.substr(from));
    return found == none ? none : from + found;
  }
  /// The last place that ends at `end` or before it; for a search that was made backwards.
  std::size_t find_last(std::string_view text, std::size_t end = none) const noexcept {
    text = text.substr(0, end);
    if (is_short()) return text.rfind(part_);
    const std::size_t found = search(text);
    return found == none ? none : text.size() - found - part_.size();
  }

 private:
  /// Where a part is cut in two, and how far apart it is like itself from there on.
  struct cut {
    std::size_t at, period;
  };
  bool is_short() const noexcept { return part_.size() <= 16; }
  unsigned char at(std::string_view text, std::size_t i) const noexcept {
    return static_cast<unsigned char>(text[backwards_ ? text.size() - 1 - i : i]);
  }

  /// The largest suffix in the order of bytes, or in its opposite.
  cut largest_suffix(bool opposite) const noexcept {
    std::size_t suffix = 0, other = 1, matched = 0, period = 1;
    while (other + matched < part_.size()) {
      const unsigned char a = at(part_, suffix + matched), b = at(part_, other + matched);
      if (a == b) {
        const bool whole = matched + 1 == period;
        other += whole ? period : 0;
        matched = whole ? 0 : matched + 1;
      } else if ((a > b) != opposite) {
        other += matched + 1;
        matched = 0;
        period = other - suffix;
      } else {
        suffix = other++;
        matched = 0;
        period = 1;
      }
    }
    return {suffix, period};
  }

  std::size_t search(std::string_view text) const noexcept {
    const std::size_t size = part_.size();
    std::size_t known = 0;  // of the part's beginning, that stands here
    for (std::size_t begin = 0; begin <= text.size() && text.size() - begin >= size;) {
      std::size_t i = (std::max)(cut_, known);
      while (i < size && at(part_, i) == at(text, begin + i)) ++i;
      if (i < size) {
        begin += i - cut_ + 1;
        known = 0;
        continue;
      }
      for (i = cut_; i > known && at(part_, i - 1) == at(text, begin + i - 1);) --i;
      if (i <= known) return begin;
      begin += period_;
      known = is_periodic_ ? size - period_ : 0;
    }
    return none;
  }

  std::string_view part_;
  bool backwards_, is_periodic_ = true;
  std::size_t cut_ = 0, period_ = 1;
};

/// What a search takes as bytes that are copied: some nanoseconds a byte, however much of the part stands everywhere.
inline std::size_t search_work(std::string_view text, std::string_view part) noexcept {
  return product_of_sizes(sum_of_sizes(text.size(), part.size()), 8);
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
