/// The definitions behind roofline.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "nibble/core/checked.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/model/roofline.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Bytes of a matrix in panels; 0 for a format that no kernel knows.
inline std::uint64_t panel_bytes(const tensor_info& t) noexcept {
  std::size_t group = 0;
  visit_format(t.type, [&]<class Q>(std::type_identity<Q>) { group = group_bytes<Q>(static_cast<std::size_t>(t.cols())); });
  return product_of_sizes(t.rows() / panel_rows + (t.rows() % panel_rows != 0), group);
}

/// Bytes of one position's keys and values in one layer.
inline std::uint64_t kv_position_bytes(const kv_shape& s, tensor_type format) noexcept {
  std::size_t page = 0;
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format>) {
    if (Format::type == format) page = product_of_sizes(s.heads, kv_page_bytes<Format>(s));
    return Format::type == format;
  });
  return page / page_positions;
}

}  // namespace detail

step_work work_of(const gguf_file& file, std::span<const kv_shape> kv, const step_shape& s) {
  step_work w{.tokens = s.tokens * s.sequences};
  const tensor_info* table = file.find("token_embd.weight");
  const tensor_info* own_output = file.find("output.weight");
  const tensor_info* output = own_output ? own_output : table;
  for (const tensor_info& t : file.tensors()) {
    const std::size_t tokens = &t == output ? s.logits : s.tokens;  // that are multiplied with it
    if (t.n_dims != 2 || tokens == 0 || (&t == table && table != output)) continue;
    w.weight_bytes += detail::panel_bytes(t);
    w.multiply_adds += t.rows() * t.cols() * tokens * s.sequences;
  }
  for (std::size_t layer = 0; layer < kv.size(); ++layer) {
    const std::size_t window = kv[layer].window > 0 ? kv[layer].window : s.depth + s.tokens;
    std::uint64_t pairs = 0;  // of a query and a position that it sees
    for (std::size_t t = 1; t <= s.tokens; ++t) pairs += std::min(s.depth + t, window);
    const std::string at = "blk." + std::to_string(layer) + ".";
    const tensor_info* q = file.find(at + "attn_q.weight");
    const tensor_info* o = file.find(at + "attn_output.weight");
    if (q && o) w.multiply_adds += pairs * (q->rows() + o->cols()) * s.sequences;  // q k, and the sum of values
    const std::size_t seen = std::min(s.depth + s.tokens, window + s.tokens - 1);
    w.kv_bytes += seen * detail::kv_position_bytes(kv[layer], s.kv) * s.sequences;
  }
  return w;
}

step_limit roofline(const step_work& work, const machine_speed& machine) noexcept {
  const double read = double(work.weight_bytes + work.kv_bytes) / machine.bytes_per_second;
  const double multiply = double(work.multiply_adds) / machine.multiply_adds_per_second;
  const double seconds = std::max(read, multiply);
  return {std::chrono::duration<double>(seconds), read >= multiply ? bound::memory : bound::compute,
          double(work.tokens) / seconds};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
