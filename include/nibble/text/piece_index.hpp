/// piece_index: from the bytes of a piece to its token. A flat hash table of 8 bytes a slot over somebody else's pieces.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/heap_bytes.hpp"
#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// The hash of a text is a polynomial of its bytes modulo 2^64, so that of a part follows from those of two beginnings:
/// hash_end(sum(end) - sum(begin) * base^size).
inline constexpr std::uint64_t hash_base = 0x9E3779B97F4A7C15u;

constexpr std::uint64_t hash_add(std::uint64_t sum, char byte) noexcept {
  return sum * hash_base + static_cast<unsigned char>(byte) + 1;
}
/// Spreads a sum over all bits.
constexpr std::uint64_t hash_end(std::uint64_t sum) noexcept {
  sum = (sum ^ sum >> 32) * 0xD6E8FEB86659FD93u;
  return sum ^ sum >> 32;
}
inline std::uint64_t hash_bytes(std::string_view text) noexcept {
  std::uint64_t sum = 0;
  for (const char c : text) sum = hash_add(sum, c);
  return hash_end(sum);
}

/// The hash of a pair of tokens.
inline std::uint64_t hash_pair(token left, token right) noexcept {
  std::uint64_t x = std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  x = (x ^ x >> 29) * 0x9E3779B97F4A7C15u;
  return x ^ x >> 32;
}
}  // namespace detail

/// A hash table of numbers whose keys lie elsewhere: `same(value)` tells whether a candidate is the one that is meant.
///
/// It is at most three quarters full, and a file that was made to collide is refused: no search looks at more than
/// `most_probes` slots, or compares more than `most_false` values in vain.
class piece_index {
 public:
  static constexpr std::size_t most_probes = 128, most_false = 4;
  enum class outcome { added, duplicate, crowded };

  /// Empties the table and makes room for `count` values.
  void reset(std::size_t count) {
    slots_.assign(std::bit_ceil(std::max<std::size_t>(2, (count * 4 + 2) / 3)), 0);  // fits: of tokens in memory
    mask_ = slots_.size() - 1;
  }

  template <class Same>
  outcome insert(std::uint64_t hash, token value, Same&& same) noexcept {
    std::size_t at = static_cast<std::size_t>(hash) & mask_, in_vain = 0;
    for (std::size_t n = 1; n <= most_probes && in_vain <= most_false; at = (at + n++) & mask_) {
      if (slots_[at] == 0) {
        slots_[at] = (hash & tag_mask) | (static_cast<std::uint64_t>(value) + 1);
        return outcome::added;
      }
      if (!matches(slots_[at], hash)) continue;
      if (same(value_of(slots_[at]))) return outcome::duplicate;
      ++in_vain;
    }
    return outcome::crowded;
  }

  /// The value, or -1.
  template <class Same>
  token find(std::uint64_t hash, Same&& same) const noexcept {
    if (slots_.empty()) return -1;
    std::size_t at = static_cast<std::size_t>(hash) & mask_;
    for (std::size_t n = 1; n <= most_probes && slots_[at] != 0; at = (at + n++) & mask_)
      if (matches(slots_[at], hash) && same(value_of(slots_[at]))) return value_of(slots_[at]);
    return -1;
  }

  /// Bytes that it has allocated; so do the others of this name.
  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(slots_); }

 private:
  static constexpr std::uint64_t tag_mask = 0xFFFFFFFF00000000u;
  static bool matches(std::uint64_t slot, std::uint64_t hash) noexcept { return ((slot ^ hash) & tag_mask) == 0; }
  static token value_of(std::uint64_t slot) noexcept { return static_cast<token>((slot & ~tag_mask) - 1); }

  std::vector<std::uint64_t> slots_;  // upper half: that of the hash; lower half: value + 1, or 0 for an empty slot
  std::size_t mask_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
