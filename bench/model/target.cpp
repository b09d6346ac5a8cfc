#include "target.hpp"

#include <cstdint>
#include <stdexcept>

#include "hwy/targets.h"
#include "provenance.hpp"

namespace bench {
namespace {

/// Whether Highway has a target of this name that this CPU runs, compiled or not.
bool runs_here(const std::string& name) {
  for (std::int64_t left = hwy::SupportedTargets(); left > 0; left &= left - 1) {
    if (same_name(name, hwy::TargetName(left & -left))) return true;
  }
  return false;
}

}  // namespace

// The library asks Highway what this CPU supports, once. So Highway is told to name a single target: the one whose kernels are
// then the best; or that one and all worse ones, for tables that are not Highway's targets. Highway's own dispatch, which
// measure_machine uses, follows.
void choose_target(const std::string& name) {
  if (name.empty()) return;
  if (!find_table(name) && runs_here(name)) {
    throw std::runtime_error("--target: this CPU runs " + name +
                             ", but this program was built without its kernels; -DNIBBLE_TARGETS=" + name + " builds them");
  }
  const nibble::kernel_table& wanted = table_of(name);
  for (int bit = 62; bit >= 0 && nibble::kernels_at(0) != &wanted; --bit) {
    hwy::SetSupportedTargetsForTest(std::int64_t{1} << bit);
    if (nibble::kernels_at(0) != &wanted) hwy::SetSupportedTargetsForTest(INT64_MAX << bit & INT64_MAX);
  }
  if (&nibble::kernels() != &wanted) throw std::runtime_error("--target: the kernels of " + name + " cannot be chosen alone");
}

}  // namespace bench
