/// token: the number of a piece of text in a model's vocabulary.
#pragma once

#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A token: its place in the vocabulary.
using token = std::int32_t;

/// What stands where there is none.
inline constexpr token no_token = -1;

}  // namespace NIBBLE_ABI
}  // namespace nibble
