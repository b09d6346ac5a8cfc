/// Every macro a user may set, with its default and effect. Set them for the whole program, before the first include.
///
/// | macro                | default          | effect                                                             |
/// |----------------------|------------------|--------------------------------------------------------------------|
/// | NIBBLE_EXCEPTIONS    | what the compiler does | 0: no throwing twins; every failure is a result<T>           |
/// | NIBBLE_CHECKED       | 0                | 1: a broken precondition throws nibble::error(errc::precondition)  |
#pragma once

#include <version>

#define NIBBLE_VERSION_MAJOR 0
#define NIBBLE_VERSION_MINOR 1
#define NIBBLE_VERSION_PATCH 0

#ifndef NIBBLE_EXCEPTIONS
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define NIBBLE_EXCEPTIONS 1
#else
#define NIBBLE_EXCEPTIONS 0
#endif
#endif

#ifndef NIBBLE_CHECKED
#define NIBBLE_CHECKED 0
#endif

// Before a loop over the registers of an array, or the words of a block: g++ -O2 does not unroll them unasked.
#if defined(__clang__)
#define NIBBLE_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define NIBBLE_UNROLL _Pragma("GCC unroll 16")
#else
#define NIBBLE_UNROLL
#endif

// Inline functions of two translation units that were compiled with other instruction sets, or with other settings of the
// macros above, must not be merged by the linker: each combination is a namespace of its own. Only the kernel table, which is
// compiled once, lives outside of it.
#if defined(__AVX512F__)
#define NIBBLE_DETAIL_ISA _avx512
#elif defined(__AVX2__)
#define NIBBLE_DETAIL_ISA _avx2
#elif defined(__AVX__)
#define NIBBLE_DETAIL_ISA _avx
#elif defined(__SSE4_1__)
#define NIBBLE_DETAIL_ISA _sse4
#else
#define NIBBLE_DETAIL_ISA
#endif
#if NIBBLE_CHECKED
#define NIBBLE_DETAIL_CHECKS _checked
#else
#define NIBBLE_DETAIL_CHECKS
#endif
#if NIBBLE_EXCEPTIONS
#define NIBBLE_DETAIL_THROWS
#else
#define NIBBLE_DETAIL_THROWS _nothrow
#endif
#define NIBBLE_DETAIL_JOIN_(a, b, c, d) a##b##c##d
#define NIBBLE_DETAIL_JOIN(a, b, c, d) NIBBLE_DETAIL_JOIN_(a, b, c, d)

/// The inline namespace of everything in this library: `namespace nibble { inline namespace NIBBLE_ABI { ... } }`.
#define NIBBLE_ABI NIBBLE_DETAIL_JOIN(v0_1, NIBBLE_DETAIL_ISA, NIBBLE_DETAIL_CHECKS, NIBBLE_DETAIL_THROWS)
