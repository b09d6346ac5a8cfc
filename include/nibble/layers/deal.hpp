/// deal_out: results that stand head by head in one row, each head several things in turn, to where each thing has its own.
#pragma once

#include <cstddef>
#include <cstring>

#include "nibble/layers/norm.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One of the things: `width` numbers of each head, which go to columns first, first + width, ... of `to`.
struct dealt_part {
  activations to;
  std::size_t first, width;
};

/// @shape   from (tokens, heads * sum of widths); each part's `to` (tokens, ...)
template <std::size_t N>
void deal_out(compute& c, activations from, std::size_t heads, const dealt_part (&parts)[N]) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, from, [&](std::size_t t) {
    const float* at = from.row(t);
    for (std::size_t h = 0; h < heads; ++h) {
      for (const dealt_part& p : parts) {
        std::memcpy(p.to.row(t) + p.first + h * p.width, at, p.width * sizeof(float));
        at += p.width;
      }
    }
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
