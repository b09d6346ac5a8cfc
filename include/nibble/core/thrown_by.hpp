/// thrown_by: what a call threw, as a value.
#pragma once

#include <exception>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Calls f, which is a user's or takes memory. @returns what it threw, or nothing
template <class F>
std::exception_ptr thrown_by(F&& f) {
#if NIBBLE_EXCEPTIONS
  try {
    f();
  } catch (...) {
    return std::current_exception();
  }
#else
  f();
#endif
  return nullptr;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
