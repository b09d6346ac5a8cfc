/// rng: the random numbers of sampling, the same on every platform.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A small generator with 256 bits of state and period 2^256 - 1. A copy continues with the same numbers.
///
/// Not for secrets. Works wherever the standard library asks for a uniform random bit generator, but the distributions of the
/// standard library differ between its vendors: use uniform() where results must not.
/// @example  nibble::rng random(42);
///           const double u = random.uniform();  // in [0, 1)
/// @source   Blackman and Vigna 2021, xoshiro256**; seeded by splitmix64 as they advise
class rng {
 public:
  using result_type = std::uint64_t;

  constexpr explicit rng(std::uint64_t seed = 0) noexcept {
    for (auto& word : state_) {
      seed += 0x9e3779b97f4a7c15u;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      word = z ^ (z >> 31);
    }
  }
  /// Continues from a saved state, of which one word must not be 0.
  constexpr explicit rng(const std::array<std::uint64_t, 4>& state) noexcept : state_(state) {}
  constexpr const std::array<std::uint64_t, 4>& state() const noexcept { return state_; }

  /// The range of the numbers.
  static constexpr std::uint64_t min() noexcept { return 0; }
  static constexpr std::uint64_t max() noexcept { return ~std::uint64_t{0}; }

  /// The next 64 random bits.
  constexpr std::uint64_t operator()() noexcept {
    const std::uint64_t out = std::rotl(state_[1] * 5, 7) * 9, shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return out;
  }

  /// A number in [0, 1), a multiple of 2^-53.
  constexpr double uniform() noexcept { return double((*this)() >> 11) * 0x1p-53; }

  friend constexpr bool operator==(const rng&, const rng&) noexcept = default;

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
