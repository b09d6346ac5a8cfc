/// What a session on a model will take: its options with the defaults filled in, and the room of its largest step.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/kernels/table.hpp"
#include "nibble/kv/pool.hpp"
#include "nibble/model/check_slides.hpp"
#include "nibble/model/loaded_model.hpp"
#include "nibble/model/options.hpp"
#include "nibble/model/step.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Positions of a session.
inline std::size_t context_of(std::size_t most, const session_options& o) noexcept {
  return std::clamp<std::size_t>(o.context == 0 ? std::min<std::size_t>(most, 4096) : o.context, 1, most_positions);
}
/// What a sequence of a session can be cut back to, or one of an evaluator, where the options do not say.
inline session_options with_places_to_return(std::size_t most, session_options o, bool of_session) noexcept {
  o.marks = o.marks.value_or(of_session);
  o.prefix_cache = o.prefix_cache.value_or(false);
  o.state_interval = o.state_interval.value_or(of_session ? (context_of(most, o) + 3) / 4 : 0);
  return o;
}
/// The formats that options ask for, or kv_formats::size where there is no such one.
inline kv_types types_of(const session_options& o, tensor_type usual) noexcept {
  const tensor_type both = o.kv.value_or(usual);
  return {find_kv_format(o.keys.value_or(both)), find_kv_format(o.values.value_or(both))};
}
/// What is kept by what it receives. @param o  complete and checked
inline heavy_hitters hitters_of(const session_options& o) noexcept {
  if (!o.when_full.slides || !o.when_full.weighs) return {};
  const std::size_t half = o.context / 2 / page_positions * page_positions;
  return {o.context, o.when_full.recent > 0 ? o.when_full.recent : half};
}
/// What is forgotten of a text, of heavy hitters how much. @param o  complete and checked
inline sliding_context sliding_of(const session_options& o) noexcept {
  if (!o.when_full.slides) return {};
  if (o.when_full.weighs) return {o.context, 0, page_positions};
  const std::size_t recent = o.context - o.when_full.kept;
  return {o.context, o.when_full.kept, o.when_full.step > 0 ? o.when_full.step : std::max<std::size_t>(1, recent / 2)};
}
inline bool has_biased_keys(const loaded_model& m) {
  const auto layers = m.kv();
  return std::any_of(layers.begin(), layers.end(), [](const kv_shape& s) { return s.biased_keys; });
}
/// session_options for a model, with explicit defaults and within bounds.
inline session_options complete(const loaded_model& m, session_options o) {
  o.context = context_of(m.context, o);
  if (m.looks_ahead) o.prefill_chunk = o.output_rows = o.context;  // a text is one step
  o.prefill_chunk = std::clamp<std::size_t>(o.prefill_chunk, 1, o.context);
  if (o.speculation) o.output_rows = std::max(o.output_rows, o.speculation->guesses() + 1);
  o.keep_hidden = o.keep_hidden || (o.speculation && o.speculation->wants_hidden());
  o.output_rows = std::clamp<std::size_t>(o.output_rows, 1, o.prefill_chunk);
  if (!o.kv) o.kv = m.kv_type;
  if (!o.keys) o.keys = o.kv;
  if (!o.values) o.values = o.kv;
  if (!o.rotated_keys) o.rotated_keys = o.keys == tensor_type::q4_0 && !has_biased_keys(m);
  if (!o.rotated_values) o.rotated_values = o.values == tensor_type::q4_0;
  if (m.pooling.config().only_hidden) o.output = step_output::hidden;
  return o;
}

/// Forks that an evaluator may have. Several sequences are each other's: see batch_evaluator::fork.
inline std::size_t forks_of(const session_options& o, std::size_t sequences) noexcept {
  return sequences == 1 ? std::min(o.forks, most_sequences) : 0;
}
/// What the pool of an evaluator is made for. @param o  complete
inline kv_room room_of(const session_options& o, std::size_t sequences, bool one_step) {
  return {.types = types_of(o, *o.kv),
          .context = o.context,
          .prefill_chunk = o.prefill_chunk,
          .sequences = sequences + forks_of(o, sequences),
          .marks = *o.marks && !o.when_full.slides,
          .one_step = one_step,
          .state_interval = *o.state_interval,
          .page_bytes = o.kv_bytes,
          .large_pages = o.large_pages,
          .prefix_cache = *o.prefix_cache && !o.when_full.slides,
          .prefix_states = o.prefix_states,
          .sliding = sliding_of(o),
          .rotated = {*o.rotated_keys, *o.rotated_values},
          .hitters = hitters_of(o)};
}

