/// Every macro a user may set, with its default and effect. Set them by flags of the compiler.
///
/// | macro                | default          | effect                                                             |
/// |----------------------|------------------|--------------------------------------------------------------------|
/// | NIBBLE_EXCEPTIONS    | what the compiler does | 0: no throwing twins; every failure is a result<T>           |
/// | NIBBLE_CHECKED       | 0                | 1: a broken precondition throws nibble::error(errc::precondition)  |
///
/// NIBBLE_CHECKED has one value in all files of a program, nibble's own compiled unit included (CMake: the option
/// NIBBLE_CHECKED); else the program does not link. NIBBLE_EXCEPTIONS may differ from file to file: a compiled unit with
/// exceptions serves files without; one without must not be given functions that throw.
///
/// Files with different -m flags share inline functions, those of the standard library as well as ours, and the linker keeps
/// one of each: give every file that includes nibble the flags of the oldest processor that the program shall run on. The
/// kernels are compiled for every instruction set whatever the flags, and chosen at run time.
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

// On a function that states a precondition: noexcept, but for what a broken one throws under NIBBLE_CHECKED.
#define NIBBLE_NOEXCEPT noexcept(!(NIBBLE_CHECKED && NIBBLE_EXCEPTIONS))

// Before a loop over the registers of an array, or the words of a block: g++ -O2 does not unroll them unasked.
#if defined(__clang__)
#define NIBBLE_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define NIBBLE_UNROLL _Pragma("GCC unroll 16")
#else
#define NIBBLE_UNROLL
#endif

#define NIBBLE_DETAIL_JOIN_(prefix, a, b, c, suffix) prefix##a##_##b##_##c##suffix
#define NIBBLE_DETAIL_JOIN(prefix, a, b, c, suffix) NIBBLE_DETAIL_JOIN_(prefix, a, b, c, suffix)
#define NIBBLE_DETAIL_VERSIONED(prefix, suffix) \
  NIBBLE_DETAIL_JOIN(prefix, NIBBLE_VERSION_MAJOR, NIBBLE_VERSION_MINOR, NIBBLE_VERSION_PATCH, suffix)

/// The inline namespace of everything in this library: `namespace nibble { inline namespace NIBBLE_ABI { ... } }`.
///
/// Files and a compiled library of different versions, or of which only one has NIBBLE_CHECKED, do not link: an undefined
/// symbol whose name holds the version tells which. Settings of exceptions and instruction sets may differ from file to file.
#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
#define NIBBLE_ABI NIBBLE_DETAIL_VERSIONED(v, _checked)
#else
#define NIBBLE_ABI NIBBLE_DETAIL_VERSIONED(v, )
#endif

/// The namespace of the kernel table, which is the same whatever is checked.
#define NIBBLE_KERNELS_ABI NIBBLE_DETAIL_VERSIONED(kernels_, )
