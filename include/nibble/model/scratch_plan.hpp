/// What a session on a model will take: its options with the defaults filled in, and the scratch of its largest step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "nibble/kernels/table.hpp"
#include "nibble/model/loaded_model.hpp"
#include "nibble/model/options.hpp"
#include "nibble/model/step.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// session_options for a model, with explicit defaults and within bounds.
inline session_options complete(const loaded_model& m, session_options o) {
  if (o.context == 0) o.context = std::min<std::size_t>(m.context, 4096);
  o.context = std::min(o.context, most_positions);
  o.prefill_chunk = std::clamp<std::size_t>(o.prefill_chunk, 1, o.context);
  o.output_rows = std::clamp<std::size_t>(o.output_rows, 1, o.prefill_chunk);
  if (!o.kv) o.kv = m.kv_type;
  return o;
}

/// Numbers of one row of a step's output.
inline std::size_t output_width(const loaded_model& m, step_output output) noexcept {
  return output == step_output::logits ? m.vocabulary : m.width;
}

/// Bytes of scratch that a step of `tokens` tokens takes, of which `wanted` have outputs: a forward pass without memory.
inline std::size_t measure_scratch(const loaded_model& m, std::size_t tokens, std::size_t wanted, step_output output) {
  scratch_arena arena;
  const std::vector<token> ids(tokens);
  const std::vector<std::uint32_t> positions(tokens), rows(wanted);
  step_input in{};
  in.ids = ids, in.positions = positions, in.wanted = {wanted, {}, rows}, in.output = output;
  inline_executor executor;
  step s(kernels(), executor, arena, in);
  m.forward(s, s.compute::scratch(wanted, output_width(m, output)));
  return arena.peak();
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
