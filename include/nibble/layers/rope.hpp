/// Rotary position embedding: angles once a step, rotations once a layer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "nibble/core/fused.hpp"
#include "nibble/core/heap_bytes.hpp"
#include "nibble/core/portable_math.hpp"
#include "nibble/layers/compute.hpp"
#include "nibble/layers/elementwise.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Cosines and sines of a step, (tokens, pairs) each.
struct rope_angles {
  activations cosines, sines;

  /// Those of some tokens; those that follow each other.
  rope_angles of(std::span<const std::uint32_t> tokens) const noexcept {
    return {cosines.subset(tokens.data(), tokens.size()), sines.subset(tokens.data(), tokens.size())};
  }
  rope_angles range(std::size_t first, std::size_t count) const noexcept {
    return {cosines.range(first, count), sines.range(first, count)};
  }
};

/// YaRN: pairs that turn fast keep their frequencies, those that turn slowly are scaled, and between them it is some of both.
/// @source  Peng et al. 2023, section 3.2
struct yarn_spec {
  double positions = 0;        ///< that the model was trained on; 0: no YaRN
  double fast = 32, slow = 1;  ///< turns within these positions: pairs with as many keep theirs; with as few they are scaled
  double kept = 1;             ///< how much the fast ones keep
};

/// One kind of rotary embedding.
struct rope_spec {
  std::size_t dimensions = 0;      ///< of a head, that are rotated: the first ones
  double base = 10000, scale = 1;  ///< scale: 1 / the factor of linear scaling or of YaRN
  rope_pairs order = rope_pairs::halves;
  yarn_spec yarn = {};
  double magnitude = 1;  ///< of cosines and sines
};

/// The frequencies of one kind of rotary embedding.
/// angle(position, i) = position * scale * base^(-2 i / dimensions) / factor(i), in radians; less is scaled with YaRN
class rope {
 public:
  rope() = default;
  /// @shape   factors: dimensions / 2 divisors of the frequencies, or empty
  explicit rope(const rope_spec& spec, std::span<const float> factors = {}) : order_(spec.order), magnitude_(spec.magnitude) {
    frequencies_.reserve(spec.dimensions / 2);
    for (std::size_t i = 0; i < spec.dimensions / 2; ++i) {
      const double divisor = i < factors.size() && factors.data() ? double(factors[i]) : 1.0;
      const double kept = kept_of(spec, double(i));
      frequencies_.push_back(detail::turns_of(fused(1 - spec.scale, kept, spec.scale) *
                                              detail::portable_pow(spec.base, -2.0 * double(i) / double(spec.dimensions)) /
                                              divisor));
    }
  }

  /// Room for the angles of some tokens.
  rope_angles room(compute& c, std::size_t tokens) const NIBBLE_NOEXCEPT {
    return {c.scratch(tokens, frequencies_.size()), c.scratch(tokens, frequencies_.size())};
  }
  /// @shape   positions (tokens), out (tokens, pairs)
  /// @cost    tokens * pairs sines and cosines, in integers: the same on every machine, and no angle is too large
  void turn(compute& c, std::span<const std::uint32_t> positions, const rope_angles& out) const NIBBLE_NOEXCEPT {
    const double unit = magnitude_ * 0x1p-32;
    c.for_each_range(positions.size(), 16, [&](std::size_t begin, std::size_t end) {
      for (std::size_t t = begin; t < end; ++t) {
        for (std::size_t i = 0; i < frequencies_.size(); ++i) {
          const detail::direction turned(positions[t] * frequencies_[i]);  // whole turns fall away
          out.cosines.row(t)[i] = static_cast<float>(double(turned.cosine) * unit);
          out.sines.row(t)[i] = static_cast<float>(double(turned.sine) * unit);
        }
      }
    });
  }
  rope_angles angles(compute& c, std::span<const std::uint32_t> positions) const NIBBLE_NOEXCEPT {
    const rope_angles a = room(c, positions.size());
    turn(c, positions, a);
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
  /// How much of its frequency YaRN leaves to pair i: from 1 for those that turn often to 0.
  static double kept_of(const rope_spec& spec, double i) noexcept {
    if (spec.yarn.positions <= 0) return 0;
    const double dimensions = double(spec.dimensions);
    const auto pair_of = [&](double turns) {
      const double wavelengths = spec.yarn.positions / (turns * 2 * std::numbers::pi);
      return dimensions * detail::portable_log2(wavelengths) / (2 * detail::portable_log2(spec.base));
    };
    const double first = std::max(0.0, std::floor(pair_of(spec.yarn.fast)));
    const double last = std::min(dimensions - 1, std::ceil(pair_of(spec.yarn.slow)));
    return (1 - std::clamp((i - first) / std::max(0.001, last - first), 0.0, 1.0)) * spec.yarn.kept;
  }

  std::vector<detail::turn_fraction> frequencies_;  // turns a position
  rope_pairs order_ = rope_pairs::halves;
  double magnitude_ = 1;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
