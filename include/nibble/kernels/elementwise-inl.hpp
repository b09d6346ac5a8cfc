/// What of a layer is neither a product nor an activation function: quantizing, norms, sums, rotary embedding. Shapes are those
/// of kernel_table. Sums are float, sixteen of them side by side, added up in one order; rms_norm adds eps and divides in
/// double.
///
/// Each gives the bits of the scalar reference on every target that fuses multiplication and addition, which is tested. Never
/// Add a Mul: see math-inl.hpp.
#if defined(NIBBLE_KERNELS_ELEMENTWISE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ELEMENTWISE_INL_HPP
#undef NIBBLE_KERNELS_ELEMENTWISE_INL_HPP
#else
#define NIBBLE_KERNELS_ELEMENTWISE_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "nibble/core/fused.hpp"
#include "nibble/kernels/math-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/reference.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/activation.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// x[i] = f(x[i], y[i]), register by register; the last numbers go through a register that is filled up with zeros.
template <class F>
HWY_INLINE void zip_in_place(float* x, const float* y, std::size_t n, const F& f) {
  const float_tag d;
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, x + i);
  if (i == n) return;
  alignas(64) float rest_x[lanes] = {}, rest_y[lanes] = {};
  std::memcpy(rest_x, x + i, (n - i) * sizeof(float));
  std::memcpy(rest_y, y + i, (n - i) * sizeof(float));
  hn::Store(f(hn::Load(d, rest_x), hn::Load(d, rest_y)), d, rest_x);
  std::memcpy(x + i, rest_x, (n - i) * sizeof(float));
}

/// Registers whose lanes are the candidates for the code of the largest number.
using peak_tag = hn::CappedTag<float, activation_peaks.size()>;
using peak_vec = hn::Vec<peak_tag>;

/// squares + e * e, where e is the error of x * up, in units of a code.
template <class V>
HWY_INLINE V add_squared_error(V x, V up, V squares) {
  const auto e = hn::MulSub(x, up, hn::Round(hn::Mul(x, up)));
  return hn::MulAdd(e, e, squares);
}
/// The squared errors of 32 numbers, each times `up`.
HWY_INLINE peak_vec squared_errors(const float* in, peak_vec up) {
  [[maybe_unused]] const float_tag d;
  const peak_tag dp;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // quantizing is 1.2 times as fast as with half registers (Zen 5)
  // two numbers at once, x[i] beside x[i + 2]: the lower halves are the first two of the four sums, the upper the others
  const auto both = hn::Combine(d, up, up);
  const auto beside =
      hn::Combine(int_tag(), hn::Set(hn::RebindToSigned<peak_tag>(), 2), hn::Zero(hn::RebindToSigned<peak_tag>()));
  auto even = hn::Zero(d), odd = even;
  NIBBLE_UNROLL for (std::size_t i = 0; i < 32; i += lanes) {
    const auto x = hn::LoadU(d, in + i);
    const auto pair = [&](std::size_t k) NIBBLE_ATTR {
      return hn::TableLookupLanes(x, hn::IndicesFromVec(d, hn::Add(beside, hn::Set(int_tag(), static_cast<std::int32_t>(k)))));
    };
    NIBBLE_UNROLL for (std::size_t k = 0; k < lanes; k += 4) {
      even = add_squared_error(pair(k), both, even);
      odd = add_squared_error(pair(k + 1), both, odd);
    }
  }
  const auto sums = hn::Add(even, odd);
  return hn::Add(hn::LowerHalf(dp, sums), hn::UpperHalf(dp, sums));
#else
  peak_vec squares[4];
  NIBBLE_UNROLL for (auto& s : squares) s = hn::Zero(dp);
  for (std::size_t i = 0; i < 32; i += 4) {
    NIBBLE_UNROLL for (std::size_t j = 0; j < 4; ++j) squares[j] = add_squared_error(hn::Set(dp, in[i + j]), up, squares[j]);
  }
  return hn::Add(hn::Add(squares[0], squares[1]), hn::Add(squares[2], squares[3]));
#endif
}

