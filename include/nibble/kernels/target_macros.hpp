/// The instruction sets that the kernels are compiled for, as Highway's macros: a part of kernels/compile.hpp, for files with a
/// dispatch of their own that shall have the same ones. Include it before any header of Highway.
///
/// NIBBLE_TARGETS, an expression such as HWY_AVX2 | HWY_SSE4, chooses; see config.hpp. By default it is all but what no
/// processor with SSE4 needs. What the flags of the file promise is there in any case: at the least scalar code, in which
/// kernels are those of kernels/reference.hpp.
#pragma once

// Scalable vectors cannot stand in the arrays that our register blocks are made of.
#ifndef HWY_DISABLED_TARGETS
#ifdef NIBBLE_TARGETS
#define HWY_DISABLED_TARGETS \
  (~((NIBBLE_TARGETS) | HWY_SCALAR | HWY_EMU128) | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#else  // the numbers, for which the oldest Highway has no names: SSE2; AVX10_2, AVX3_SPR and AVX3_ZEN4, of which kernels use
       // nothing
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | 1LL << 14 | 1LL << 3 | 1LL << 4 | 1LL << 6 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
#endif
#ifndef HWY_WANT_AVX3_DL  // newer x86 targets must be asked for
#define HWY_WANT_AVX3_DL 1
#endif

#include "hwy/detect_targets.h"

#ifdef NIBBLE_TARGETS
static_assert((NIBBLE_TARGETS) > 0, "NIBBLE_TARGETS: HWY_AVX3_DL | HWY_AVX3 | HWY_AVX2 | HWY_SSE4 | HWY_SSSE3, or HWY_NEON");
#endif
