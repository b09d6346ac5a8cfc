/// Kinds of characters of JSON.
#pragma once

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// @source  RFC 8259, section 2
inline bool is_json_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_json_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