/// The squared errors of 32 numbers if their largest absolute value, `peak`, gets each of the codes in activation_peaks. The
/// lowest bits of each error are replaced by the candidate's index, so the least error tells which candidate has it.
/// @shape   in (32), errors (activation_peaks)
HWY_INLINE void errors_of_peaks(const float* in, float peak, std::int32_t* errors) {
  constexpr std::size_t count = activation_peaks.size();
  static_assert((count & (count - 1)) == 0);
  const peak_tag d;
  const hn::RebindToSigned<peak_tag> di;
  for (std::size_t c = 0; c < count; c += hn::MaxLanes(d)) {
    const auto target = hn::LoadU(d, activation_peaks.data() + c);
    const auto up = hn::Div(target, hn::Set(d, std::max(peak, activation_block::least)));
    const auto sum = squared_errors(in, up);
    const auto error = hn::BitCast(di, hn::Div(sum, hn::Mul(target, target)));
    const auto index = hn::Iota(di, static_cast<std::int32_t>(c));
    hn::StoreU(hn::Or(hn::AndNot(hn::Set(di, count - 1), error), index), di, errors + c);
  }
}
/// The candidate with the least of these errors.
HWY_INLINE float best_peak(const std::int32_t* errors) {
  constexpr std::size_t count = activation_peaks.size();
  const hn::CappedTag<std::int32_t, count> d;
  auto least = hn::LoadU(d, errors);
  for (std::size_t c = hn::MaxLanes(d); c < count; c += hn::MaxLanes(d)) least = hn::Min(least, hn::LoadU(d, errors + c));
  return activation_peaks[static_cast<std::size_t>(hn::GetLane(hn::MinOfLanes(d, least))) % count];
}

/// a and b of a + 2^16 b, where a is a signed 16-bit number.
inline std::array<std::int32_t, 2> split_halves(std::int32_t both) {
  const std::int32_t low = static_cast<std::int16_t>(both & 0xFFFF);
  return {low, (both >> 16) + (low < 0)};
}

/// Blocks that go through the steps of quantize() together: each step ends in one number a block, whose latency is long, so
/// several of them are computed side by side.
inline constexpr std::size_t quantize_blocks = 8;

/// Codes of 32 numbers x, and what is summed on the way.
struct coded_columns {  // a compiler's own constructors would lack the target's instructions
  HWY_INLINE coded_columns() {}
  lane_sums along, squares;               // sums of x * code and code * code
  std::array<std::int32_t, 2> half_sums;  // sums of codes of columns 0..15 and 16..31
};

/// code = round(x), where x = in * factor; the sum of x * code takes x as it is in `in` unless Scaled.
template <bool Scaled>
HWY_INLINE coded_columns code_columns(const float* in, float factor, std::int8_t* code) {
  const float_tag d;
  const hn::Rebind<std::int8_t, float_tag> d8;
  coded_columns out;
  auto sums = hn::Zero(int_tag());  // of columns 0..15, and 2^16 times those of 16..31: see split_halves()
  NIBBLE_UNROLL for (std::size_t i = 0; i < 32; i += lanes) {
    const auto x = hn::LoadU(d, in + i), scaled_x = hn::Mul(x, hn::Set(d, factor));
    const auto n = nearest(scaled_x);
    const auto q = hn::ConvertTo(d, n);
    auto &along = out.along.part[i / lanes % lane_sums::vectors], &squares = out.squares.part[i / lanes % lane_sums::vectors];
    along = hn::MulAdd(Scaled ? scaled_x : x, q, along);
    squares = hn::MulAdd(q, q, squares);
    sums = hn::Add(sums, i < 16 ? n : hn::ShiftLeft<16>(n));
    hn::StoreU(hn::DemoteTo(d8, n), d8, code + i);
  }
  out.half_sums = split_halves(sum_of(sums));
  return out;
}

/// Codes by the best of some scales, then the least-squares scale for these codes; see quant/activation.hpp.
/// @shape   in (columns); out: columns / 32 x activation_block, `step` blocks apart
inline void quantize(const float* in, std::size_t columns, void* out, std::size_t step) {
  auto* block = static_cast<activation_block*>(out);
  for (std::size_t left = columns / 32; left > 0;) {
    const std::size_t count = std::min(left, quantize_blocks);
    float inverse[quantize_blocks], along[quantize_blocks], squares[quantize_blocks];
    std::int32_t errors[quantize_blocks][activation_peaks.size()];
    for (std::size_t b = 0; b < count; ++b) inverse[b] = peak_of(in + b * 32);
    for (std::size_t b = 0; b < count; ++b) errors_of_peaks(in + b * 32, inverse[b], errors[b]);
    for (std::size_t b = 0; b < count; ++b) {
      inverse[b] = inverse[b] >= activation_block::least ? best_peak(errors[b]) / inverse[b] : 0;
    }
    for (std::size_t b = 0; b < count; ++b) {
      const auto coded = code_columns<false>(in + b * 32, inverse[b], block[b * step].code.data());
      block[b * step].half_sums = coded.half_sums;
      along[b] = coded.along.total(), squares[b] = coded.squares.total();
    }
    for (std::size_t b = 0; b < count; ++b) {
      activation_block& to = block[b * step];
      to.scale = inverse[b] > 0 ? along[b] / squares[b] : 0;
      if (!is_finite(along[b])) to = activation_block::not_finite();
      to.sum = to.scale * float(to.half_sums[0] + to.half_sums[1]);
    }
    in += count * 32, block += count * step, left -= count;
  }
}

