/// Gates of what heads give: each number, or each head, is multiplied by a function of a gate that the input opens.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "nibble/layers/norm.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a gate's number becomes.
enum class head_gate : std::uint8_t { none, sigmoid, softplus };

namespace detail {
/// 1 / (1 + exp(-x)), or ln(1 + exp(x)), neither of which overflows.
inline float opened(head_gate f, float x) noexcept {
  const float small = std::exp(-std::abs(x));
  if (f == head_gate::sigmoid) return (x < 0 ? small : 1) / (1 + small);
  return (x > 0 ? x : 0) + std::log1p(small);
}
}  // namespace detail

/// x *= f(gates), where each head has one gate, or one for each of its numbers. The gates are overwritten.
/// @shape   x (tokens, width), gates (tokens, heads) or (tokens, width)
inline void close_gates(compute& c, activations gates, head_gate f, activations x) NIBBLE_NOEXCEPT {
  const std::size_t dim = x.width / gates.width;
  detail::for_each_token(c, x, [&](std::size_t t) {
    for (std::size_t h = 0; h < gates.width; ++h)
      c.kernels().scale(x.row(t) + h * dim, detail::opened(f, gates.row(t)[h]), dim);
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
