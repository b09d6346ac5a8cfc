/// The definitions behind logit_bias.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <string_view>

#include "nibble/sample/logit_bias.hpp"
#include "nibble/sample/parameters-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<logit_bias> logit_bias::from_text(std::string_view value) {
  logit_bias made;
  const auto read = [&made](std::string_view key, std::string_view number) -> result<void> {
    auto& [id, bias] = made.biases.emplace_back();
    NIBBLE_TRY(detail::parse_number(key, id));
    return detail::parse_number(number, bias);
  };
  NIBBLE_TRY(detail::for_each_pair(value, read));
  return made;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
