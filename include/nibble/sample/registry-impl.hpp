/// The definitions behind registry.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <string_view>

#include "nibble/sample/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

template result<any_sampler> try_parse_sampler<named_samplers>(std::string_view text);

}  // namespace NIBBLE_ABI
}  // namespace nibble
