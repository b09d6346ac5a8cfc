/// Ranges that hold the same: std::ranges::equal, which not every standard library has.
#pragma once

#include <algorithm>

template <class A, class B>
bool equal(const A& a, const B& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}
