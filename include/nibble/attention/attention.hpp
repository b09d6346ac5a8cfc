/// Self-attention over what sequences keep: grouped queries, any mask, soft cap, sinks.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>

#include "nibble/core/portable_math.hpp"
#include "nibble/kv/sequence.hpp"
#include "nibble/layers/compute.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The shape of attention in one layer. Query head h reads key-value head h / (heads / kv_heads).
struct attention_spec {
  std::size_t heads = 0, kv_heads = 0, key_dim = 0, value_dim = 0;
  attention_mask mask = attention_mask::causal();
  float scale = 1;                     ///< of the scores, usually 1 / sqrt(key_dim)
  float softcap = 0;                   ///< scores = softcap * tanh(scores / softcap) where it is > 0
  std::span<const float> sinks = {};   ///< one logit a head in the softmax's denominator, or empty
  std::span<const float> slopes = {};  ///< ALiBi: one a head, of what is subtracted for each position between; or empty
};

/// The slope of one of some heads: 2^(-most (h + 1) / n) for the first n, a power of two; those left over take every second of
/// twice as many.
/// @source  Press et al. 2022, "ALiBi", and its authors' code
inline float alibi_slope(float most, std::size_t heads, std::size_t head) noexcept {
  const std::size_t n = std::bit_floor(heads);
  const double step = head < n ? double(head + 1) : double(2 * (head - n) + 1) / 2;
  return static_cast<float>(detail::portable_exp2(-double(most) * step / double(n)));
}

/// Tokens of a step that follow each other in one sequence.
struct token_run {
  std::size_t first, count;  ///< rows of activations
  std::size_t position;      ///< of the first
  std::size_t sequence;      ///< index among those of the step
};

/// Writes keys and values of a layer to where its sequences keep them. Where these are rotated, so are k and v, in place.
/// @shape   k, v (tokens, kv_heads * key_dim / value_dim)
/// @param   kv  kv(sequence): the layer in a run's sequence, asked from many threads
/// @errors  none (noexcept); precondition: the sequences have room for the runs' positions
template <class Layers>
void store_kv(compute& c, const attention_spec& spec, std::span<const token_run> runs, Layers&& kv, activations k,
              activations v) NIBBLE_NOEXCEPT;

/// Attends with queries of tokens whose keys and values are stored. They need not be all tokens of a step.
///
/// Where keys are rotated (Walsh-Hadamard), queries are too, in place, and their products are as before: (H q) (H k) = q k, for
/// H is orthogonal. Where values are, outputs are sums of H v, and rotated back. What changes is how well codes of 8 or 4 bits
/// tell heads apart whose numbers differ much in size: a rotation spreads each number over the head.
/// @shape   q, kept_queries, out (queries, heads * key_dim / value_dim); runs: which of their rows follow each other in a
/// sequence
/// @param   kept_queries  where the context slides and a token has forgotten something: the queries at the positions that these
/// have
///                without what is forgotten, which look at what is kept
/// @errors  none (noexcept); precondition: the runs' positions are stored; kept_queries is empty or has q's shape
/// @cost    reads each page once for all heads that share it
/// @source  Ashkboos et al. 2024, "QuaRot", section 4, of keys and values
template <class Layers>
void attend(compute& c, const attention_spec& spec, std::span<const token_run> runs, Layers&& kv, activations q,
            activations kept_queries, activations out) NIBBLE_NOEXCEPT;

namespace detail {
/// Rotates some heads that stand side by side, in blocks of the largest power of two that divides them.
inline void rotate_heads(const kernel_table& kernels, float* heads, std::size_t dim, std::size_t count) {
  const std::size_t block = dim & (~dim + 1);
  if (block > 1) kernels.hadamard(heads, block, count * (dim / block));
}

/// Whether the rows and positions of some runs exist. Where only sizes are asked for, nothing is stored yet.
template <class Layers>
bool runs_fit(const compute& c, std::span<const token_run> runs, Layers&& kv, std::size_t rows) {
  return c.measuring() || std::all_of(runs.begin(), runs.end(), [&](const token_run& run) {
           const std::size_t positions = kv(run.sequence).positions;
           return run.first <= rows && run.count <= rows - run.first && run.position <= positions &&
                  run.count <= positions - run.position;
         });
}
}  // namespace detail

