/// shared_numbers: which of some numbers have owners, and how many: what a pool knows of its pages and of its slots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The numbers below `count`. One without an owner is free; several owners only read what it stands for.
class shared_numbers {
 public:
  shared_numbers() noexcept = default;
  explicit shared_numbers(std::size_t count) : owners_(count) {
    free_.reserve(count);
    for (std::size_t i = count; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
  }
  /// Bytes of a number.
  static constexpr std::size_t bytes = 2 * sizeof(std::uint32_t);

  std::size_t count() const noexcept { return owners_.size(); }
  std::size_t free() const noexcept { return free_.size(); }
  bool is_shared(std::uint32_t number) const noexcept { return owners_[number] > 1; }

  /// A free number, which now has one owner. @errors none; precondition: one is free
  std::uint32_t take() NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!free_.empty());
    const std::uint32_t number = free_.back();
    free_.pop_back();
    owners_[number] = 1;
    return number;
  }
  /// One more owner.
  void share(std::uint32_t number) noexcept { ++owners_[number]; }
  /// One owner less.
  void give_back(std::uint32_t number) noexcept {
    if (--owners_[number] == 0) free_.push_back(number);
  }

 private:
  std::vector<std::uint32_t> free_, owners_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
