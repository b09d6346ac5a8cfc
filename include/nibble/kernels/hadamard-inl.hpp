/// The Walsh-Hadamard transform: rotates the heads of queries, keys and values that a cache stores as codes.
#if defined(NIBBLE_KERNELS_HADAMARD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_HADAMARD_INL_HPP
#undef NIBBLE_KERNELS_HADAMARD_INL_HPP
#else
#define NIBBLE_KERNELS_HADAMARD_INL_HPP
#endif

#include <cmath>
#include <cstddef>
#include <utility>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/reference.hpp"
#include "nibble/kv/tile.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Each stage adds and subtracts the numbers whose index differs in its highest bit, and leaves sum and difference side by
/// side: so the next bit becomes the highest, and after all bits each number is where it was. The additions are those of the
/// usual butterflies, in their order.
/// @shape   x (count, size), in place
/// @source  Pease 1968, "An adaptation of the fast Fourier transform for parallel processing"
inline void hadamard(float* x, std::size_t size, std::size_t count) {
  if (size < 2 * lanes) return reference::hadamard(x, size, count);
  const float_tag d;
  const auto factor = hn::Set(d, 1 / std::sqrt(float(size)));
  alignas(64) float room[max_head_dim];
  for (float* const end = x + count * size; x < end; x += size) {
    float *from = x, *to = room;
    for (std::size_t bits = size; bits > 1; bits /= 2) {
      for (std::size_t i = 0; i < size / 2; i += lanes) {
        const auto a = hn::LoadU(d, from + i), b = hn::LoadU(d, from + size / 2 + i);
        hn::StoreInterleaved2(hn::Add(a, b), hn::Sub(a, b), d, to + 2 * i);
      }
      std::swap(from, to);
    }
    for (std::size_t i = 0; i < size; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, from + i), factor), d, x + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
