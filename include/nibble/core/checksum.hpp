/// checksum: 64 bits of some bytes, of which any damage to one byte changes some.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Each step is one-to-one in what was before and in the word that comes, so bytes that differ in one word differ in the end.
/// No protection against who wants two texts to be alike.
/// @cost  a word of 8 bytes in five cycles
inline std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t start = 0) noexcept {
  constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
  std::uint64_t sum = (start ^ bytes.size()) * odd;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    const std::size_t left = bytes.size() - i;
    std::memcpy(&word, bytes.data() + i, left < sizeof(word) ? left : sizeof(word));
    sum = std::rotl(sum ^ word, 29) * odd;
  }
  return sum ^ sum >> 32;
}

/// The same of bytes that come in parts.
class running_checksum {
 public:
  /// Of so many bytes in all.
  explicit running_checksum(std::uint64_t bytes) noexcept : sum_(bytes * odd) {}
  void add(std::span<const std::byte> bytes) noexcept {
    while (!bytes.empty()) {
      const std::size_t count = std::min(sizeof(word_) - held_, bytes.size());
      std::memcpy(reinterpret_cast<std::byte*>(&word_) + held_, bytes.data(), count);
      held_ += count;
      bytes = bytes.subspan(count);
      if (held_ == sizeof(word_)) sum_ = mixed(), word_ = 0, held_ = 0;
    }
  }
  std::uint64_t sum() const noexcept {
    const std::uint64_t sum = held_ > 0 ? mixed() : sum_;
    return sum ^ sum >> 32;
  }

 private:
  static constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
  std::uint64_t mixed() const noexcept { return std::rotl(sum_ ^ word_, 29) * odd; }

  std::uint64_t sum_, word_ = 0;
  std::size_t held_ = 0;  // bytes of the word
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
