/// roofline: the least time that a step can take on a machine, from what it must read and what it must multiply.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "nibble/gguf/reader.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One forward pass: some tokens of each of some sequences.
struct step_shape {
  std::size_t tokens = 1;             ///< of each sequence
  std::size_t sequences = 1;          ///< that go through the weights together
  std::size_t depth = 0;              ///< positions in front of the tokens
  std::size_t logits = 1;             ///< tokens of each sequence whose logits are wanted: 0 inside of a prompt
  tensor_type kv = tensor_type::f16;  ///< f32, f16, bf16 or q8_0
};

/// What steps cost. A sum of them is what they cost one after the other.
struct step_work {
  std::uint64_t tokens = 0;         ///< of all sequences
  std::uint64_t weight_bytes = 0;   ///< of matrices, in the layout of the kernels
  std::uint64_t kv_bytes = 0;       ///< keys and values that the tokens see, each once a sequence
  std::uint64_t multiply_adds = 0;  ///< in matrices and in attention

  step_work& operator+=(const step_work& o) noexcept {
    tokens += o.tokens, weight_bytes += o.weight_bytes, kv_bytes += o.kv_bytes, multiply_adds += o.multiply_adds;
    return *this;
  }
};

/// What a machine reaches, measured: see bench/.
struct machine_speed {
  double bytes_per_second = 0, multiply_adds_per_second = 0;
};

enum class bound : std::uint8_t { memory, compute };
constexpr std::string_view name_of(bound b) noexcept { return b == bound::memory ? "memory" : "compute"; }

/// What no implementation can pass that reads weights and cache from memory in every step.
struct step_limit {
  std::chrono::duration<double> time;
  nibble::bound bound;  ///< what takes this time
  double tokens_per_second;
};

/// What a step costs, from the shapes of a model: every matrix is read once, but for a table of embeddings that is not the
/// output too. Vectors, activations and the looked-up rows of that table are too small to count.
/// @shape   kv: a layer each, as model.kv() gives them
/// @errors  none
/// @cost    O(tensors + layers * tokens)
/// @source  Williams et al. 2009, "Roofline"
/// @example  auto file = nibble::gguf_file::open("model.gguf");
///           auto work = nibble::work_of(file, model.kv(), {.depth = 4096});
///           auto limit = nibble::roofline(work, {.bytes_per_second = 30e9, .multiply_adds_per_second = 300e9});
///           show(limit.tokens_per_second, name_of(limit.bound));
inline step_work work_of(const gguf_file& file, std::span<const kv_shape> kv, const step_shape& s);

inline step_limit roofline(const step_work& work, const machine_speed& machine) noexcept {
  const double read = double(work.weight_bytes + work.kv_bytes) / machine.bytes_per_second;
  const double multiply = double(work.multiply_adds) / machine.multiply_adds_per_second;
  const double seconds = std::max(read, multiply);
  return {std::chrono::duration<double>(seconds), read >= multiply ? bound::memory : bound::compute,
          double(work.tokens) / seconds};
}

namespace detail {
/// Bytes of a matrix in panels; 0 for a format that no kernel knows.
inline std::uint64_t panel_bytes(const tensor_info& t) noexcept {
  std::size_t group = 0;
  visit_format(t.type, [&]<class Q>(std::type_identity<Q>) { group = group_bytes<Q>(static_cast<std::size_t>(t.cols())); });
  return (t.rows() + panel_rows - 1) / panel_rows * group;
}

/// Bytes of one position's keys and values in one layer.
inline std::uint64_t kv_position_bytes(const kv_shape& s, tensor_type format) noexcept {
  std::size_t page = 0;
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format>) {
    if (Format::type == format) page = s.heads * kv_page_bytes<Format>(s);
    return Format::type == format;
  });
  return page / page_positions;
}
}  // namespace detail

inline step_work work_of(const gguf_file& file, std::span<const kv_shape> kv, const step_shape& s) {
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

}  // namespace NIBBLE_ABI
}  // namespace nibble
