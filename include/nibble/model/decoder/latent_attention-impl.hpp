/// Definitions of model/decoder/latent_attention.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <cmath>
#include <string>

#include "nibble/model/decoder/latent_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

latent_attention::latent_attention(const decoder_config& c, std::size_t layer, tensor_source& t) : shape_(c.latent) {
  const layer_config& l = c.layer[layer];
  const std::string at = layer_prefix(layer);
  if (l.rope >= c.ropes.size() || c.ropes[l.rope].dimensions != shape_.rotated || shape_.latent == 0) {
    t.reject(at + "attn", "a latent row, and a rotary embedding of the rotated part of a head");
    return;
  }
  spec_.heads = l.heads, spec_.kv_heads = 1;
  spec_.key_dim = shape_.rotated + shape_.latent, spec_.value_dim = shape_.latent;
  spec_.mask = l.mask, spec_.scale = c.attention_scale;
  rope_ = l.rope, tempered_ = c.query_temperature > 0;
  const std::size_t queries = l.heads * (shape_.plain + shape_.rotated);
  if (shape_.query > 0) {
    q_a_ = t.matrix(at + "attn_q_a.weight", shape_.query, c.width);
    q_norm_ = {t.vector(at + "attn_q_a_norm.weight", shape_.query), {}, c.eps, c.norm};
    q_ = t.matrix(at + "attn_q_b.weight", queries, shape_.query);
  } else {
    q_ = t.matrix(at + "attn_q.weight", queries, c.width);
  }
  kv_a_ = t.matrix(at + "attn_kv_a_mqa.weight", spec_.key_dim, c.width);
  kv_norm_ = {t.vector(at + "attn_kv_a_norm.weight", shape_.latent), {}, c.eps, c.norm};
  take_head_matrices(at, t);
  o_ = t.matrix(at + "attn_output.weight", c.width, l.heads * shape_.values);
}

/// Two stacks, or in files of 2024 one matrix with the rows of each head's keys and values, of which those of keys are turned
/// round.
void latent_attention::take_head_matrices(const std::string& at, tensor_source& t) {
  const std::size_t heads = spec_.heads;
  if (const std::string both = at + "attn_kv_b.weight"; !shape_.absorbed) {
    k_ = t.turned_rows_of_each(both, heads, shape_.plain + shape_.values, shape_.latent, 0, shape_.plain);
    v_ = t.rows_of_each(both, heads, shape_.plain + shape_.values, shape_.latent, shape_.plain, shape_.values);
  } else {
    k_ = t.stack(at + "attn_k_b.weight", heads, shape_.latent, shape_.plain);
    v_ = t.stack(at + "attn_v_b.weight", heads, shape_.values, shape_.latent);
  }
}

namespace latent {
/// out_h = w_h in_h for each head, whose numbers stand among those of a row.
/// @shape   w (heads) x (rows, columns); in, out: head h begins at data + h * apart, its first `columns` or `rows` numbers
inline void multiply_by_head(compute& c, const weight& w, activations in, std::size_t in_apart, activations out,
                             std::size_t out_apart) NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  const std::size_t heads = w.matrices();
  const auto head_of = [](activations x, std::size_t h, std::size_t apart, std::size_t width) {
    if (x.data) x.data += h * apart;
    x.width = width;
    return x;
  };
  const auto of = [&](std::size_t h) {
    return product{w.matrix(h), head_of(in, h, in_apart, w.columns()), head_of(out, h, out_apart, w.rows())};
  };
  auto* memory = reinterpret_cast<product*>(c.scratch_memory().take(product_of_sizes(heads, sizeof(product))));
  if (c.measuring()) {
    for (std::size_t h = 0; h < heads; ++h)
      static_cast<void>(nibble::detail::operand_of(c, of(h).in.x, nibble::detail::input_formats(w)));
    return;
  }
  for (std::size_t h = 0; h < heads; ++h) std::construct_at(memory + h, of(h));
  linear(c, std::span<product>(memory, heads));
}
}  // namespace latent

