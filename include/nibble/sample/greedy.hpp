/// greedy: the most likely token, always.
#pragma once

#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Keeps the best candidate: of equals, the one with the lowest id.
/// @cost  one pass over the logits
struct greedy {
  static constexpr std::string_view name = "greedy";
  static result<greedy> from_text(std::string_view value) {
    if (!value.empty()) return detail::unexpected_value("no value", value);
    return greedy{};
  }

  void operator()(candidates& c) const { c.keep_top(1); }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