/// Registers whose lanes are the eight parts of a super-block.
using part_tag = hn::CappedTag<float, 8>;

/// The exponent of each part of a super-block: the power of two that comes next below what the part's peak would allow. With it
/// the factor of the part's numbers, and the power itself.
/// @shape   peak, factor, power (8)
HWY_INLINE void exponents_of(const float* peak, float largest, activation_super_block& to, float* factor, float* power) {
  using block = activation_super_block;
  const part_tag d;
  const hn::RebindToSigned<part_tag> di;
  const auto up = hn::BitCast(di, hn::Set(d, largest < block::least ? 0 : 127 / largest));
  // a smaller peak has the same exponent
  const float floor = largest < block::least ? block::least : largest / float(1 << (block::largest + 1));
  for (std::size_t g = 0; g < 8; g += hn::MaxLanes(d)) {
    const auto ratio = hn::BitCast(di, hn::Div(hn::Set(d, largest), hn::Max(hn::LoadU(d, peak + g), hn::Set(d, floor))));
    auto halvings = hn::Sub(hn::ShiftRight<23>(ratio), hn::Set(di, 127));
    halvings = hn::Min(hn::Max(halvings, hn::Zero(di)), hn::Set(di, block::largest));
    const auto exponent = hn::ShiftLeft<23>(hn::Sub(hn::Set(di, block::largest), halvings));
    hn::StoreU(exponent, di, to.exponent.data() + g);
    hn::StoreU(hn::BitCast(d, hn::Add(exponent, hn::Set(di, 127 * block::one))), d, power + g);
    hn::StoreU(hn::BitCast(d, hn::Add(up, hn::ShiftLeft<23>(halvings))), d, factor + g);
  }
}

/// Codes by the exponents of the parts, then the least-squares scale for all codes; see quant/activation.hpp.
/// @shape   in (columns); out: columns / 256 x activation_super_block, `step` blocks apart
inline void quantize_super(const float* in, std::size_t columns, void* out, std::size_t step) {
  using block = activation_super_block;
  const float_tag d;
  const part_tag df;
  const hn::RebindToSigned<part_tag> di;
  const hn::Rebind<std::int16_t, part_tag> ds;
  auto* to = static_cast<block*>(out);
  for (; columns > 0; columns -= block::columns, in += block::columns, to += step) {
    float peak[8], factor[8], power[8];
    std::int32_t sums[8];
    auto peaks = hn::Zero(int_tag());
    for (std::size_t g = 0; g < 8; ++g) {
      const auto of_part = peaks_of(in + g * 32);
      peaks = hn::Max(peaks, of_part);
      peak[g] = largest_of(of_part);
    }
    const float largest = largest_of(peaks);  // or NaN
    exponents_of(peak, largest, *to, factor, power);
    lane_sums along, squares;  // with x in units of 127 for the largest
    for (std::size_t g = 0; g < 8; ++g) {
      const auto coded = code_columns<true>(in + g * 32, factor[g], to->code.data() + g * 32);
      to->half_sums[2 * g] = static_cast<std::int16_t>(coded.half_sums[0]);
      to->half_sums[2 * g + 1] = static_cast<std::int16_t>(coded.half_sums[1]);
      sums[g] = coded.half_sums[0] + coded.half_sums[1];
      const auto weight = hn::Set(d, power[g] * power[g]);
      NIBBLE_UNROLL for (std::size_t v = 0; v < lane_sums::vectors; ++v) {
        along.part[v] = hn::MulAdd(coded.along.part[v], weight, along.part[v]);
        squares.part[v] = hn::MulAdd(coded.squares.part[v], weight, squares.part[v]);
      }
    }
    const auto down = hn::Set(df, 1.0f / float(1 << block::sum_exponent));
    for (std::size_t g = 0; g < 8; g += hn::MaxLanes(df)) {
      const auto sum = hn::Mul(hn::ConvertTo(df, hn::LoadU(di, sums + g)), hn::Mul(hn::LoadU(df, power + g), down));
      hn::StoreU(hn::DemoteTo(ds, hn::NearestInt(sum)), ds, to->sums.data() + g);
    }
    if (!is_finite(largest)) {
      *to = block::not_finite();
    } else {
      to->scale = largest < block::least ? 0 : along.total() / squares.total() * (largest / float(127 << block::largest));
    }
  }
}

