/// min_p: only tokens that are not much less likely than the most likely one.
#pragma once

#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Keeps candidates at least p times as likely as the best, in their order. 0 and less, or NaN: all stay. 1 and more: those as
/// likely as the best.
/// @source  Nguyen et al. 2024
struct min_p {
  float p = 0.05f;

  static constexpr std::string_view name = "min_p";
  static result<min_p> from_text(std::string_view value) { return detail::parse_into<min_p, float>(value); }

  void operator()(candidates& c) const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
