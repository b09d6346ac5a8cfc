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

/// The scale of 32 numbers, of which those behind the last are 0. See kv_scale_of.
template <coded_kv_format Format>
HWY_INLINE half scale_of_block(const float* x) {
  const float_tag d;
  const float largest = peak_of(x);
  if (is_nan(largest)) return nan_half;
  if constexpr (std::is_same_v<Format, q8_0>) return kv_scale<Format>(0, largest);
  auto most = hn::Zero(d), below = most;  // below: how far the least is
  NIBBLE_UNROLL for (std::size_t i = 0; i < kv_block; i += lanes) {
    const auto v = hn::Load(d, x + i);
    most = hn::Max(most, v), below = hn::Max(below, hn::Neg(v));
  }
  return kv_scale<Format>(-max_of(below), max_of(most));
}

/// Converts 32 numbers to the form in which a format stores them, and returns their scale, which only codes have.
/// @shape   x (32); out (32), or of Q4_0 (16)
template <kv_format Format, kv_role Role, class Stored>
HWY_INLINE half narrow_block(const float* x, Stored* out) {
  const float_tag d;
  if constexpr (coded_kv_format<Format>) {
    const hn::Rebind<std::int8_t, float_tag> d8;
    const hn::RebindToUnsigned<decltype(d8)> du8;
    const half scale = scale_of_block<Format>(x);
    const float inverse = kv_inverse(scale);
    const auto least = hn::Set(d, least_kv_level<Format>), most = hn::Set(d, most_kv_level<Format>);
    alignas(64) std::uint8_t codes[kv_block];
    for (std::size_t i = 0; i < kv_block; i += lanes) {
      const auto level = hn::Min(hn::Max(hn::Mul(hn::Load(d, x + i), hn::Set(d, inverse)), least), most);
      const auto n = inverse != 0 ? hn::NearestInt(level) : hn::Zero(int_tag());
      const auto code = hn::BitCast(du8, hn::DemoteTo(d8, n));
      hn::Store(hn::Add(code, hn::Set(du8, static_cast<std::uint8_t>(kv_zero_point<Format, Role>))), du8, codes + i);
    }
    if constexpr (std::is_same_v<Format, q4_0>) {
      for (std::size_t i = 0; i < kv_block / 2; ++i) {
        out[i] = static_cast<std::uint8_t>(codes[i] | codes[i + kv_block / 2] << 4);
      }
    } else {
      std::memcpy(out, codes, kv_block);
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
    if constexpr (coded_kv_format<Format>) *at.scale = scale;
    if constexpr (std::is_same_v<Format, q4_0>) {  // a value's bytes stand together; four of a key's do
      const std::size_t step = Role == kv_role::value ? 4 : 64;
      NIBBLE_UNROLL for (std::size_t q = 0; q < 4; ++q) std::memcpy(at.value + q * step, narrow + q * 4, 4);
    } else if (Role == kv_role::value) {
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
