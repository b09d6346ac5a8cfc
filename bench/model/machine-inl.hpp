/// Reads and products, with the instructions of the library's kernels and none of a kernel's other work.
///
/// `pin` tells the compiler that a register may have changed: what is computed from it is computed again, where it stands.
#if defined(BENCH_MACHINE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef BENCH_MACHINE_INL_HPP
#undef BENCH_MACHINE_INL_HPP
#else
#define BENCH_MACHINE_INL_HPP
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "hwy/highway.h"
#include "machine_loops.hpp"

#undef BENCH_SIMD
#if HWY_TARGET == HWY_SCALAR || (defined(HWY_EMU128) && HWY_TARGET == HWY_EMU128) || !defined(__GNUC__)
#define BENCH_SIMD 0
#undef NIBBLE_BEFORE_NAMESPACE
#undef NIBBLE_AFTER_NAMESPACE
#define NIBBLE_BEFORE_NAMESPACE HWY_BEFORE_NAMESPACE
#define NIBBLE_AFTER_NAMESPACE HWY_AFTER_NAMESPACE
#else
#define BENCH_SIMD 1
#include "nibble/kernels/ops-inl.hpp"
#endif

NIBBLE_BEFORE_NAMESPACE();
namespace bench {
namespace HWY_NAMESPACE {

inline constexpr const char* target_name =
    HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 ? "reference" : &HWY_STR(HWY_NAMESPACE)[2] /* N_AVX2 -> AVX2 */;

#if BENCH_SIMD
using namespace nibble::HWY_NAMESPACE;

template <class V>
HWY_INLINE void pin(V& v) {
#if HWY_ARCH_X86
  __asm__ volatile("" : "+v"(v.raw));
#else
  __asm__ volatile("" : "+w"(v.raw));
#endif
}

template <std::size_t N>
using sums = std::array<int_vec, N>;
template <std::size_t N>
HWY_INLINE std::int32_t total(const sums<N>& s) {
  int_vec all = s[0];
  NIBBLE_UNROLL for (std::size_t j = 1; j < N; ++j) all = hn::Add(all, s[j]);
  return hn::GetLane(hn::SumOfLanes(int_tag(), all));
}
inline constexpr std::size_t products = lanes * 4;  // of two registers of bytes

inline std::int32_t pairs(std::size_t steps) {
  sums<8> sum;
  sum.fill(hn::Zero(int_tag()));
  const byte_vec u = hn::Set(byte_tag(), 3);
  signed_byte_vec s = hn::Set(signed_byte_tag(), -2);
  const short_vec one = hn::Set(short_tag(), 1);
  for (std::size_t i = 0; i < steps; ++i) {
    NIBBLE_UNROLL for (std::size_t j = 0; j < 8; ++j) {
      pin(s);
      sum[j] = add_pairs(sum[j], mul_pairs(u, s), one);
      pin(sum[j]);
    }
  }
  return total(sum);
}

inline std::int32_t pairs_16bit(std::size_t steps) {
  sums<4> sum;
  sum.fill(hn::Zero(int_tag()));
  const byte_vec u = hn::Set(byte_tag(), 3);
  signed_byte_vec s = hn::Set(signed_byte_tag(), -2);
  const short_vec one = hn::Set(short_tag(), 1);
  for (std::size_t i = 0; i < steps; ++i) {
    std::array<short_vec, 4> narrow;
    NIBBLE_UNROLL for (std::size_t q = 0; q < 8; ++q) {
      NIBBLE_UNROLL for (std::size_t j = 0; j < 4; ++j) {
        pin(s);
        narrow[j] = q == 0 ? mul_pairs(u, s) : hn::Add(narrow[j], mul_pairs(u, s));
        pin(narrow[j]);
      }
    }
    NIBBLE_UNROLL for (std::size_t j = 0; j < 4; ++j) sum[j] = add_pairs(sum[j], narrow[j], one);
  }
  return total(sum);
}

inline std::int32_t pairs_16bit_broadcast(std::size_t steps) {
  sums<4> sum;
  sum.fill(hn::Zero(int_tag()));
  const byte_vec u[2] = {hn::Set(byte_tag(), 3), hn::Set(byte_tag(), 5)};
  const short_vec one = hn::Set(short_tag(), 1);
  std::array<std::int8_t, 64> codes;
  codes.fill(-2);
  const std::int8_t* from = codes.data();
  for (std::size_t i = 0; i < steps; ++i) {
    __asm__ volatile("" : "+r"(from) : : "memory");
    std::array<short_vec, 4> narrow;
    NIBBLE_UNROLL for (std::size_t q = 0; q < 8; ++q) {
      NIBBLE_UNROLL for (std::size_t t = 0; t < 2; ++t) {
        const signed_byte_vec s = broadcast_quad(from + (t * 8 + q) * 4);
        NIBBLE_UNROLL for (std::size_t r = 0; r < 2; ++r) {
          short_vec& n = narrow[t * 2 + r];
          n = q == 0 ? mul_pairs(u[r], s) : hn::Add(n, mul_pairs(u[r], s));
          pin(n);
        }
      }
    }
    NIBBLE_UNROLL for (std::size_t j = 0; j < 4; ++j) sum[j] = add_pairs(sum[j], narrow[j], one);
  }
  return total(sum);
}

#if NIBBLE_HAS_QUAD_DOT || NIBBLE_HAS_AVX_VNNI
inline std::int32_t quads(std::size_t steps) {
  constexpr std::size_t tokens = 6, rows = 2;
  sums<tokens * rows> sum;
  sum.fill(hn::Zero(int_tag()));
  byte_vec u[rows] = {hn::Set(byte_tag(), 3), hn::Set(byte_tag(), 5)};
  std::array<std::int8_t, tokens * 4> codes;
  codes.fill(-2);
  const std::int8_t* from = codes.data();
  for (std::size_t i = 0; i < steps; ++i) {
    __asm__ volatile("" : "+r"(from) : : "memory");
    NIBBLE_UNROLL for (std::size_t r = 0; r < rows; ++r) pin(u[r]);
    NIBBLE_UNROLL for (std::size_t t = 0; t < tokens; ++t) {
      const signed_byte_vec s = broadcast_quad(from + t * 4);
      NIBBLE_UNROLL for (std::size_t r = 0; r < rows; ++r) sum[t * rows + r] = add_quads<4>(sum[t * rows + r], u[r], s);
    }
  }
  return total(sum);
}
#endif

inline std::int32_t floats(std::size_t steps) {
  const float_tag d;
  constexpr std::size_t tokens = 6, rows = 2;
  float_vec sum[tokens][rows], w[rows] = {hn::Set(d, 0.5f), hn::Set(d, 0.25f)};
  NIBBLE_UNROLL for (auto& token : sum) { NIBBLE_UNROLL for (auto& s : token) s = hn::Zero(d); }
  std::array<float, tokens> x;
  x.fill(-2);
  const float* from = x.data();
  for (std::size_t i = 0; i < steps; ++i) {
    __asm__ volatile("" : "+r"(from) : : "memory");
    NIBBLE_UNROLL for (std::size_t r = 0; r < rows; ++r) pin(w[r]);
    NIBBLE_UNROLL for (std::size_t t = 0; t < tokens; ++t) {
      const auto s = hn::Set(d, from[t]);
      NIBBLE_UNROLL for (std::size_t r = 0; r < rows; ++r) sum[t][r] = hn::MulAdd(w[r], s, sum[t][r]);
    }
  }
  float_vec all = hn::Zero(d);
  NIBBLE_UNROLL for (auto& token : sum) { NIBBLE_UNROLL for (auto& s : token) all = hn::Add(all, s); }
  return static_cast<std::int32_t>(std::max(hn::GetLane(all), -1e9f));
}

template <std::size_t Streams>
HWY_INLINE std::uint64_t read_streams(const std::byte* data, std::size_t bytes) {
  const hn::Repartition<std::uint64_t, float_tag> d;
  constexpr std::size_t step = 4 * products;
  std::array<hn::Vec<decltype(d)>, 4> sum;
  sum.fill(hn::Zero(d));
  const std::size_t stride = bytes / Streams;
  for (std::size_t i = 0; i < stride; i += step) {
    NIBBLE_UNROLL for (std::size_t s = 0; s < Streams; ++s) {
      const auto* from = reinterpret_cast<const std::uint64_t*>(data + s * stride + i);
      NIBBLE_UNROLL for (std::size_t k = 0; k < 4; ++k) sum[k] = hn::Add(sum[k], hn::LoadU(d, from + k * products / 8));
    }
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))));
}
inline std::uint64_t read(const std::byte* data, std::size_t bytes, std::size_t streams) {
  return streams == 1 ? read_streams<1>(data, bytes) : read_streams<4>(data, bytes);
}

