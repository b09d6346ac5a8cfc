/// Elementwise steps of a layer, each over all tokens: norms, sums, caps. All are noexcept and allocate nothing.
#pragma once

#include <cstddef>
#include <span>

#include "nibble/layers/compute.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// f(row) for each token, shared out between threads.
template <class F>
void for_each_token(compute& c, activations x, F&& f) noexcept {
  c.for_each_range(x.tokens, least_tokens(x.width), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) f(t);
  });
}
}  // namespace detail

/// out = x / sqrt(mean(x^2) + eps) * gain for each token.
/// @shape   x, out (tokens, width), the same memory allowed; gain (width)
/// @source  Zhang and Sennrich 2019
inline void rms_norm(compute& c, activations x, std::span<const float> gain, float eps, activations out) noexcept {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().rms_norm(x.row(t), gain.data(), eps, x.width, out.row(t)); });
}

/// The same for each head on its own, in place.
/// @shape   x (tokens, heads * head_dim), gain (head_dim)
inline void rms_norm_heads(compute& c, activations x, std::span<const float> gain, float eps) noexcept {
  detail::for_each_token(c, x, [&](std::size_t t) {
    for (float* head = x.row(t); head < x.row(t) + x.width; head += gain.size()) {
      c.kernels().rms_norm(head, gain.data(), eps, gain.size(), head);
    }
  });
}

/// x += y.
/// @shape   x, y (tokens, width)
inline void add(compute& c, activations x, activations y) noexcept {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().add(x.row(t), y.row(t), x.width); });
}

/// x += y / sqrt(mean(y^2) + eps) * gain for each token; y is overwritten.
/// @shape   x, y (tokens, width), gain (width)
inline void add_normed(compute& c, activations x, activations y, std::span<const float> gain, float eps) noexcept {
  detail::for_each_token(c, x, [&](std::size_t t) {
    c.kernels().rms_norm(y.row(t), gain.data(), eps, y.width, y.row(t));
    c.kernels().add(x.row(t), y.row(t), x.width);
  });
}

/// x += bias for each token; nothing where there is no bias.
/// @shape   x (tokens, width), bias (width) or empty
inline void add_bias(compute& c, activations x, std::span<const float> bias) noexcept {
  if (bias.empty()) return;
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().add(x.row(t), bias.data(), x.width); });
}

/// x *= factor.
inline void scale(compute& c, activations x, float factor) noexcept {
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().scale(x.row(t), factor, x.width); });
}

/// x = cap * tanh(x / cap); nothing where cap is 0.
inline void softcap(compute& c, activations x, float cap) noexcept {
  if (cap <= 0) return;
  detail::for_each_token(c, x, [&](std::size_t t) { c.kernels().softcap(x.row(t), cap, x.width); });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
