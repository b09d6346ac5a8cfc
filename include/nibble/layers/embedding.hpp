/// embedding: rows of the token table as activations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/core/token.hpp"
#include "nibble/kernels/weight.hpp"
#include "nibble/layers/compute.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
template <class Id>
void decode_rows(compute& c, const weight& table, std::span<const Id> ids, activations out) NIBBLE_NOEXCEPT {
  for ([[maybe_unused]] const Id id : ids) NIBBLE_ASSERT(id >= 0 && static_cast<std::size_t>(id) < table.rows());
  c.for_each_range(ids.size(), least_tokens(out.width), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) table.decode_row(c.kernels(), static_cast<std::size_t>(ids[t]), out.row(t));
  });
}
}  // namespace detail

/// out(t) = row ids[t] of the table, decoded.
/// @shape   table (vocabulary, width), ids (tokens), out (tokens, width)
/// @errors  none (noexcept); precondition: 0 <= id < vocabulary
inline void embed(compute& c, const weight& table, std::span<const token> ids, activations out) NIBBLE_NOEXCEPT {
  detail::decode_rows(c, table, ids, out);
}
/// The same for learned positions: out(t) = row positions[t].
/// @shape   table (context, width), positions (tokens), out (tokens, width)
/// @errors  none (noexcept); precondition: position < context
inline void embed_positions(compute& c, const weight& table, std::span<const std::uint32_t> positions,
                            activations out) NIBBLE_NOEXCEPT {
  detail::decode_rows(c, table, positions, out);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
