/// lower_of: letters in lower case, one for one.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nibble/text/fold_tables.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A letter in lower case; any other code point as it is.
constexpr char32_t lower_of(char32_t code) noexcept {
  if (code < 128) return code >= U'A' && code <= U'Z' ? code + 32 : code;
  const auto run =
      std::partition_point(lowercase_runs.begin(), lowercase_runs.end(), [&](const lowercase_run& r) { return r.last < code; });
  if (run == lowercase_runs.end() || code < run->first || (code - run->first) % run->step != 0) return code;
  return static_cast<char32_t>(static_cast<std::int64_t>(code) + run->delta);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
