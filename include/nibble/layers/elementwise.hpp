/// Elementwise steps of a layer, each over all tokens: sums, scales, caps. All are noexcept and allocate nothing.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include "nibble/layers/norm.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// x += y.
/// @shape   x, y (tokens, width)
inline void add(compute& c, activations x, activations y) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().add(x.row(t), y.row(t), x.width); });
}

/// x += factor * norm(y) for each token; y is overwritten. Without a norm (null), x += factor * y.
/// @shape   x, y (tokens, width)
inline void add_branch(compute& c, activations x, activations y, const norm_weights* norm, float factor) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) {
    if (norm) detail::apply_norm(c.kernels(), *norm, y.row(t), y.width, y.row(t));
    if (factor != 1) c.kernels().scale(y.row(t), factor, y.width);
    c.kernels().add(x.row(t), y.row(t), x.width);
  });
}

/// x += bias for each token; nothing where there is no bias.
/// @shape   x (tokens, width), bias (width) or empty
inline void add_bias(compute& c, activations x, std::span<const float> bias) NIBBLE_NOEXCEPT {
  if (bias.empty()) return;
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().add(x.row(t), bias.data(), x.width); });
}

/// x *= factor.
inline void scale(compute& c, activations x, float factor) NIBBLE_NOEXCEPT {
  if (factor == 1) return;
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().scale(x.row(t), factor, x.width); });
}

/// x(t) *= factors(t), one a token.
/// @shape   x (tokens, width), factors (tokens, 1)
inline void scale_rows(compute& c, activations x, activations factors) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().scale(x.row(t), *factors.row(t), x.width); });
}

/// x *= y.
/// @shape   x, y (tokens, width)
inline void multiply(compute& c, activations x, activations y) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().multiply(x.row(t), y.row(t), x.width); });
}
/// x = f(x) * y.
/// @shape   x, y (tokens, width)
inline void gate_by(compute& c, activations x, activations y, activation f = activation::silu) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().gate(x.row(t), y.row(t), x.width, f); });
}
/// x = f(x).
inline void activate(compute& c, activations x, activation f) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().activate(x.row(t), x.width, f); });
}

/// x = cap * tanh(x / cap); nothing where cap is 0.
inline void softcap(compute& c, activations x, float cap) NIBBLE_NOEXCEPT {
  if (cap <= 0) return;
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().softcap(x.row(t), cap, x.width); });
}

/// out = x, row by row.
/// @shape   x, out (tokens, width)
inline void copy(compute& c, activations x, activations out) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) { std::memcpy(out.row(t), x.row(t), x.width * sizeof(float)); });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
