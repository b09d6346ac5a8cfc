/// shared_numbers: which of some numbers have owners, and how many, and which are kept beside: what a pool knows of its pages
/// and of its slots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The numbers below `count`. One without an owner is free, or idle where it is kept for a later one; several owners only read
/// what it stands for, and so does the only one of a number that is kept.
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
  /// Kept numbers without an owner, which are free as soon as they are not kept any more.
  std::size_t idle() const noexcept { return idle_; }
  std::size_t available() const noexcept { return free() + idle(); }
  bool is_shared(std::uint32_t number) const noexcept { return owners_[number] > 1; }
  /// Whether it has one owner, which would leave it to others.
  bool has_one_owner(std::uint32_t number) const noexcept { return (owners_[number] & ~kept) == 1; }
  bool is_kept(std::uint32_t number) const noexcept { return (owners_[number] & kept) != 0; }
  bool is_idle(std::uint32_t number) const noexcept { return owners_[number] == kept; }

  /// A free number, which now has one owner. @errors none; precondition: one is free
  std::uint32_t take() NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!free_.empty());
    const std::uint32_t number = free_.back();
    free_.pop_back();
    owners_[number] = 1;
    return number;
  }
  /// One more owner.
  void share(std::uint32_t number) noexcept {
    idle_ -= is_idle(number);
    ++owners_[number];
  }
  /// One owner less.
  void give_back(std::uint32_t number) noexcept {
    --owners_[number];
    idle_ += is_idle(number);
    if (owners_[number] == 0) free_.push_back(number);
  }
  /// Keeps a number that has an owner, and ends that.
  void keep(std::uint32_t number) noexcept { owners_[number] |= kept; }
  void let_go(std::uint32_t number) noexcept {
    idle_ -= is_idle(number);
    owners_[number] &= ~kept;
    if (owners_[number] == 0) free_.push_back(number);
  }

 private:
  static constexpr std::uint32_t kept = std::uint32_t{1} << 31;  // beside the count of owners

  std::vector<std::uint32_t> free_, owners_;
  std::size_t idle_ = 0;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
