/// What all kernels rest on: types of registers, operations that the SIMD library lacks in some version or for some target,
/// asking memory ahead, and sums over lanes.
#if defined(NIBBLE_KERNELS_OPS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_OPS_INL_HPP
#undef NIBBLE_KERNELS_OPS_INL_HPP
#else
#define NIBBLE_KERNELS_OPS_INL_HPP
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "nibble/core/half.hpp"

// Dot products of four 8-bit pairs in one instruction. On x86, better targets have smaller numbers; on Arm, the compiler may
// have been told of them, or Highway's target has them. WebAssembly has one of two 16-bit pairs, and nothing better for 8 bits.
#undef NIBBLE_HAS_QUAD_DOT
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define NIBBLE_HAS_QUAD_DOT 1
#elif HWY_ARCH_ARM_A64 && (defined(__ARM_FEATURE_DOTPROD) || (defined(HWY_NEON_BF16) && HWY_TARGET == HWY_NEON_BF16))
#define NIBBLE_HAS_QUAD_DOT 1
#elif HWY_TARGET == HWY_WASM
#define NIBBLE_HAS_QUAD_DOT 1
#else
#define NIBBLE_HAS_QUAD_DOT 0
#endif

// The same with 256 bits and without AVX-512, which some processors have that Highway knows as AVX2. It is written as one
// instruction of assembly: no flags but those of AVX2 are needed, only an assembler that knows it, as binutils 2.36 do.
#undef NIBBLE_HAS_AVX_VNNI
#if HWY_TARGET == HWY_AVX2 && !defined(NIBBLE_NO_AVX_VNNI) && \
    ((defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11))
#define NIBBLE_HAS_AVX_VNNI 1
#else
#define NIBBLE_HAS_AVX_VNNI 0
#endif

// AVX3_DL is AVX3 with these dot products: what multiplies no integers is taken from there. Highway compiles AVX3 first, unless
// the flags of the file promise it.
#undef NIBBLE_FOLLOWS_AVX3
#if HWY_TARGET == HWY_AVX3_DL && (HWY_TARGETS & HWY_AVX3) && HWY_STATIC_TARGET != HWY_AVX3
#define NIBBLE_FOLLOWS_AVX3 1
#else
#define NIBBLE_FOLLOWS_AVX3 0
#endif

// What HWY_BEFORE_NAMESPACE does (HWY_ATTR for lambdas), and more: Highway 1.0.3 names the wrong instruction set for 512-bit
// dot products.
#undef NIBBLE_BEFORE_NAMESPACE
#undef NIBBLE_AFTER_NAMESPACE
#undef NIBBLE_ATTR
#if NIBBLE_HAS_QUAD_DOT && HWY_ARCH_X86 && defined(HWY_TARGET_STR)
#define NIBBLE_BEFORE_NAMESPACE() HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni") static_assert(true, "")
#define NIBBLE_AFTER_NAMESPACE() HWY_POP_ATTRIBUTES static_assert(true, "")
#define NIBBLE_ATTR __attribute__((target(HWY_TARGET_STR ",avx512vnni")))
#else
#define NIBBLE_BEFORE_NAMESPACE HWY_BEFORE_NAMESPACE
#define NIBBLE_AFTER_NAMESPACE HWY_AFTER_NAMESPACE
#define NIBBLE_ATTR HWY_ATTR
#endif

// NIBBLE_UNROLL for loops over the registers that hold all sixteen rows. There are four where registers are narrow: unrolled,
// they would be half of all code, so on x86, where this is for old processors, they stay a loop.
#undef NIBBLE_UNROLL_ROWS
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
#define NIBBLE_UNROLL_ROWS
#else
#define NIBBLE_UNROLL_ROWS NIBBLE_UNROLL
#endif

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Registers of at most sixteen floats, whatever the target has. Lanes are rows of a group, positions of a page or dimensions
/// of a head.
using float_tag = hn::CappedTag<float, 16>;
using int_tag = hn::RebindToSigned<float_tag>;
using byte_tag = hn::Repartition<std::uint8_t, float_tag>;
using signed_byte_tag = hn::Repartition<std::int8_t, float_tag>;
using short_tag = hn::Repartition<std::int16_t, float_tag>;
using float_vec = hn::Vec<float_tag>;
using int_vec = hn::Vec<int_tag>;
using short_vec = hn::Vec<short_tag>;
using byte_vec = hn::Vec<byte_tag>;
using signed_byte_vec = hn::Vec<signed_byte_tag>;
inline constexpr std::size_t lanes = hn::MaxLanes(float_tag());

