/// draft_context: what a block behind the layers of a decoder borrows of it.
#pragma once

#include <span>

#include "nibble/kernels/weight.hpp"
#include "nibble/layers/rope.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

struct draft_context {
  const weight &embedding, &output;
  std::span<const rope> ropes;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
