/// Which parameters of a tool are texts as they stand: what writes a call and what reads it have to agree.
#pragma once

#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Whether all that a schema allows are texts, as it says itself: by type, enum, const, all of anyOf or oneOf, one of allOf, or
/// what it refers to. A format that writes each parameter on its own writes such a one without quotes, and all others as JSON,
/// strings included.
/// @param root  the schema of all parameters, in which references are looked up
/// @cost        bounded: a schema of more than 1000 parts is none
bool is_plain_text(const json& schema, const json& root);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
