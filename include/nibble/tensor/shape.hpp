/// shape: the extents of a tensor, slowest first, and what can be computed from them without overflow.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The extents of a tensor, slowest dimension first: a matrix is {rows, columns}.
template <std::size_t Rank>
using shape = std::array<std::size_t, Rank>;

/// The product of all extents (1 for rank 0), or nothing if it does not fit.
template <std::size_t Rank>
constexpr std::optional<std::size_t> element_count(const shape<Rank>& extents) noexcept {
  std::size_t count = 1;
  bool overflow = false;
  for (const std::size_t extent : extents) {
    if (extent == 0) return 0;
    overflow = overflow || count > std::numeric_limits<std::size_t>::max() / extent;
    count *= extent;
  }
  return overflow ? std::nullopt : std::optional(count);
}

/// Steps from one element to the next in each dimension of a dense, row-major tensor.
template <std::size_t Rank>
constexpr shape<Rank> row_major_strides(const shape<Rank>& extents) noexcept {
  shape<Rank> strides{};
  std::size_t step = 1;
  for (std::size_t d = Rank; d-- > 0;) {
    strides[d] = step;
    step *= extents[d];
  }
  return strides;
}

/// "(4096, 1024)", as error messages spell it.
template <std::size_t Rank>
std::string text_of(const shape<Rank>& extents) {
  std::string text = "(";
  for (std::size_t d = 0; d < Rank; ++d) text.append(d ? ", " : "").append(std::to_string(extents[d]));
  return text + ")";
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
