/// Rotary position embedding: angles once a step, rotations once a layer.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/layers/compute.hpp"
#include "nibble/layers/elementwise.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Cosines and sines of a step, (tokens, pairs) each.
struct rope_angles {
  activations cosines, sines;

  /// Those of some tokens.
  rope_angles of(std::span<const std::uint32_t> tokens) const noexcept {
    return {cosines.subset(tokens.data(), tokens.size()), sines.subset(tokens.data(), tokens.size())};
  }
};

/// The frequencies of one kind of rotary embedding.
/// angle(position, i) = position * scale * base^(-2 i / dimensions) / factor(i), in radians
class rope {
 public:
  rope() = default;
  /// @shape   factors: dimensions / 2 divisors of the frequencies, or empty
  /// @units   scale: 1 / the factor of linear scaling
  rope(std::size_t dimensions, double base, double scale, rope_pairs order, std::span<const float> factors = {})
      : order_(order) {
    frequencies_.reserve(dimensions / 2);
    for (std::size_t i = 0; i < dimensions / 2; ++i) {
      const double divisor = i < factors.size() && factors.data() ? double(factors[i]) : 1.0;
      frequencies_.push_back(scale * std::pow(base, -2.0 * double(i) / double(dimensions)) / divisor);
    }
  }

  /// @shape   positions (tokens)
  /// @cost    tokens * pairs sines and cosines, in double: an angle of 10^5 radians keeps its fraction
  rope_angles angles(compute& c, std::span<const std::uint32_t> positions) const NIBBLE_NOEXCEPT {
    const std::size_t pairs = frequencies_.size();
    const rope_angles a{c.scratch(positions.size(), pairs), c.scratch(positions.size(), pairs)};
    c.for_each_range(positions.size(), 16, [&](std::size_t begin, std::size_t end) {
      for (std::size_t t = begin; t < end; ++t) {
        for (std::size_t i = 0; i < pairs; ++i) {
          const double angle = double(positions[t]) * frequencies_[i];
          a.cosines.row(t)[i] = static_cast<float>(std::cos(angle));
          a.sines.row(t)[i] = static_cast<float>(std::sin(angle));
        }
      }
    });
    return a;
  }

  /// Rotates every head of x in place; dimensions past those of the embedding stay.
  /// @shape   x (tokens, heads * head_dim)
  /// @source  Su et al. 2021, eq. 34
  void rotate(compute& c, activations x, std::size_t head_dim, const rope_angles& a) const NIBBLE_NOEXCEPT {
    detail::for_each_token(c, x, [&](std::size_t t) {
      for (float* head = x.row(t); head < x.row(t) + x.width; head += head_dim) {
        c.kernels().rope(head, a.cosines.row(t), a.sines.row(t), frequencies_.size(), order_);
      }
    });
  }

  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(frequencies_); }

 private:
  std::vector<double> frequencies_;
  rope_pairs order_ = rope_pairs::halves;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
