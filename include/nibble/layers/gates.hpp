/// Gates of what heads give: each number, or each head, is multiplied by a function of a gate that the input opens.
#pragma once

#include <cstddef>

#include "nibble/layers/norm.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// x *= f(gates), where each head has one gate, or one for each of its numbers. The gates are overwritten.
/// @shape   x (tokens, width), gates (tokens, heads) or (tokens, width)
/// @errors  none (noexcept); precondition: as many gates, or a divisor of as many
inline void close_gates(compute& c, activations gates, activation f, activations x) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(gates.width > 0 && x.width % gates.width == 0);
  const std::size_t dim = x.width / gates.width;
  detail::for_each_token(c, x, [&](std::size_t t) {
    c.kernels().activate(gates.row(t), gates.width, f);
    if (dim == 1) return c.kernels().multiply(x.row(t), gates.row(t), x.width);
    for (std::size_t h = 0; h < gates.width; ++h) c.kernels().scale(x.row(t) + h * dim, gates.row(t)[h], dim);
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
