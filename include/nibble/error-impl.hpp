/// The definitions behind error.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <string_view>
#include <utility>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

error error::in(std::string_view where) && {
  what_.insert(0, ": ").insert(0, where);
  return std::move(*this);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
