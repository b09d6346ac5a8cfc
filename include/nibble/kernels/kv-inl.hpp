/// Writing one position's key and value of a head into the tiles of kv/tile.hpp.
#if defined(NIBBLE_KERNELS_KV_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_KV_INL_HPP
#undef NIBBLE_KERNELS_KV_INL_HPP
#else
#define NIBBLE_KERNELS_KV_INL_HPP
#endif

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kv/tile.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Converts 32 numbers to the form in which a format stores them, and returns their scale, which only Q8_0 has.
/// @shape   x, out (32)
template <kv_format Format, kv_role Role, class Stored>
HWY_INLINE half narrow_block(const float* x, Stored* out) {
  const float_tag d;
  if constexpr (std::is_same_v<Format, q8_0>) {
    const hn::Rebind<std::int8_t, float_tag> d8;
    const hn::RebindToUnsigned<decltype(d8)> du8;
    const float largest = peak_of(x);
    const half scale = is_nan(largest) ? nan_half : to_half(std::min(largest / 127, largest_half));
    const float inverse = kv_inverse(scale);
    for (std::size_t i = 0; i < kv_block; i += lanes) {
      const auto scaled_x = limited(hn::Mul(hn::Load(d, x + i), hn::Set(d, inverse)), 127);
      const auto n = inverse > 0 ? hn::NearestInt(scaled_x) : hn::Zero(int_tag());
      const auto code = hn::BitCast(du8, hn::DemoteTo(d8, n));
      hn::Store(hn::Xor(code, hn::Set(du8, kv_zero_point<Role>)), du8, out + i);  // + 128 is ^ 128
    }
    return scale;
  } else {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2  // the portable conversion does not round to nearest everywhere
    if constexpr (std::is_same_v<Format, f16>) {
      const hn::Rebind<hwy::float16_t, float_tag> d16;
      for (std::size_t i = 0; i < kv_block; i += lanes) {
        const auto limited_x = limited(hn::Load(d, x + i), largest_half);
        hn::StoreU(hn::DemoteTo(d16, limited_x), d16, reinterpret_cast<hwy::float16_t*>(out + i));
      }
      return {};
    }
#endif
    for (std::size_t i = 0; i < kv_block; ++i) store_number(x[i], out[i]);
    return {};
  }
}

/// Does what the scalar store_kv of kv/tile.hpp does, to the same bits.
/// @shape   vector (dim); tile: see kv/tile.hpp
template <kv_format Format, kv_role Role>
void store_kv(const float* vector, std::size_t dim, std::size_t slot, std::byte* tile) {
  using stored = std::remove_pointer_t<decltype(kv_at<Format, Role>(tile, dim, slot, 0).value)>;
  alignas(64) float x[kv_block] = {};
  alignas(64) stored narrow[kv_block];
  for (std::size_t b = 0; b < dim; b += kv_block) {
    const std::size_t count = std::min(kv_block, dim - b);
    if (count < kv_block) std::fill_n(x, kv_block, 0.0f);
    std::memcpy(x, vector + b, count * sizeof(float));
    const half scale = narrow_block<Format, Role>(x, narrow);
    const auto at = kv_at<Format, Role>(tile, dim, slot, b);
    if constexpr (std::is_same_v<Format, q8_0>) *at.scale = scale;
    if (Role == kv_role::value) {
      std::memcpy(at.value, narrow, count * sizeof(stored));
    } else if constexpr (std::is_same_v<Format, q8_0>) {  // up to four columns of a row stand together
      for (std::size_t i = 0; i < count; i += 4) {
        std::memcpy(kv_at<Format, Role>(tile, dim, slot, b + i).value, narrow + i, std::min<std::size_t>(4, count - i));
      }
    } else {
      for (std::size_t i = 0; i < count; ++i) at.value[i * panel_rows] = narrow[i];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
