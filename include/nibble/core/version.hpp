/// version: which nibble this is, as a value.
#pragma once

#include <compare>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A release, by the rules of semantic versioning.
/// @example  static_assert(nibble::version >= nibble::version_number{0, 1, 0});
struct version_number {
  int major_part = 0, minor_part = 0, patch_part = 0;  // `major` and `minor` are macros of some C libraries
  friend constexpr auto operator<=>(const version_number&, const version_number&) noexcept = default;
};

/// The release of these headers.
inline constexpr version_number version{NIBBLE_VERSION_MAJOR, NIBBLE_VERSION_MINOR, NIBBLE_VERSION_PATCH};

#define NIBBLE_DETAIL_TEXT_(a, b, c) #a "." #b "." #c
#define NIBBLE_DETAIL_TEXT(a, b, c) NIBBLE_DETAIL_TEXT_(a, b, c)
/// The same as text: "0.1.0".
inline constexpr const char* version_text =
    NIBBLE_DETAIL_TEXT(NIBBLE_VERSION_MAJOR, NIBBLE_VERSION_MINOR, NIBBLE_VERSION_PATCH);

}  // namespace NIBBLE_ABI
}  // namespace nibble
