/// What the tests of matrix products share: random weights and inputs, and a walk through the registered formats.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/tables.hpp"
#include "nibble/core/aligned.hpp"
#include "nibble/kernels/reference_matmul.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble_test {
using namespace nibble;

/// A random weight in format Q, as a file holds it and as panels.
template <class Q>
struct sample_weight {
  std::size_t rows, columns;
  std::vector<typename Q::block> blocks;
  std::vector<std::byte> storage;
  std::byte* panels;
  std::size_t groups = (rows + panel_rows - 1) / panel_rows, bytes = group_bytes<Q>(columns);
  std::size_t row_bytes = stored_bytes<Q>(columns);

  sample_weight(std::size_t r, std::size_t c, unsigned seed) : rows(r), columns(c), blocks(r * c / Q::block_size) {
    constexpr std::size_t different = Q::block_size == 1 ? 65536 : 47;  // encoders take their time
    const auto values = gaussian(std::min(blocks.size(), different) * Q::block_size, seed, 0.1f);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i >= different) blocks[i] = blocks[i % different];
      if (i < different)
        Q::encode(std::span<const float, Q::block_size>(values.data() + i * Q::block_size, Q::block_size), {}, blocks[i]);
    }
    storage.resize(groups * bytes + cache_line);
    panels = storage.data() + (cache_line - reinterpret_cast<std::uintptr_t>(storage.data()) % cache_line) % cache_line;
    for (std::size_t g = 0; g < groups; ++g) {
      pack_group<Q>(stored() + g * panel_rows * row_bytes, std::min(panel_rows, rows - g * panel_rows), row_bytes, columns,
                    panels + g * bytes);
    }
  }
  /// The product of these inputs with all rows: out (tokens, rows).
  matmul_args product(const std::vector<std::byte>& input, std::size_t tokens, float* out) const {
    return {.last = groups,
            .input = input.data(),
            .input_stride = columns,
            .tokens = tokens,
            .output = out,
            .output_stride = rows,
            .rows = rows,
            .columns = columns,
            .groups = panels,
            .group_bytes = bytes};
  }
  const std::byte* stored() const { return reinterpret_cast<const std::byte*>(blocks.data()); }
};

/// Inputs of `tokens` tokens as the kernels of Q take them.
template <class Q>
std::vector<std::byte> make_input(const std::vector<float>& x, std::size_t columns, std::size_t tokens) {
  if constexpr (float_format<Q>) {
    std::vector<std::byte> out(x.size() * sizeof(float));
    std::memcpy(out.data(), x.data(), out.size());
    return out;
  } else {
    using block = activation_of<Q>;
    const std::size_t blocks = columns / block::columns;
    std::vector<std::byte> out(tokens * blocks * sizeof(block));
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto [first, step] = place_of(t, tokens, blocks);
      (super_block_format<Q> ? reference::quantize_super : reference::quantize)(x.data() + t * columns, columns,
                                                                                out.data() + first * sizeof(block), step);
    }
    return out;
  }
}

template <class F>
void for_each_format(F&& f) {
  any_type(quant_formats{}, [&]<class Q>(std::type_identity<Q> q) {
    INFO("format ", std::string(Q::name));
    f(q);
    return false;
  });
}

}  // namespace nibble_test
