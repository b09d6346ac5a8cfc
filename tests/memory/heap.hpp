/// What a program has asked the C library for and not given back, where counting_malloc.hpp counts it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "support/sanitized.hpp"

#if defined(__GLIBC__) && !NIBBLE_TEST_SANITIZED  // a sanitizer brings a malloc of its own
#define NIBBLE_TEST_COUNTS_HEAP 1
#else
#define NIBBLE_TEST_COUNTS_HEAP 0
#endif

namespace nibble_test {
inline std::atomic<std::size_t> live_bytes{0}, most_live_bytes{0}, allocations{0};

/// Allocations that are granted before all others are refused; negative: none is.
inline std::atomic<long> until_refusal{-1};
/// Those of more bytes are refused.
inline std::atomic<std::size_t> largest_granted{PTRDIFF_MAX};
}  // namespace nibble_test
