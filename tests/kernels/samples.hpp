/// What the tests of matrix products share: random weights and inputs, and a walk through the registered formats.
#pragma once

#include <algorithm>
#include <array>
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

/// The codes of the least and of the largest level.
template <integer_format Q>
std::array<std::uint8_t, 2> extreme_codes() {
  std::array<std::uint8_t, 2> out{};
  for (unsigned code = 0; code < 1u << Q::code_bits; ++code) {
    const auto c = static_cast<std::uint8_t>(code);
    if (level_of<Q>(c) < level_of<Q>(out[0])) out[0] = c;
    if (level_of<Q>(c) > level_of<Q>(out[1])) out[1] = c;
  }
  return out;
}

/// Sets all codes of a weight to one.
template <integer_format Q>
void set_codes(const sample_weight<Q>& w, std::uint8_t code) {
  const std::vector<std::uint8_t> codes(32, code);
  for (std::size_t column = 0; column < w.columns; column += 32) {
    const std::size_t at = column % unit_columns<Q>;
    const panel_unit<Q, std::byte> unit(w.panels, w.columns, column - at);
    auto* granule = unit.codes + at / 32 * code_bytes(Q::code_bits);
    for (std::size_t row = 0; row < panel_rows; ++row) pack_codes<Q::code_bits>(codes.data(), row, granule);
  }
}

/// Inputs whose codes are all 127, or -127.
template <class Q>
std::vector<std::byte> largest_input(float sign, std::size_t columns, std::size_t tokens) {
  auto input = make_input<Q>(std::vector<float>(columns * tokens, sign), columns, tokens);
  using block = activation_of<Q>;
  const auto* blocks = reinterpret_cast<const block*>(input.data());
  for (std::size_t i = 0; i < tokens * columns / block::columns; ++i) {
    for (const std::int8_t code : blocks[i].code) REQUIRE(int(code) == int(127 * sign));
  }
  return input;
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
