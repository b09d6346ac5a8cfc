/// refused: whether a call reports a broken precondition.
#pragma once

#include "nibble/error.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
namespace nibble_test {

template <class F>
bool refused(F&& call) {
  try {
    call();
  } catch (const nibble::error& e) {
    return e.code() == nibble::errc::precondition;
  }
  return false;
}

}  // namespace nibble_test
#endif
