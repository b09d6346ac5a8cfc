/// A host's own Highway code in the same program, in a file that includes nibble as well.
#include "nibble/nibble.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "user_dispatch.cpp"
#include <hwy/foreach_target.h>
// after foreach_target.h
#include <hwy/highway.h>

#include "unit.hpp"

HWY_BEFORE_NAMESPACE();
namespace user::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

float sum(const float* values, std::size_t count) {
  const hn::CappedTag<float, 4> d;
  auto total = hn::Zero(d);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) total = hn::Add(total, hn::LoadU(d, values + i));
  return hn::GetLane(hn::SumOfLanes(d, total));
}

}  // namespace user::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace user {
HWY_EXPORT(sum);
float total(const float* values, std::size_t count) { return HWY_DYNAMIC_DISPATCH(sum)(values, count); }
}  // namespace user

float user_sum() {
  const float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  return user::total(values, 8);
}
#endif
