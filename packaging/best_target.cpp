/// Prints the best target of this processor that the kernels can be compiled for.
#include "../include/nibble/kernels/target_macros.hpp"
// after the macros:
#include <cstdint>
#include <cstdio>

#include "hwy/targets.h"
#ifdef NIBBLE_HIGHWAY_IN_SOURCES
#if __has_include("hwy/abort.cc")
#include "hwy/abort.cc"
#endif
#include "hwy/targets.cc"
#endif

int main() {
  const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  std::fputs(hwy::TargetName(targets & -targets), stdout);
}
