/// repetition: how often a part of a rule or an expression stands in a row, how deep its groups are, and how many parts it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "nibble/error.hpp"
#include "nibble/grammar/pattern.hpp"
#include "nibble/grammar/scanner.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct repetition {
  std::uint32_t least = 0, most = pattern::unlimited;
};

/// `*`, `+` or `?`; empty where something else stands.
inline std::optional<repetition> take_repetition_sign(scanner& in) noexcept {
  if (in.take('*')) return repetition{};
  if (in.take('+')) return repetition{1, pattern::unlimited};
  if (in.take('?')) return repetition{0, 1};
  return std::nullopt;
}

/// @param at    where the repetition is written
/// @errors      malformed: the least is more than the most; limit_exceeded: a number above `most_often`
inline result<patterns::id> repeated(patterns& all, patterns::id part, const repetition& r, const scanner& in, std::size_t at,
                                     std::uint32_t most_often) {
  if (r.least > r.most)
    return in.malformed(at, "a repetition of at least " + std::to_string(r.least) + " and at most " + std::to_string(r.most));
  const std::uint32_t largest = r.most == pattern::unlimited ? r.least : r.most;
  if (largest > most_often) {
    return in.malformed(at, "a repetition of " + std::to_string(largest) + ": at most " + std::to_string(most_often),
                        errc::limit_exceeded);
  }
  return all.repeat(part, r.least, r.most);
}

/// @errors  limit_exceeded: a group within more than `most` others
inline result<void> check_nesting(std::uint32_t depth, std::uint32_t most, const scanner& in) {
  if (depth <= most) return {};
  return in.malformed(in.at(), "more than " + std::to_string(most) + " groups inside of each other", errc::limit_exceeded);
}

/// @errors  limit_exceeded: more than `most` parts
inline result<void> check_size(const patterns& all, std::uint32_t most, const scanner& in) {
  if (all.size() <= most) return {};
  return in.malformed(in.at(), "more than " + std::to_string(most) + " parts", errc::limit_exceeded);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
