/// number_texts: automatons of the JSON numbers within bounds, steps and lists of values, exact to any digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/grammar/automaton.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A number as its digits: no zeros in front of the whole ones (but "0" itself), none behind the others, no minus zero.
struct decimal {
  bool negative = false;
  std::string whole = "0", fraction = {};

  bool is_zero() const noexcept { return whole == "0" && fraction.empty(); }
  friend bool operator==(const decimal&, const decimal&) = default;
  friend bool operator<(const decimal& a, const decimal& b) {  // some order, not that of values
    return std::tie(a.negative, a.whole, a.fraction) < std::tie(b.negative, b.whole, b.fraction);
  }
};

/// The decimal of a JSON number; empty where an exponent is beyond 400.
std::optional<decimal> decimal_of(std::string_view number);

/// What a number must be, all of them.
struct number_demand {
  enum class kind : std::uint8_t { at_least, above, at_most, below, multiple, no_multiple, one_of, none_of };
  kind what;
  std::vector<decimal> values;
  friend bool operator==(const number_demand&, const number_demand&) = default;
  friend bool operator<(const number_demand& a, const number_demand& b) {
    return std::tie(a.what, a.values) < std::tie(b.what, b.values);
  }
};

/// Adds the automaton of the texts of all numbers that meet the demands. Exponents are read where there are none; whole numbers
/// may end in ".0".
/// @returns  its first state, without dead ends; none: there is no such number
/// @errors   limit_exceeded: a step or a list that takes too many states
result<std::uint32_t> add_numbers(const std::vector<number_demand>& demands, std::uint32_t most_states, automaton& out);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
