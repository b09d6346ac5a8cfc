/// The tokens that a text which is longer than its context still sees: what samplers are shown of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/kv/sliding_context.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Positions that are forgotten when so many are processed.
inline std::size_t forgotten_behind(const sliding_context& s, std::size_t processed) noexcept {
  return processed > 0 ? s.forgotten(processed - 1) : 0;
}

/// Takes out of the tokens of a text what it has forgotten.
/// @param   gone  tokens that are out already
/// @returns how many are out then
inline std::size_t take_out_forgotten(std::vector<token>& tokens, std::size_t gone, const sliding_context& s,
                                      std::size_t processed) {
  const std::size_t forgotten = forgotten_behind(s, processed);
  if (forgotten <= gone) return gone;
  const auto first = tokens.begin() + std::ptrdiff_t(s.kept);
  tokens.erase(first, first + std::ptrdiff_t(forgotten - gone));
  return forgotten;
}

/// The same of a text that is processed and whose tokens stay: those, or where some are forgotten a copy of the others.
inline std::span<const token> in_sight(std::span<const token> tokens, const sliding_context& s, std::vector<token>& room) {
  const std::size_t forgotten = forgotten_behind(s, tokens.size());
  if (forgotten == 0) return tokens;
  const auto kept = tokens.first(s.kept), recent = tokens.subspan(s.kept + forgotten);
  room.assign(kept.begin(), kept.end());
  room.insert(room.end(), recent.begin(), recent.end());
  return room;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