/// Numbers of one row of a step's output.
inline std::size_t output_width(const loaded_model& m, step_output output) noexcept {
  return output == step_output::hidden ? m.width : m.vocabulary;
}

/// Bytes of scratch that a step of `tokens` tokens takes, of which `wanted` have outputs: a forward pass without memory.
/// @param   o  its context is complete where that slides
inline std::size_t measure_step(const loaded_model& m, std::size_t tokens, std::size_t wanted, const session_options& o) {
  scratch_arena arena;
  const std::vector<token> ids(tokens);
  const std::vector<std::uint32_t> positions(tokens), rows(wanted);
  step_input in{};
  in.ids = ids, in.positions = positions, in.wanted = {wanted, {}, rows}, in.output = o.output;
  in.hidden = {nullptr, tokens, m.width};
  in.sliding = sliding_of(o), in.forgets = in.sliding.slides() && in.sliding.kept > 0;
  in.hitters = hitters_of(o);
  inline_executor executor;
  step s(kernels(), executor, arena, in);
  const std::vector<float> all(std::max(tokens, wanted), 1);
  std::vector<active_adapter> active;
  for (const adapter_use& use : o.adapters) {
    active.push_back(use.adapter.active());
    active.back().of_tokens = std::span(all).first(tokens), active.back().of_wanted = std::span(all).first(wanted);
  }
  s.adapt(active);
  const activations out = s.compute::scratch(wanted, output_width(m, o.output));
  if (o.keep_hidden) in.keep = s.compute::scratch(wanted, m.width);
  m.forward(s, out);
  return arena.peak();
}

/// Bytes of scratch of the largest step of up to so many tokens and wanted rows. One that wants all of its rows does not copy
/// them, so one that wants all but one may take more.
inline std::size_t measure_scratch(const loaded_model& m, std::size_t tokens, std::size_t wanted, const session_options& o) {
  const auto measure = [&](std::size_t rows) { return measure_step(m, tokens, rows, o); };
  return wanted == tokens && tokens > 1 ? std::max(measure(tokens), measure(tokens - 1)) : measure(wanted);
}

/// Bytes of what a step_runner has beside its cache and scratch.
inline std::size_t step_bytes(const session_options& o, std::size_t sequences) noexcept {
  const std::size_t tokens = std::max(o.prefill_chunk, sequences), rows = std::max(o.output_rows, sequences);
  const std::size_t positions = o.when_full.slides && !o.when_full.weighs ? 2 : 1;
  std::size_t bytes = product_of_sizes(tokens, positions * sizeof(std::uint32_t) + sizeof(token));
  for (const std::size_t each : {sizeof(sequence), sizeof(sequence*), sizeof(token_run)})
    bytes = sum_of_sizes(bytes, product_of_sizes(sequences, each));
  for (const std::size_t each : {sizeof(token_run), sizeof(std::uint32_t)})
    bytes = sum_of_sizes(bytes, product_of_sizes(rows, each));
  const std::size_t scales = sum_of_sizes(sum_of_sizes(tokens, rows), sequences);
  const std::size_t adapter =
      sum_of_sizes(product_of_sizes(scales, sizeof(float)), sizeof(active_adapter) + sizeof(adapter_use));
  return sum_of_sizes(bytes, product_of_sizes(o.adapters.size(), adapter));
}
/// Bytes of what a session has beside its evaluator; defined with sessions.
std::size_t sampling_bytes(std::size_t vocabulary, std::size_t context) noexcept;
/// And what it has to guess, with all of its forks. @param o  complete
std::size_t guessing_bytes(const any_model& model, const session_options& o);

/// What a file of so many bytes may ask for, for each position or token; see limits.
inline std::uint64_t most_of(std::uint64_t limit, std::uint64_t stored, std::uint64_t least) noexcept {
  constexpr std::uint64_t most = 16u << 20;
  return limit > 0 ? limit : std::clamp<std::uint64_t>(stored / 16, least, most);
}

