/// The definitions behind compute.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <exception>
#include <utility>

#include "nibble/layers/compute.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

#if NIBBLE_EXCEPTIONS

/// After a failure indices are run again, for what they leave must hold together: sizes and places, not values.
void compute::run(std::size_t n, const executor_task& f) noexcept {
  try {
    if (!failed()) return executor_.run(n, f);
  } catch (...) {
    failure_ = std::current_exception();
  }
  for (std::size_t i = 0; i < n; ++i) {
    try {
      f(i);
    } catch (...) {  // a task's own, of which one is kept already
    }
  }
}

void compute::rethrow() {
  if (failed()) std::rethrow_exception(std::exchange(failure_, nullptr));
}

#else

void compute::run(std::size_t n, const executor_task& f) noexcept { executor_.run(n, f); }
void compute::rethrow() {}

#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