/// @shape   in, gain, out (n)
inline void rms_norm(const float* in, const float* gain, float eps, std::size_t n, float* out) {
  const float_tag d;
  lane_sums squares;
  const auto add_sixteen = [&](const float* x) NIBBLE_ATTR {
    NIBBLE_UNROLL for (std::size_t v = 0; v < lane_sums::vectors; ++v) {
      const auto of_x = hn::LoadU(d, x + v * lanes);
      squares.part[v] = hn::MulAdd(of_x, of_x, squares.part[v]);
    }
  };
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) add_sixteen(in + i);
  if (i < n) {
    alignas(64) float rest[16] = {};
    std::memcpy(rest, in + i, (n - i) * sizeof(float));
    add_sixteen(rest);
  }
  const float total = squares.total();
  double squared = double(total);
  if (!is_finite(total)) squared = reference::sum_of_squares(in, n);
  const float factor = float(1 / std::sqrt(squared / double(n) + double(eps)));
  for (i = 0; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, in + i), hn::Set(d, factor)), hn::LoadU(d, gain + i)), d, out + i);
  }
  for (; i < n; ++i) out[i] = in[i] * factor * gain[i];
}

/// x += y, x += factor * y, and x *= factor.
/// @shape   x, y (n)
inline void add(float* x, const float* y, std::size_t n) {
  zip_in_place(x, y, n, [](float_vec a, float_vec b) NIBBLE_ATTR { return hn::Add(a, b); });
}
inline void add_scaled(float* x, const float* y, float factor, std::size_t n) {
  zip_in_place(x, y, n, [=](float_vec a, float_vec b) NIBBLE_ATTR { return hn::MulAdd(hn::Set(float_tag(), factor), b, a); });
}
inline void scale(float* x, float factor, std::size_t n) {
  zip_in_place(x, x, n, [=](float_vec a, float_vec) NIBBLE_ATTR { return hn::Mul(a, hn::Set(float_tag(), factor)); });
}
/// cap * tanh(x / cap).
HWY_INLINE float_vec capped(float_vec x, float cap) {
  const float_tag d;
  return hn::Mul(hn::Set(d, cap), tanh_of(hn::Div(x, hn::Set(d, cap))));
}
inline void softcap(float* x, float cap, std::size_t n) {
  zip_in_place(x, x, n, [=](float_vec a, float_vec) NIBBLE_ATTR { return capped(a, cap); });
}

/// Rotates pairs (x, y) of a head to (x cos - y sin, x sin + y cos).
/// @shape   head (2 * pairs), in place; cosines, sines (pairs)
inline void rope(float* head, const float* cosines, const float* sines, std::size_t pairs, rope_pairs order) {
  const float_tag d;
  std::size_t i = 0;
  for (; i + lanes <= pairs; i += lanes) {
    const auto c = hn::LoadU(d, cosines + i), s = hn::LoadU(d, sines + i);
    float_vec x, y;
    if (order == rope_pairs::halves) {
      x = hn::LoadU(d, head + i), y = hn::LoadU(d, head + pairs + i);
    } else {
      hn::LoadInterleaved2(d, head + 2 * i, x, y);
    }
    const auto a = hn::MulSub(x, c, hn::Mul(y, s)), b = hn::MulAdd(x, s, hn::Mul(y, c));
    if (order == rope_pairs::halves) {
      hn::StoreU(a, d, head + i), hn::StoreU(b, d, head + pairs + i);
    } else {
      hn::StoreInterleaved2(a, b, d, head + 2 * i);
    }
  }
  for (; i < pairs; ++i) {
    float& a = head[order == rope_pairs::halves ? i : 2 * i];
    float& b = head[order == rope_pairs::halves ? i + pairs : 2 * i + 1];
    const float x = a, y = b;
    a = fused(x, cosines[i], -(y * sines[i]));
    b = fused(x, sines[i], y * cosines[i]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