inline machine_loops loops([[maybe_unused]] std::string_view kernels) {
  machine_loops l{target_name,
                  &read,
                  {&pairs, 8 * products},
                  {&pairs_16bit, 4 * 8 * products},
                  {&pairs_16bit_broadcast, 4 * 8 * products},
                  {},
                  {&floats, 12 * lanes}};
#if NIBBLE_HAS_QUAD_DOT
  l.quads = {&quads, 12 * products};
#elif NIBBLE_HAS_AVX_VNNI
  if (kernels == "AVX_VNNI") l.target = "AVX_VNNI", l.quads = {&quads, 12 * products};
#endif
  return l;
}

#else  // what a compiler makes of plain loops

inline std::int32_t pairs(std::size_t steps) {
  std::array<std::int8_t, 1024> a, b;
  a.fill(3), b.fill(-2);
  std::uint32_t sum = 0;  // may wrap
  for (std::size_t i = 0; i < steps; ++i) {
    for (std::size_t k = 0; k < a.size(); ++k) sum += static_cast<std::uint32_t>(a[k] * b[k]);
    a[i % a.size()] = static_cast<std::int8_t>(sum & 63);  // the next round is another one
  }
  return static_cast<std::int32_t>(sum);
}
inline std::uint64_t read(const std::byte* data, std::size_t bytes, std::size_t) {
  std::uint64_t sum = 0, word;
  for (std::size_t i = 0; i < bytes; i += sizeof word) {
    std::memcpy(&word, data + i, sizeof word);
    sum += word;
  }
  return sum;
}
inline machine_loops loops(std::string_view) { return {target_name, &read, {&pairs, 1024}, {}, {}, {}, {}}; }
#endif

}  // namespace HWY_NAMESPACE
}  // namespace bench
NIBBLE_AFTER_NAMESPACE();
#endif
