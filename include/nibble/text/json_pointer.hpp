/// JSON pointers, as the fragments of URIs write them: "/$defs/a~1b%20c".
#pragma once

#include <string>
#include <string_view>

#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Takes the first step off a pointer that begins with '/'. @returns its key, unescaped
/// @source  RFC 6901, sections 4 and 6
std::string take_pointer_step(std::string_view& pointer);
/// The step to a key: '/' and the key, escaped.
/// @source  RFC 6901, section 3
std::string pointer_step(std::string_view key);
/// The member or item of a key, or null.
const json* pointed_at(const json& at, std::string_view key);
/// The part of a document that a reference within it names, such as "#/$defs/a", or null.
const json* referred_to(const json& root, std::string_view reference);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
