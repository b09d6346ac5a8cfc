/// top_k: only the most likely few.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Keeps the k best candidates, best first. 0, or more than there are: all stay.
struct top_k {
  std::size_t k = 40;

  static constexpr std::string_view name = "top_k";
  static result<top_k> from_text(std::string_view value) { return detail::parse_into<top_k, std::size_t>(value); }

  void operator()(candidates& c) const { c.keep_top(k); }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
