/// How tests compare what is taken with what was planned.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>

#include "memory/heap.hpp"
#include "nibble/core/executor.hpp"
#include "nibble/model/any_model.hpp"

#if NIBBLE_TEST_COUNTS_HEAP
namespace nibble_test {
inline nibble::inline_executor same_thread;

inline nibble::load_options options_of(bool mapped = false, nibble::file_access access = nibble::file_access::mapped) {
  return {.executor = nibble::executor_ref(same_thread), .mapped = mapped, .access = access};
}

/// What is made by `make` takes `planned` bytes, and gives all of them back.
template <class Make>
void check_takes(std::size_t planned, Make&& make) {
  const std::size_t before = live_bytes;
  {
    const auto made = make();
    const std::size_t taken = live_bytes - before;
    CHECK(taken == planned);
  }
  const std::size_t left = live_bytes - before;
  CHECK(left == 0);
}
}  // namespace nibble_test
#endif
