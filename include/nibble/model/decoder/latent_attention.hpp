/// latent_attention: a mixer that keeps one short row a token for all heads, from which each head makes its keys and values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "nibble/layers/linear.hpp"
#include "nibble/layers/norm.hpp"
#include "nibble/layers/rope.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/step_context.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Head h's key is its matrix K_h times the latent row, and a rotated part that all heads share; its value is V_h times the
/// latent row. Queries are multiplied by K_h and outputs by V_h instead, so that all heads read the same kept row: attention
/// with one head of keys, (rotated, latent), and values, (latent).
/// @source  DeepSeek-AI 2024, "DeepSeek-V2", section 2.1 and appendix C
class latent_attention {
 public:
  latent_attention(const decoder_config& c, std::size_t layer, tensor_source& t);

  kv_shape keeps() const noexcept { return {1, spec_.key_dim, spec_.value_dim}; }

  /// out = attention(x): what is kept of all tokens is stored; only `rows` attend.
  /// @shape   x (tokens, width); out (rows.count, width)
  template <class Step>
  void forward(Step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  void take_head_matrices(const std::string& at, tensor_source& t);
  void query(compute& c, const layer_input& x, activations queries) const NIBBLE_NOEXCEPT;
  void split(compute& c, activations joined, activations keys, activations values) const NIBBLE_NOEXCEPT;

  latent_shape shape_;
  weight q_a_, q_, kv_a_, k_, v_, o_;  ///< k (heads) x (latent, plain), v (heads) x (values, latent)
  norm_weights q_norm_, kv_norm_;
  attention_spec spec_;
  std::size_t rope_ = 0;
};

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

template <class Step>
void latent_attention::forward(Step& s, std::size_t layer, const step_context& context, const layer_input& x,
                               const step_rows& rows, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const std::size_t latent = spec_.value_dim, plain = shape_.plain, each = plain + shape_.rotated;
  const activations queries = s.compute::scratch(rows.count, spec_.heads * spec_.key_dim), keys = s.scratch(spec_.key_dim),
                    values = s.scratch(latent), mixed = s.compute::scratch(rows.count, spec_.heads * latent);
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
    const rope_angles& angles = context.angles[rope_];
    context.ropes[rope_].rotate(s, keys, spec_.key_dim, angles);
    context.ropes[rope_].rotate(s, queries, spec_.key_dim, all ? angles : angles.of(rows.of_tokens));
    s.store_kv(layer, spec_, keys, values);
  }
  {
    const auto watched = s.watch(operation::attention, layer);
    s.attend(layer, spec_, rows, queries, mixed);
  }
  const auto watched = s.watch(operation::mixing, layer);
  const activations made = s.compute::scratch(rows.count, o_.columns());
  latent::multiply_by_head(s, v_, mixed, latent, made, v_.rows());
  linear(s, made, {{o_, out}});
}

/// Queries as the heads have them, (plain, rotated) each: of the input, or of a shorter row that is made of it.
inline void latent_attention::query(compute& c, const layer_input& x, activations queries) const NIBBLE_NOEXCEPT {
  if (q_a_.empty()) return linear(c, x, {{q_, queries}});
  const scratch_scope scope(c);
  const activations shorter = c.scratch(queries.tokens, q_a_.rows());
  linear(c, x, {{q_a_, shorter}});
  linear(c, normed(shorter, q_norm_), {{q_, queries}});
}

/// Rows of (latent, rotated) become keys of (rotated, normed latent) and values of (normed latent).
inline void latent_attention::split(compute& c, activations joined, activations keys,
                                    activations values) const NIBBLE_NOEXCEPT {
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
