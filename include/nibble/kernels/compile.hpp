/// Emits the SIMD kernels for every instruction set: a part of nibble/compile.hpp, alone for builds that compile the kernels
/// apart. Include it in exactly one translation unit of a program, before any header of the SIMD library, in a file that has no
/// foreach_target.h of its own; or link the CMake target nibble::kernels, which is such a file.
#pragma once

#if defined(HWY_HIGHWAY_INCLUDED) || defined(HIGHWAY_HWY_FOREACH_TARGET_H_) || defined(HWY_BASE_H_) || \
    defined(HIGHWAY_HWY_BASE_H_) || defined(HWY_TARGET_INCLUDE)
#error "include what compiles nibble's kernels before any Highway header, in a file without a foreach_target.h of its own"
#endif

#include "nibble/kernels/target_macros.hpp"
// whatever is compiled once comes first:
#include "nibble/kernels/compiled_formats.hpp"
#include "nibble/kernels/reference.hpp"
#include "nibble/quant/grids-impl.hpp"

#define HWY_TARGET_INCLUDE "nibble/kernels/all-inl.hpp"
#include "hwy/foreach_target.h"
// after foreach_target, which has defined the target:
#include "nibble/kernels/all-inl.hpp"

#include "hwy/targets.h"
#if HWY_ARCH_X86 && defined(__GNUC__)
#include <cpuid.h>
#elif HWY_ARCH_X86 && defined(_MSC_VER)
#include <intrin.h>
#endif

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {
/// A target that Highway has not: AVX2 with 8-bit dot products.
inline constexpr std::int64_t avx_vnni = 1LL << 60;

/// Whether this processor has AVX-VNNI: bit 4 of EAX of CPUID's leaf 7, subleaf 1.
inline bool has_avx_vnni() noexcept {
#ifdef NIBBLE_EMULATED_AVX_VNNI
  return true;
#elif HWY_ARCH_X86 && defined(__GNUC__)
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#elif HWY_ARCH_X86 && defined(_MSC_VER)
  int leaf[4];
  __cpuid(leaf, 0);
  if (leaf[0] < 7) return false;
  __cpuidex(leaf, 7, 1);
  return leaf[0] >> 4 & 1;
#else
  return false;
#endif
}

/// What this processor runs.
inline std::int64_t supported_targets() noexcept {
#if (HWY_TARGETS & ~HWY_ENABLED_BASELINE) == 0  // the flags of this file promise all that is compiled
  const std::int64_t targets = HWY_TARGETS;
  constexpr bool only_avx2 = false;
#else
  const std::int64_t targets = hwy::SupportedTargets() & ~avx_vnni;
  const bool only_avx2 = targets == HWY_AVX2;  // so Highway was told, as tests do: it never finds AVX2 alone
#endif
  return (targets & HWY_AVX2) && !only_avx2 && has_avx_vnni() ? targets | avx_vnni : targets;
}

struct compiled_target {
  std::int64_t bit;
  const kernel_table* table;  // null where the compiler lacks its instructions
};
/// What this translation unit holds, best first.
inline constexpr compiled_target compiled_targets[] = {
#if defined(HWY_AVX10_2) && (HWY_TARGETS & HWY_AVX10_2)
    {HWY_AVX10_2, &N_AVX10_2::table},
#endif
#if defined(HWY_AVX3_SPR) && (HWY_TARGETS & HWY_AVX3_SPR)
    {HWY_AVX3_SPR, &N_AVX3_SPR::table},
#endif
#if defined(HWY_AVX3_ZEN4) && (HWY_TARGETS & HWY_AVX3_ZEN4)
    {HWY_AVX3_ZEN4, &N_AVX3_ZEN4::table},
#endif
#if HWY_TARGETS & HWY_AVX3_DL
    {HWY_AVX3_DL, &N_AVX3_DL::table},
#endif
#if HWY_TARGETS & HWY_AVX3
    {HWY_AVX3, &N_AVX3::table},
#endif
#if HWY_TARGETS & HWY_AVX2
    {avx_vnni, N_AVX2::avx_vnni_table},
    {HWY_AVX2, &N_AVX2::table},
#endif
#if HWY_TARGETS & HWY_SSE4
    {HWY_SSE4, &N_SSE4::table},
#endif
#if HWY_TARGETS & HWY_SSSE3
    {HWY_SSSE3, &N_SSSE3::table},
#endif
#if defined(HWY_SSE2) && (HWY_TARGETS & HWY_SSE2)
    {HWY_SSE2, &N_SSE2::table},
#endif
#if defined(HWY_NEON_BF16) && (HWY_TARGETS & HWY_NEON_BF16)
    {HWY_NEON_BF16, &N_NEON_BF16::table},
#endif
#if HWY_TARGETS & HWY_NEON
    {HWY_NEON, &N_NEON::table},
#endif
#if defined(HWY_NEON_WITHOUT_AES) && (HWY_TARGETS & HWY_NEON_WITHOUT_AES)
    {HWY_NEON_WITHOUT_AES, &N_NEON_WITHOUT_AES::table},
#endif
#if HWY_TARGETS & HWY_WASM
    {HWY_WASM, &N_WASM::table},
#endif
    {0, &compiled_reference},
};
}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble

namespace nibble::NIBBLE_KERNELS_ABI {

const kernel_table* kernels_at(std::size_t index) noexcept {
  const std::int64_t supported = detail::supported_targets();
  for (const auto& target : detail::compiled_targets) {
    const bool runs = target.bit == 0 || (supported & target.bit) != 0;
    if (target.table && runs && index-- == 0) return target.table;
  }
  return nullptr;
}

const kernel_table& kernels() noexcept {
  static const kernel_table& best = *kernels_at(0);
  return best;
}

}  // namespace nibble::NIBBLE_KERNELS_ABI
