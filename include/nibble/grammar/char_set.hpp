/// char_set: a set of code points.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Ranges of Unicode scalar values, ascending, none next to another. Surrogates are in no set: no text has them.
class char_set {
 public:
  struct range {
    char32_t low, high;  // both belong to it
    friend bool operator==(const range&, const range&) = default;
  };
  static constexpr char32_t last = 0x10FFFF;

  char_set() = default;
  char_set(char32_t low, char32_t high) { add(low, high); }
  static char_set all() { return char_set(0, last); }
  /// Those of any ranges.
  /// @cost  O(n log n), where one add() each could cost O(n)
  static char_set of(std::vector<range> any) {
    std::sort(any.begin(), any.end(), [](const range& a, const range& b) { return a.low < b.low; });
    char_set out;
    for (const range& r : any) out.add(r.low, r.high);
    return out;
  }
  /// A surrogate, or what lies above the last character: no text has it, so that it can stand for something else.
  static char_set mark(char32_t code) {
    char_set out;
    out.ranges_.push_back({code, code});
    return out;
  }

  /// @cost  O(ranges)
  void add(char32_t low, char32_t high) {
    high = (std::min)(high, last);
    if (low < first_surrogate && high > last_surrogate) {
      insert(low, first_surrogate - 1);
      insert(last_surrogate + 1, high);
      return;
    }
    if (low >= first_surrogate && low <= last_surrogate) low = last_surrogate + 1;
    if (high >= first_surrogate && high <= last_surrogate) high = first_surrogate - 1;
    insert(low, high);
  }
  void add(const char_set& other) {
    for (const range& r : other.ranges_) insert(r.low, r.high);
  }
  /// Adds marks above the last character, ascending: see mark().
  void add_marks(char32_t low, char32_t high) {
    if (low <= high) ranges_.push_back({low, high});
  }
  char_set inverted() const {
    char_set out;
    char32_t next = 0;
    for (const range& r : ranges_) {
      if (r.low > next) out.add(next, r.low - 1);
      next = r.high + 1;
    }
    if (next <= last) out.add(next, last);
    return out;
  }

  bool contains(char32_t code) const noexcept {
    const auto behind = std::partition_point(ranges_.begin(), ranges_.end(), [&](const range& r) { return r.high < code; });
    return behind != ranges_.end() && behind->low <= code;
  }
  bool empty() const noexcept { return ranges_.empty(); }
  std::span<const range> ranges() const noexcept { return ranges_; }
  friend bool operator==(const char_set&, const char_set&) = default;

 private:
  static constexpr char32_t first_surrogate = 0xD800, last_surrogate = 0xDFFF;

  void insert(char32_t low, char32_t high) {
    if (low > high) return;
    const auto touches_or_behind = [&](const range& r) { return r.high < low && r.high + 1 < low; };
    const auto from = std::partition_point(ranges_.begin(), ranges_.end(), touches_or_behind);
    auto to = from;
    for (; to != ranges_.end() && to->low <= high + 1; ++to) {
      low = (std::min)(low, to->low);
      high = (std::max)(high, to->high);
    }
    ranges_.insert(ranges_.erase(from, to), range{low, high});
  }

  std::vector<range> ranges_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
