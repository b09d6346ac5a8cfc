/// What every kernel test shares: all tables that this machine runs, random numbers, and how far two results are apart.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "nibble/kernels/reference.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble_test {

/// Calls f(table) for every SIMD table of this machine.
template <class F>
void for_each_table(F&& f) {
  for (std::size_t i = 0; const nibble::kernel_table* t = nibble::kernels_at(i); ++i) {
    INFO("target ", std::string(t->target));
    f(*t);
  }
}

/// Whether an instruction set fuses multiplication and addition. Those that do not are the oldest of x86, WebAssembly and, as
/// it is compiled, NEON of 32 bits; their results are their own.
inline bool fuses(const std::string& target) {
#if defined(__arm__)
  if (target.find("NEON") != std::string::npos) return false;
#endif
  return target.find("SSE") == std::string::npos && target != "WASM";
}
inline bool fuses(const nibble::kernel_table& t) { return fuses(std::string(t.target)); }

/// The root of the mean square difference of what is finite, relative to that of the first.
inline double relative_error(std::span<const float> expected, std::span<const float> found) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(expected[i]) && !std::isfinite(found[i])) continue;
    difference += (double(expected[i]) - found[i]) * (double(expected[i]) - found[i]);
    size += double(expected[i]) * expected[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

/// Whether two results are one: to the bit where the target fuses, all NaNs being alike, and nearly so elsewhere.
inline bool agree(const std::string& target, std::span<const float> expected, std::span<const float> found) {
  if (!fuses(target)) return relative_error(expected, found) < 3e-6;
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end(), [](float e, float f) {
    return std::bit_cast<std::uint32_t>(e) == std::bit_cast<std::uint32_t>(f) || (std::isnan(e) && std::isnan(f));
  });
}
inline bool agree(const nibble::kernel_table& t, std::span<const float> expected, std::span<const float> found) {
  return agree(std::string(t.target), expected, found);
}

/// Whether nothing is a finite number that is none in what is expected: holds where bits differ, too.
inline bool keeps_nans(std::span<const float> expected, std::span<const float> found) {
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end(),
                    [](float e, float f) { return !std::isnan(e) || !std::isfinite(f); });
}

/// All activation functions.
inline constexpr nibble::activation every_activation[] = {
    nibble::activation::silu, nibble::activation::gelu_tanh,    nibble::activation::gelu,    nibble::activation::silu_clamped,
    nibble::activation::relu, nibble::activation::relu_squared, nibble::activation::sigmoid, nibble::activation::softplus,
    nibble::activation::tanh, nibble::activation::exp};

inline std::vector<float> gaussian(std::size_t n, unsigned seed, float sigma = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, sigma);
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

template <class F>
void for_each_kv_format(F&& f) {
  nibble::any_type(nibble::kv_formats{}, [&]<class Q>(std::type_identity<Q> q) {
    INFO("KV format ", std::string(Q::name));
    f(q);
    return false;
  });
}

}  // namespace nibble_test
