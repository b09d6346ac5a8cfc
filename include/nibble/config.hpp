/// Every macro a user may set, with its default and effect. Set them by flags of the compiler.
///
/// | macro             | default                | effect                                                               |
/// |-------------------|------------------------|----------------------------------------------------------------------|
/// | NIBBLE_EXCEPTIONS | what the compiler does | 0: no throwing twins; every failure but bad_alloc is a result<T>     |
/// | NIBBLE_CHECKED    | 0                      | 1: a broken precondition throws nibble::error(errc::precondition)    |
/// | NIBBLE_TARGETS    | all since SSE4         | the instruction sets that kernels/compile.hpp makes kernels for, in  |
/// |                   |                        | Highway's names: HWY_AVX2 \| HWY_AVX3_DL. Each takes seconds of the |
/// |                   |                        | compiler and a part of the program; a processor that has none of     |
/// |                   |                        | them runs scalar code. CMake: a list, -DNIBBLE_TARGETS="AVX2;SSE4"   |
/// | NIBBLE_FORMATS    | all in quant_formats   | the weight formats that it makes kernels for: q4_k, q6_k, q8_0. F32  |
/// |                   |                        | and F16 are always there. Loading a file with another one is an      |
/// |                   |                        | error, and so is asking for keys and values in one. CMake: a list    |
/// | NIBBLE_NO_AVX_VNNI | not defined           | no kernels for AVX-VNNI, whose instruction old assemblers lack:      |
/// |                   |                        | binutils before 2.36                                                 |
///
/// Of the single header there are two more: NIBBLE_IMPLEMENTATION, defined in the one file that compiles what is compiled once,
/// and NIBBLE_SINGLE_HEADER, its name, if that is not "nibble.hpp".
///
/// In which other flags the files of a program may differ, and still hand models and sessions to each other, says a table in
/// the README; -ffast-math and its parts are refused here.
#pragma once

#if !(__cplusplus >= 202002L || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L))
#error "nibble needs C++20: compile files that include it with -std=c++20, or /std:c++20"
#endif

#include <bit>
#include <cstddef>
#include <version>

#if defined(_M_FP_FAST) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "nibble needs NaN and infinities: compile files that include it without -ffast-math"
#elif defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "nibble's sums have one order: compile files that include it without the parts of -ffast-math that change results"
#endif

#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "nibble needs floats that are as precise as they say: compile for a 32-bit x86 with -msse2 -mfpmath=sse"
#endif

/// The release, by the rules of semantic versioning: see version.
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
/// Whether broken preconditions are reported: see the table above.
#define NIBBLE_CHECKED 0
#endif

/// On a function that states a precondition: noexcept, but for what a broken one throws under NIBBLE_CHECKED.
#define NIBBLE_NOEXCEPT noexcept(!(NIBBLE_CHECKED && NIBBLE_EXCEPTIONS))

// Before a loop over the registers of an array, or the words of a block: g++ -O2 does not unroll them unasked.
#if defined(__clang__)
#define NIBBLE_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define NIBBLE_UNROLL _Pragma("GCC unroll 16")
#else
#define NIBBLE_UNROLL
#endif

static_assert(sizeof(std::size_t) >= 4,
              "nibble needs a machine with addresses of 32 bits or more: models do not fit into fewer");
static_assert(std::endian::native == std::endian::little, "nibble needs a little-endian machine: model files are");

#define NIBBLE_DETAIL_JOIN_(prefix, a, b, c, checked, debug) prefix##a##_##b##_##c##checked##debug
#define NIBBLE_DETAIL_JOIN(prefix, a, b, c, checked, debug) NIBBLE_DETAIL_JOIN_(prefix, a, b, c, checked, debug)
#define NIBBLE_DETAIL_VERSIONED(prefix, checked, debug) \
  NIBBLE_DETAIL_JOIN(prefix, NIBBLE_VERSION_MAJOR, NIBBLE_VERSION_MINOR, NIBBLE_VERSION_PATCH, checked, debug)

// Containers that check themselves have another size.
#if defined(_GLIBCXX_DEBUG)
#define NIBBLE_DETAIL_DEBUG _debug
#else
#define NIBBLE_DETAIL_DEBUG
#endif

/// The inline namespace of everything in this library: `namespace nibble { inline namespace NIBBLE_ABI { ... } }`.
///
/// Its name holds the version and the settings that files must have in common, so files that differ do not link.
#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
#define NIBBLE_ABI NIBBLE_DETAIL_VERSIONED(v, _checked, NIBBLE_DETAIL_DEBUG)
#else
#define NIBBLE_ABI NIBBLE_DETAIL_VERSIONED(v, , NIBBLE_DETAIL_DEBUG)
#endif

/// The namespace of the kernel table, which is the same whatever is checked.
#define NIBBLE_KERNELS_ABI NIBBLE_DETAIL_VERSIONED(kernels_, , )