/// What integer products are made of: pairs of 8-bit products, added up in 16 bits, or four of them at once, in 32 bits.
enum class dot : unsigned char { pairs, quads };
/// By default: what the target has.
inline constexpr dot target_dot = NIBBLE_HAS_QUAD_DOT ? dot::quads : dot::pairs;

/// Four bytes in every 32-bit lane.
HWY_INLINE signed_byte_vec broadcast_quad(const std::int8_t* quad) {
  std::int32_t bits;
  std::memcpy(&bits, quad, sizeof bits);
  return hn::BitCast(signed_byte_tag(), hn::Set(int_tag(), bits));
}

/// 16-bit lane k = u[2k] * s[2k] + u[2k+1] * s[2k+1]; the caller keeps it below 2^15.
HWY_INLINE short_vec mul_pairs(byte_vec u, signed_byte_vec s) {
  [[maybe_unused]] const short_tag d;
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return short_vec{_mm_maddubs_epi16(u.raw, s.raw)};
#elif HWY_TARGET == HWY_AVX2
  return short_vec{_mm256_maddubs_epi16(u.raw, s.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return short_vec{_mm512_maddubs_epi16(u.raw, s.raw)};
#else
  const hn::RebindToUnsigned<short_tag> du;
  const auto u16 = hn::BitCast(du, u);
  const auto s16 = hn::BitCast(d, s);
  const auto even = hn::Mul(hn::BitCast(d, hn::And(u16, hn::Set(du, 0xFF))), hn::ShiftRight<8>(hn::ShiftLeft<8>(s16)));
  const auto odd = hn::Mul(hn::BitCast(d, hn::ShiftRight<8>(u16)), hn::ShiftRight<8>(s16));
  return hn::Add(even, odd);
#endif
}

/// Whether an instruction gives each byte of one register the signs of another's: then signed bytes are multiplied in pairs.
inline constexpr bool moves_signs = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3;
/// s where v > 0, -s where v < 0, 0 where v is 0; no s is -128. Defined where there is moves_signs.
HWY_INLINE signed_byte_vec with_signs(signed_byte_vec s, signed_byte_vec v) {
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return signed_byte_vec{_mm_sign_epi8(s.raw, v.raw)};
#elif HWY_TARGET == HWY_AVX2
  return signed_byte_vec{_mm256_sign_epi8(s.raw, v.raw)};
#else
  static_cast<void>(v);
  return s;
#endif
}

/// v, in this place among the instructions. g++ would compute all products of a chain of sums first, and run out of registers.
template <class V>
HWY_INLINE V in_order(V v) {
#if defined(__GNUC__) && !defined(__clang__) && HWY_ARCH_X86
  __asm__("" : "+v"(v.raw));
#endif
  return v;
}

/// i, of which the compiler knows nothing: g++ would load or store several numbers as one vector, and take it apart, or put it
/// together, one by one.
template <class T>
HWY_INLINE T alone(T i) {
#if defined(__GNUC__)
  __asm__("" : "+r"(i));
#endif
  return i;
}

/// Two 16-bit numbers in every 32-bit lane.
HWY_INLINE short_vec broadcast_pair(const std::int16_t* pair) {
  std::int32_t bits;
  std::memcpy(&bits, pair, sizeof bits);
  return hn::BitCast(short_tag(), hn::Set(int_tag(), bits));
}

/// sum + the two 16-bit products of each 32-bit lane.
HWY_INLINE int_vec add_pairs(int_vec sum, short_vec a, short_vec b) {
#if HWY_ARCH_X86 && NIBBLE_HAS_QUAD_DOT
  return int_vec{_mm512_dpwssd_epi32(sum.raw, a.raw, b.raw)};
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return hn::Add(sum, int_vec{_mm_madd_epi16(a.raw, b.raw)});
#elif HWY_TARGET == HWY_AVX2
  return hn::Add(sum, int_vec{_mm256_madd_epi16(a.raw, b.raw)});
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return hn::Add(sum, int_vec{_mm512_madd_epi16(a.raw, b.raw)});
#elif HWY_TARGET == HWY_WASM
  return hn::Add(sum, int_vec{wasm_i32x4_dot_i16x8(a.raw, b.raw)});
#else
  const int_tag d;
  const auto a32 = hn::BitCast(d, a), b32 = hn::BitCast(d, b);
  const auto even = hn::Mul(hn::ShiftRight<16>(hn::ShiftLeft<16>(a32)), hn::ShiftRight<16>(hn::ShiftLeft<16>(b32)));
  const auto odd = hn::Mul(hn::ShiftRight<16>(a32), hn::ShiftRight<16>(b32));
  return hn::Add(sum, hn::Add(even, odd));
#endif
}

/// What add_quads subtracts from unsigned bytes of so many bits. Arm multiplies signed bytes only, so bytes of 8 bits become
/// signed by subtracting 128.
template <unsigned Bits>
inline constexpr int quad_zero_point = NIBBLE_HAS_QUAD_DOT&& HWY_ARCH_ARM_A64&& Bits == 8 ? 128 : 0;
/// sum + the four products (u - quad_zero_point) * s of each 32-bit lane. Defined where there is dot::quads.
template <unsigned Bits>
HWY_INLINE int_vec add_quads(int_vec sum, byte_vec u, signed_byte_vec s) {
#if HWY_TARGET == HWY_WASM || \
    (NIBBLE_HAS_AVX_VNNI && defined(NIBBLE_EMULATED_AVX_VNNI))  // the latter by tests, where a CPU lacks it
  const auto u16 = hn::BitCast(short_tag(), u), s16 = hn::BitCast(short_tag(), s);
  const auto even = hn::And(u16, hn::Set(short_tag(), 255));
  const auto odd = hn::BitCast(short_tag(), hn::ShiftRight<8>(hn::BitCast(hn::RebindToUnsigned<short_tag>(), u)));
  return add_pairs(add_pairs(sum, even, hn::ShiftRight<8>(hn::ShiftLeft<8>(s16))), odd, hn::ShiftRight<8>(s16));
#elif NIBBLE_HAS_AVX_VNNI
  __asm__("%{vex%} vpdpbusd {%2, %1, %0|%0, %1, %2}" : "+x"(sum.raw) : "x"(u.raw), "x"(s.raw));
  return sum;
#elif NIBBLE_HAS_QUAD_DOT && HWY_ARCH_X86
  return int_vec{_mm512_dpbusd_epi32(sum.raw, u.raw, s.raw)};
#elif NIBBLE_HAS_QUAD_DOT
  const auto shifted = hn::Xor(u, hn::Set(byte_tag(), quad_zero_point<Bits>));  // - 128 is ^ 128
  return int_vec{vdotq_s32(sum.raw, hn::BitCast(signed_byte_tag(), shifted).raw, s.raw)};
#else
  static_assert(Bits == 0, "this target multiplies pairs");
  return sum;
#endif
}
/// The same for the four bytes s at `quad`.
template <unsigned Bits>
HWY_INLINE int_vec add_quads(int_vec sum, byte_vec u, const std::int8_t* quad) {
#if NIBBLE_HAS_QUAD_DOT && HWY_ARCH_X86 && defined(__GNUC__) && !defined(__clang__)
  // the instruction can broadcast its operand itself; g++ spends an instruction and a register on that
  using word [[gnu::may_alias]] = std::int32_t;
  auto raw = sum.raw;
  __asm__("{vpdpbusd %2%{1to16%}, %1, %0|vpdpbusd %0, %1, %2%{1to16%}}"
          : "+v"(raw)
          : "v"(u.raw), "m"(*reinterpret_cast<const word*>(quad)));
  return int_vec{raw};
#else
  return add_quads<Bits>(sum, u, broadcast_quad(quad));
#endif
}

/// n * 2^e as a float, where exponent = e * 2^23 is added to the bits of n. For n = 0 that gives 2^(e - 127) instead of 0.
HWY_INLINE float_vec scaled(int_vec n, std::int32_t exponent) {
  const auto bits = hn::BitCast(int_tag(), hn::ConvertTo(float_tag(), n));
  return hn::BitCast(float_tag(), hn::Add(bits, hn::Set(int_tag(), exponent)));
}

/// `lanes` numbers of a format, widened to float.
HWY_INLINE float_vec load(const float* p) { return hn::LoadU(float_tag(), p); }
HWY_INLINE float_vec load(const half* p) {
  const hn::Rebind<hwy::float16_t, float_tag> d16;
  const auto wide = hn::PromoteTo(float_tag(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
#if HWY_ARCH_ARM_A64 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2)
  return wide;
#else  // the portable conversion takes infinities and NaN for large numbers
  const hn::Rebind<std::uint16_t, float_tag> du16;
  const auto bits = hn::PromoteTo(int_tag(), hn::LoadU(du16, reinterpret_cast<const std::uint16_t*>(p)));
  const auto most = hn::Set(int_tag(), 0x7C00);
  const auto not_finite = hn::Eq(hn::And(bits, most), most);
  const auto exponent = hn::IfThenElseZero(not_finite, hn::Set(int_tag(), 0x7F800000));
  return hn::BitCast(float_tag(), hn::Or(hn::BitCast(int_tag(), wide), exponent));
#endif
}
HWY_INLINE float_vec load(const bhalf* p) {
  const hn::Rebind<std::uint16_t, float_tag> d16;
  const hn::RebindToUnsigned<float_tag> d32;
  const auto wide = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(p)));
  return hn::BitCast(float_tag(), hn::ShiftLeft<16>(wide));
}
HWY_INLINE float_vec load(const std::int8_t* p) {
  const hn::Rebind<std::int8_t, float_tag> d8;
  return hn::ConvertTo(float_tag(), hn::PromoteTo(int_tag(), hn::LoadU(d8, p)));
}

/// How far ahead of the reads memory is asked for more: about as far as a core reads while memory answers. Panels and tiles of
/// keys and values follow each other, so what lies ahead is what comes next.
inline constexpr std::size_t prefetch_bytes = 8192;
/// The cache that streams are asked into: those of a weight's codes, and those of floats. An AMD Zen 4 reads faster where it is
/// the second, but for codes with 512 bits; bench/README.md has the figures.
inline constexpr int stream_cache = HWY_ARCH_X86 && lanes < 16 ? 2 : 1, float_stream_cache = HWY_ARCH_X86 ? 2 : 1;

/// Asks memory for one of `parts` equal parts of some bytes, which need not exist. Cache 1: for bytes that few tokens read
/// once, and wait for. Cache 2: where the first cache is full of what is being read now; see also stream_cache.
template <int Cache>
HWY_INLINE void prefetch(const void* from, std::size_t bytes, std::size_t part = 0, std::size_t parts = 1) {
  const auto* p = static_cast<const char*>(from);
  const std::size_t lines = (bytes + 63) / 64, last = (part + 1) * lines / parts;
#if defined(__GNUC__) || defined(__clang__)
  for (std::size_t i = part * lines / parts; i < last; ++i) __builtin_prefetch(p + i * 64, 0, Cache == 1 ? 3 : 2);
#elif HWY_ARCH_X86
  for (std::size_t i = part * lines / parts; i < last; ++i) _mm_prefetch(p + i * 64, Cache == 1 ? _MM_HINT_T0 : _MM_HINT_T1);
#endif
}
/// The same for the bytes that begin prefetch_bytes further on.
template <int Cache>
HWY_INLINE void prefetch_ahead(const void* from, std::size_t bytes, std::size_t part = 0, std::size_t parts = 1) {
  prefetch<Cache>(static_cast<const char*>(from) + prefetch_bytes, bytes, part, parts);
}

/// The sum over all lanes, by halves: k and k + 8 first, then those 4, 2 and 1 apart.
template <class V>
HWY_INLINE float sum_by_halves(V v) {
  const hn::DFromV<V> d;
  if constexpr (hn::MaxLanes(d) > 4) {
    const hn::Half<decltype(d)> half;
    return sum_by_halves(hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    const auto pairs = hn::Add(v, hn::Shuffle1032(v));
    return hn::GetLane(hn::Add(pairs, hn::Shuffle2301(pairs)));
  }
}
/// Sixteen partial sums, whatever a register holds: number i of a row belongs to sum i % 16. They are added up in one order,
/// the same on every target; see reference::lane_sums.
struct lane_sums {
  static constexpr std::size_t vectors = 16 / lanes;
  float_vec part[vectors];

  HWY_INLINE lane_sums() { NIBBLE_UNROLL for (auto& p : part) p = hn::Zero(float_tag()); }
  HWY_INLINE float total() const {
    float_vec sum[vectors];
    NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) sum[v] = part[v];
    NIBBLE_UNROLL for (std::size_t step = vectors / 2; step > 0; step /= 2) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < step; ++v) sum[v] = hn::Add(sum[v], sum[v + step]);
    }
    return sum_by_halves(sum[0]);
  }
};
/// The sum over all lanes: wraps around where it does not fit, as codes of infinite activations do not.
HWY_INLINE std::int32_t sum_of(int_vec v) {
  if constexpr (lanes == 16) {  // of whole 512-bit registers, g++ 12 adds halves as vectors of int, which may not overflow
    const hn::Half<int_tag> d;
    return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::LowerHalf(d, v), hn::UpperHalf(d, v))));
  } else {
    return hn::GetLane(hn::SumOfLanes(int_tag(), v));
  }
}
/// The largest of all lanes.
HWY_INLINE float max_of(float_vec v) { return hn::GetLane(hn::MaxOfLanes(float_tag(), v)); }