/// Whether a model's sessions take memory in proportion to its file.
/// @errors  limit_exceeded
inline result<void> check_proportion(const loaded_model& m, const kv_types& types) {
  constexpr std::size_t positions = page_positions, tokens = 16;
  const auto above = [&](std::string_view what, std::size_t bytes, std::uint64_t most, std::string_view limit) {
    return error(errc::limit_exceeded, std::string(what) + " ask for " + std::to_string(bytes) + " bytes, above the limit of " +
                                           std::to_string(most) + " for a file of " + std::to_string(m.stored_bytes) +
                                           " bytes of tensors (limits::" + std::string(limit) + ")");
  };
  const std::uint64_t most_kv = most_of(m.limits.kv_position_bytes, m.stored_bytes, 16u << 10);
  const std::size_t kv = kv_pool::planned_bytes(m.kv(), {types, positions, 1, 1}).pages / positions;
  if (kv > most_kv) {
    return above("block_count, attention.head_count_kv and attention.key_length: keys and values of a position", kv, most_kv,
                 "kv_position_bytes");
  }
  const std::uint64_t most_states =
      m.limits.state_bytes > 0 ? m.limits.state_bytes : std::max<std::uint64_t>(m.stored_bytes, 1u << 20);
  const std::size_t states = kv_pool::planned_bytes(m.kv(), {types, positions, 1, 1}).states / 2;  // before and behind a step
  if (states > most_states) return above("the sizes under ssm.: states of a sequence", states, most_states, "state_bytes");
  const std::uint64_t most_scratch = most_of(m.limits.scratch_token_bytes, m.stored_bytes, 64u << 10);
  const step_output output = m.usual_output();
  const std::size_t outputs = product_of_sizes(tokens, output_width(m, output), sizeof(float));
  const std::size_t scratch = (measure_step(m, tokens, tokens, {.output = output}) - outputs) / tokens;
  if (scratch > most_scratch) {
    return above("embedding_length, feed_forward_length, attention.head_count and expert_used_count: scratch of a token",
                 scratch, most_scratch, "scratch_token_bytes");
  }
  return {};
}

/// Whether what is planned stays below a cap; one of 0 is none.
/// @errors  out_of_memory
inline result<void> check_cap(std::string_view what, std::size_t bytes, std::size_t cap) {
  if (cap == 0 || bytes <= cap) return {};
  return error(errc::out_of_memory,
               std::string(what) + " take " + std::to_string(bytes) + " bytes, above the cap of " + std::to_string(cap));
}

/// Whether a session with these options can be made.
/// @errors  invalid_argument; limit_exceeded
inline result<void> check(const loaded_model& m, const session_options& o) {
  const auto invalid = [](std::string sentence) { return error(errc::invalid_argument, "session_options::" + sentence); };
  if (o.context > most_positions) {
    return invalid("context: expected at most " + std::to_string(most_positions) + ", found " + std::to_string(o.context));
  }
  if (m.ends_with_context && o.context > m.context) {
    return invalid("context: expected at most " + std::to_string(m.context) + ", for which the model has positions, found " +
                   std::to_string(o.context));
  }
  if (o.forks > most_sequences) {
    return invalid("forks: expected at most " + std::to_string(most_sequences) + ", found " + std::to_string(o.forks));
  }
  const kv_types types = types_of(o, m.kv_type);
  if (std::max(types.keys, types.values) >= kv_formats::size) {
    const bool keys = types.keys == kv_formats::size;
    return invalid((keys       ? o.keys ? "keys" : "kv"
                    : o.values ? "values"
                               : "kv") +
                   std::string(": expected f32, f16, bf16, q8_0 or q4_0"));
  }
  if (!kernels().attention[types.keys] || !kernels().store_value[types.values]) {
    return invalid("kv: found a format " + std::string(left_out));
  }
  if (o.output == step_output::hidden && !m.gives_hidden) {
    return invalid("output: " + std::string(m.architecture_name()) + " gives no hidden states");
  }
  if (o.output == step_output::logits && m.pooling.config().embeds()) {
    return invalid("output: this " + std::string(m.architecture_name()) +
                   " model makes embeddings or scores, not logits: see nibble::embedder");
  }
  if (o.output == step_output::draft && !m.gives_drafts) {
    return invalid("output: this file of " + std::string(m.architecture_name()) + " has no block that drafts");
  }
  if (o.keep_hidden && !m.gives_drafts) {
    return invalid("keep_hidden: this file of " + std::string(m.architecture_name()) + " has no block that drafts");
  }
  if (o.adapters.size() > most_adapters) {
    return invalid("adapters: expected at most " + std::to_string(most_adapters) + ", found " +
                   std::to_string(o.adapters.size()));
  }
  for (const adapter_use& use : o.adapters) {
    if (!use.adapter.is_of(m)) return invalid("adapters: one was loaded for another model");
    if (!std::isfinite(use.scale)) return invalid("adapters: expected a finite scale");
  }
  if (o.when_full.slides) NIBBLE_TRY(check_slides(m, o, context_of(m.context, o)));
  return check_proportion(m, types);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