void latent_attention::forward(step& s, std::size_t layer, const step_context& context, const layer_input& x,
                               const step_rows& rows, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const std::size_t latent = spec_.value_dim, plain = shape_.plain, each = plain + shape_.rotated;
  const activations queries = s.compute::scratch(rows.count, spec_.heads * spec_.key_dim), keys = s.scratch(spec_.key_dim),
                    values = s.scratch(latent), mixed = s.compute::scratch(rows.count, spec_.heads * latent);
  const activations kept_queries = s.forgets(spec_.mask) ? s.compute::scratch(rows.count, queries.width) : activations();
  const bool all = rows.count == s.tokens();
  {
    const auto watched = s.watch(operation::projection, layer);
    const scratch_scope inner(s);
    const activations joined = s.scratch(spec_.key_dim), q = s.compute::scratch(rows.count, spec_.heads * each);
    linear(s, x, {{kv_a_, joined}});
    split(s, joined, keys, values);
    query(s, all ? x : x.with(s.pick(rows, x.x)), q);
    activations latents = queries, turned = q;
    if (latents.data) latents.data += shape_.rotated, turned.data += plain;
    latent::multiply_by_head(s, k_, q, each, latents, spec_.key_dim);
    nibble::detail::for_each_token(s, queries, [&](std::size_t t) {
      for (std::size_t h = 0; h < spec_.heads; ++h) {
        std::memcpy(queries.row(t) + h * spec_.key_dim, turned.row(t) + h * each, shape_.rotated * sizeof(float));
      }
    });
    if (kept_queries.tokens > 0) copy(s, queries, kept_queries);
    context.ropes[rope_].rotate(s, keys, spec_.key_dim, context.angles[rope_]);
    const auto place = [&](activations heads, const rope_angles& by) {
      context.ropes[rope_].rotate(s, heads, spec_.key_dim, all ? by : by.of(rows.of_tokens));
      if (tempered_)
        scale_rows(s, heads, all ? context.query_scales : context.query_scales.subset(rows.of_tokens.data(), rows.count));
    };
    place(queries, context.angles[rope_]);
    if (kept_queries.tokens > 0) place(kept_queries, context.near_angles[rope_]);
    s.store_kv(layer, spec_, keys, values);
  }
  {
    const auto watched = s.watch(operation::attention, layer);
    s.attend(layer, spec_, rows, queries, mixed, kept_queries);
  }
  const auto watched = s.watch(operation::mixing, layer);
  const activations made = s.compute::scratch(rows.count, o_.columns());
  latent::multiply_by_head(s, v_, mixed, latent, made, v_.rows());
  linear(s, made, {{o_, out}});
}

/// Queries as the heads have them, (plain, rotated) each: of the input, or of a shorter row that is made of it.
void latent_attention::query(compute& c, const layer_input& x, activations queries) const NIBBLE_NOEXCEPT {
  if (q_a_.empty()) return linear(c, x, {{q_, queries}});
  const scratch_scope scope(c);
  const activations shorter = c.scratch(queries.tokens, q_a_.rows());
  linear(c, x, {{q_a_, shorter}});
  linear(c, normed(shorter, q_norm_), {{q_, queries}});
}

/// Rows of (latent, rotated) become keys of (rotated, normed latent) and values of (normed latent).
void latent_attention::split(compute& c, activations joined, activations keys, activations values) const NIBBLE_NOEXCEPT {
  const std::size_t latent = values.width;
  nibble::detail::for_each_token(c, joined, [&](std::size_t t) {
    nibble::detail::apply_norm(c.kernels(), kv_norm_, joined.row(t), latent, values.row(t));
    std::memcpy(keys.row(t), joined.row(t) + latent, shape_.rotated * sizeof(float));
    std::memcpy(keys.row(t) + shape_.rotated, values.row(t), latent * sizeof(float));
  });
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
