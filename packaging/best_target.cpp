/// Prints the best target of this processor that the kernels can be compiled for.
#include "../include/nibble/kernels/target_macros.hpp"
// after the macros:
#include <cstdint>
#include <cstdio>

#include "hwy/targets.h"

int main() {
  const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  std::fputs(hwy::TargetName(targets & -targets), stdout);
}