template <class Layers>
void store_kv(compute& c, const attention_spec& spec, std::span<const token_run> runs, Layers&& kv, activations k,
              activations v) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(k.width == spec.kv_heads * spec.key_dim && v.width == spec.kv_heads * spec.value_dim);
  NIBBLE_ASSERT(detail::runs_fit(c, runs, kv, k.tokens));
  c.for_each_range(k.tokens, least_tokens(k.width), [&](std::size_t begin, std::size_t end) {
    for (const token_run& run : runs) {
      const kv_layer layer = kv(run.sequence);
      for (std::size_t t = std::max(begin, run.first); t < std::min(end, run.first + run.count); ++t) {
        const std::size_t position = run.position + (t - run.first), slot = position % page_positions;
        if (layer.rotated.keys) detail::rotate_heads(c.kernels(), k.row(t), spec.key_dim, spec.kv_heads);
        if (layer.rotated.values) detail::rotate_heads(c.kernels(), v.row(t), spec.value_dim, spec.kv_heads);
        for (std::size_t h = 0; h < spec.kv_heads; ++h) {
          std::byte* page = layer.page(h, position);
          c.kernels().store_key[layer.types.keys](k.row(t) + h * spec.key_dim, spec.key_dim, slot, page);
          c.kernels().store_value[layer.types.values](v.row(t) + h * spec.value_dim, spec.value_dim, slot,
                                                      page + layer.value_offset);
        }
      }
    }
  });
}

template <class Layers>
void attend(compute& c, const attention_spec& spec, std::span<const token_run> runs, Layers&& kv, activations q,
            activations kept_queries, activations out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(kept_queries.tokens == 0 || (kept_queries.tokens == q.tokens && kept_queries.stride == q.stride));
  NIBBLE_ASSERT(q.width == spec.heads * spec.key_dim && out.width == spec.heads * spec.value_dim);
  NIBBLE_ASSERT(detail::runs_fit(c, runs, kv, q.tokens));
  const std::size_t group = spec.heads / spec.kv_heads;
  // Query heads of one call: those of a key-value head, or some of them where threads would else have nothing to do.
  std::size_t heads = std::min(group, max_queries);
  if (const std::size_t calls = spec.kv_heads * std::max(runs.size(), q.tokens * heads / max_queries);
      calls < c.concurrency()) {
    heads = std::clamp<std::size_t>(group * calls / c.concurrency(), 1, heads);
  }
  const std::size_t parts = (group + heads - 1) / heads, tokens = max_queries / heads;  // of a group; query tokens of one call
  const auto calls_of = [&](const token_run& run) { return spec.kv_heads * parts * ((run.count + tokens - 1) / tokens); };
  std::size_t calls = 0;
  for (const token_run& run : runs) calls += calls_of(run);
  c.for_each(calls, [&](std::size_t i) {
    const token_run* run = runs.data();
    for (; i >= calls_of(*run); ++run) i -= calls_of(*run);
    const kv_layer layer = kv(run->sequence);
    const std::size_t h = i / parts % spec.kv_heads, block = i / (parts * spec.kv_heads);
    const std::size_t head = h * group + i % parts * heads, first = run->first + block * tokens;
    attention_args a{};
    a.query = q.row(first) + head * spec.key_dim, a.query_stride = q.stride;
    a.output = out.row(first) + head * spec.value_dim, a.output_stride = out.stride;
    a.tokens = std::min(tokens, run->count - block * tokens), a.heads = std::min(heads, (h + 1) * group - head);
    a.head_dim = spec.key_dim, a.value_dim = spec.value_dim;
    a.position = run->position + block * tokens - layer.dropped, a.positions = layer.positions - layer.dropped;
    a.mask = spec.mask;
    a.scale = spec.scale, a.softcap = spec.softcap;
    a.sinks = spec.sinks.empty() ? nullptr : spec.sinks.data() + head;
    a.slopes = spec.slopes.empty() ? nullptr : spec.slopes.data() + head;
    a.pages = layer.pages + h * layer.head_bytes, a.page_bytes = layer.page_bytes, a.value_offset = layer.value_offset;
    a.page_of = layer.page_of;
    a.origin = layer.origin - layer.dropped, a.value_format = layer.types.values;
    a.sliding = layer.sliding, a.kept_page_of = layer.kept_page_of;
    a.kept_query = kept_queries.tokens > 0 ? kept_queries.row(first) + head * spec.key_dim : a.query;
    const auto rotate = [&](activations x, std::size_t dim) {
      for (std::size_t t = first; t < first + a.tokens; ++t)
        detail::rotate_heads(c.kernels(), x.row(t) + head * dim, dim, a.heads);
    };
    if (layer.rotated.keys) rotate(q, spec.key_dim);
    if (layer.rotated.keys && kept_queries.tokens > 0) rotate(kept_queries, spec.key_dim);
    c.kernels().attention[layer.types.keys](a);
    if (layer.rotated.values) rotate(out, spec.value_dim);
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
