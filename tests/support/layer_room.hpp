/// layer_room: what a layer needs to be called: threads, scratch, two rows of numbers and a place for what comes out.
#pragma once

#include <cstddef>
#include <vector>

#include "nibble/core/executor.hpp"
#include "nibble/layers/compute.hpp"
#include "nibble/layers/operand.hpp"
#include "nibble/tensor/scratch.hpp"

namespace nibble_test {

struct layer_room {
  nibble::inline_executor executor;
  nibble::scratch_arena arena = *nibble::scratch_arena::try_create(1 << 16);
  nibble::compute c{nibble::kernels(), executor, arena};
  std::vector<float> numbers = std::vector<float>(64 * 64), out = std::vector<float>(4096);
  nibble::activations x{numbers.data(), 2, 64};
  nibble::activations y(std::size_t tokens, std::size_t width) { return {out.data(), tokens, width}; }
};

}  // namespace nibble_test
