/// grammar_limits: how much a grammar, an expression or a schema may ask for before it is refused.
#pragma once

#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Far above what published grammars need; raise one where yours is larger.
struct grammar_limits {
  std::uint32_t nesting = 1'000;        ///< parentheses, or schemas, inside of each other
  std::uint32_t repetitions = 2'000;    ///< the largest number in the braces of a GBNF rule
  std::uint32_t states = 200'000;       ///< of the automatons that all rules and expressions become; an eighth for one
  std::uint32_t schema_nodes = 20'000;  ///< different sets of values that the parts of a schema describe
  std::uint32_t json_spaces = 80;       ///< spaces, tabs and ends of lines in a row between the parts of a JSON value
  std::uint32_t alternatives = 2'000;   ///< alternatives of one value, once its combinations are multiplied out
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
