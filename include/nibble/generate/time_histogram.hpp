/// time_histogram: how long things took, in counts that never grow.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Counts of times, from a microsecond to an hour. Between a power of two and the next there are sixteen buckets, so what it
/// tells is right to a sixteenth.
/// @cost  4 KiB; no allocation
class time_histogram {
 public:
  static constexpr std::size_t octaves = 32;

  void add(std::chrono::nanoseconds time) noexcept {
    ++counts_[bucket_of(time)];
    ++count_;
    sum_ += time;
  }
  std::uint64_t count() const noexcept { return count_; }
  std::chrono::nanoseconds sum() const noexcept { return sum_; }

  /// The time that a share `q` of them, 0 to 1, did not exceed; 0 where there are none.
  std::chrono::nanoseconds quantile(double q) const noexcept {
    if (count_ == 0) return {};
    const double wanted = std::max(1.0, q * double(count_));
    std::uint64_t below = 0;
    std::size_t bucket = 0;
    while (bucket + 1 < counts_.size() && double(below + counts_[bucket]) < wanted) below += counts_[bucket++];
    const double least = begin_of(bucket),
                 share = (wanted - double(below)) / double(std::max<std::uint64_t>(1, counts_[bucket]));
    return std::chrono::nanoseconds(static_cast<std::int64_t>(1e3 * (least + share * (begin_of(bucket + 1) - least))));
  }
  /// How many took less than 2^octave microseconds.
  std::uint64_t less_than(std::size_t octave) const noexcept {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < octave * steps; ++i) count += counts_[i];
    return count;
  }

 private:
  static constexpr std::size_t steps = 16;

  static std::size_t bucket_of(std::chrono::nanoseconds time) noexcept {
    constexpr std::uint64_t most = (std::uint64_t{1} << octaves) - 1;
    const auto us =
        std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count())) / 1000, 1, most);
    const auto octave = static_cast<std::size_t>(std::bit_width(us)) - 1;
    return octave * steps + static_cast<std::size_t>((us * steps >> octave) - steps);
  }
  /// Microseconds.
  static double begin_of(std::size_t bucket) noexcept {
    return double(std::uint64_t{1} << bucket / steps) * double(steps + bucket % steps) / double(steps);
  }

  std::array<std::uint64_t, octaves * steps> counts_{};
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds sum_{0};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