/// The nearest whole numbers to some that fit. Of others it gives any: limiting them would cost four instructions.
HWY_INLINE int_vec nearest(float_vec v) {
#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return int_vec{_mm_cvtps_epi32(v.raw)};
#elif HWY_TARGET == HWY_AVX2
  return int_vec{_mm256_cvtps_epi32(v.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return int_vec{_mm512_cvtps_epi32(v.raw)};
#else
  return hn::NearestInt(v);
#endif
}

/// The largest absolute values of 32 numbers, lane by lane, as bits: these are in the order of the values, and those of a NaN
/// above all, which the instruction for the larger of two floats may lose.
HWY_INLINE int_vec peaks_of(const float* in) {
  const int_tag d;
  auto largest = hn::BitCast(d, hn::Abs(hn::LoadU(float_tag(), in)));
  NIBBLE_UNROLL for (std::size_t i = lanes; i < 32; i += lanes) {
    largest = hn::Max(largest, hn::BitCast(d, hn::Abs(hn::LoadU(float_tag(), in + i))));
  }
  return largest;
}
/// The largest of all lanes of peaks_of().
HWY_INLINE float largest_of(int_vec peaks) {
  const std::int32_t bits = hn::GetLane(hn::MaxOfLanes(int_tag(), peaks));
  float largest;
  std::memcpy(&largest, &bits, sizeof largest);
  return largest;
}
/// The largest absolute value of 32 numbers, as a NaN if there is one.
HWY_INLINE float peak_of(const float* in) { return largest_of(peaks_of(in)); }

/// The nearest number to v in [-limit, limit]; NaN stays NaN.
HWY_INLINE float_vec limited(float_vec v, float limit) {
  const auto most = hn::Set(float_tag(), limit), least = hn::Set(float_tag(), -limit);
  return hn::IfThenElse(hn::Gt(v, most), most, hn::IfThenElse(hn::Lt(v, least), least, v));
}
/// v, with one NaN for all: which of several NaNs an instruction passes on depends on how a compiler orders its operands.
HWY_INLINE float_vec with_one_nan(float_vec v) {
  const float_tag d;
  return hn::IfThenElse(hn::Eq(v, v), v, hn::BitCast(d, hn::Set(int_tag(), 0x7fc00000)));
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
