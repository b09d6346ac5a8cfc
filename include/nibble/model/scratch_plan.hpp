/// What a session on a model will take: its options with the defaults filled in, and the scratch of its largest step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
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
  o.context = std::clamp<std::size_t>(o.context, 1, most_positions);
  if (m.looks_ahead) o.prefill_chunk = o.output_rows = o.context;  // a text is one step
  o.prefill_chunk = std::clamp<std::size_t>(o.prefill_chunk, 1, o.context);
  o.output_rows = std::clamp<std::size_t>(o.output_rows, 1, o.prefill_chunk);
  if (!o.kv) o.kv = m.kv_type;
  return o;
}

/// Whether a session with these options can be made.
/// @errors  invalid_argument
inline result<void> check(const loaded_model& m, const session_options& o) {
  const auto invalid = [](std::string sentence) { return error(errc::invalid_argument, "session_options::" + sentence); };
  if (o.context > most_positions) {
    return invalid("context: expected at most " + std::to_string(most_positions) + ", found " + std::to_string(o.context));
  }
  if (find_kv_format(o.kv.value_or(m.kv_type)) == kv_formats::size) return invalid("kv: expected f32, f16, bf16 or q8_0");
  if (o.output == step_output::hidden && !m.gives_hidden) {
    return invalid("output: " + std::string(m.architecture_name()) + " gives no hidden states");
  }
  return {};
}

/// Numbers of one row of a step's output.
inline std::size_t output_width(const loaded_model& m, step_output output) noexcept {
  return output == step_output::logits ? m.vocabulary : m.width;
}

/// Bytes of scratch that a step of `tokens` tokens takes, of which `wanted` have outputs: a forward pass without memory.
inline std::size_t measure_step(const loaded_model& m, std::size_t tokens, std::size_t wanted, step_output output) {
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

/// Bytes of scratch of the largest step of up to so many tokens and wanted rows. One that wants all of its rows does not copy
/// them, so one that wants all but one may take more.
inline std::size_t measure_scratch(const loaded_model& m, std::size_t tokens, std::size_t wanted, step_output output) {
  const std::size_t all = measure_step(m, tokens, wanted, output);
  return wanted == tokens && tokens > 1 ? std::max(all, measure_step(m, tokens, tokens - 1, output)) : all;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
