/// What every kernel test shares: all tables that this machine runs, random numbers, and how far two results are apart.
#pragma once

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

inline std::vector<float> gaussian(std::size_t n, unsigned seed, float sigma = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, sigma);
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

/// The root of the mean square difference, relative to that of the first.
inline double relative_error(std::span<const float> expected, std::span<const float> found) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (double(expected[i]) - found[i]) * (double(expected[i]) - found[i]);
    size += double(expected[i]) * expected[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
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
