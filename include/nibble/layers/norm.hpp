/// Norms: of whole rows, and of each head on its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/layers/compute.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What is done to a row before it is multiplied by the gain.
enum class norm_kind : std::uint8_t {
  rms,   ///< x / sqrt(mean(x^2) + eps) * gain                             Zhang and Sennrich 2019
  layer  ///< (x - mean) / sqrt(mean((x - mean)^2) + eps) * gain + bias    Ba et al. 2016
};

/// The parameters of a norm, (width) each. Borrowed.
struct norm_weights {
  std::span<const float> gain, bias;  ///< bias may be empty
  float eps = 0;
  norm_kind kind = norm_kind::rms;
};

namespace detail {
/// One row; in == out is allowed.
inline void apply_norm(const kernel_table& kernels, const norm_weights& norm, const float* in, std::size_t n,
                       float* out) noexcept {
  if (norm.kind == norm_kind::layer) {
    const auto mean = static_cast<float>(kernels.sum(in, n) / double(n));
    for (std::size_t i = 0; i < n; ++i) out[i] = in[i] - mean;
    in = out;
  }
  kernels.rms_norm(in, norm.gain.data(), norm.eps, n, out);
  if (!norm.bias.empty()) kernels.add(out, norm.bias.data(), n);
}

/// f(row) for each token, shared out between threads.
template <class F>
void for_each_token(compute& c, activations x, F&& f) NIBBLE_NOEXCEPT {
  c.for_each_range(x.tokens, least_tokens(x.width), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) f(t);
  });
}
}  // namespace detail

/// out = norm(x) for each token.
/// @shape   x, out (tokens, width), the same memory allowed
inline void apply(compute& c, const norm_weights& norm, activations x, activations out) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) { detail::apply_norm(c.kernels(), norm, x.row(t), x.width, out.row(t)); });
}

/// The same for each head on its own, in place.
/// @shape   x (tokens, heads * head_dim); the norm's weights (head_dim), or (heads * head_dim): each head has its own
inline void apply_to_heads(compute& c, const norm_weights& norm, activations x, std::size_t head_dim) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(norm.gain.size() == head_dim || norm.gain.size() == x.width);
  const std::size_t step = norm.gain.size() == head_dim ? 0 : head_dim;  // in the gain, from one head to the next
  detail::for_each_token(c, x, [&](std::size_t t) {
    norm_weights of_head = norm;
    for (std::size_t at = 0, gain = 0; at < x.width; at += head_dim, gain += step) {
      of_head.gain = norm.gain.subspan(gain, head_dim);
      detail::apply_norm(c.kernels(), of_head, x.row(t) + at, head_dim, x.row(t) + at);
    }
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
