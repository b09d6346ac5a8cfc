/// Sums and products of sizes that come from a file or a caller: they stop at the largest size instead of wrapping, and no
/// allocator grants that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

inline constexpr std::size_t largest_size = std::numeric_limits<std::size_t>::max();

/// a * b, or largest_size where that does not fit.
constexpr std::size_t product_of_sizes(std::size_t a, std::size_t b) noexcept {
  return b != 0 && a > largest_size / b ? largest_size : a * b;
}
template <class... Sizes>
constexpr std::size_t product_of_sizes(std::size_t a, std::size_t b, Sizes... more) noexcept {
  return product_of_sizes(product_of_sizes(a, b), more...);
}

/// a + b, or largest_size where that does not fit.
constexpr std::size_t sum_of_sizes(std::size_t a, std::size_t b) noexcept {
  return a > largest_size - b ? largest_size : a + b;
}

/// A number of a file as a size, or largest_size where it does not fit.
constexpr std::size_t as_size(std::uint64_t n) noexcept {
  return n > largest_size ? largest_size : static_cast<std::size_t>(n);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
