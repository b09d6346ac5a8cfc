/// bert and its kin: encoders whose norms stand behind the residuals.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Learned positions, biases and GELU (MiniLM, bge, e5); XLM-RoBERTa's files too.
/// @source  Devlin et al. 2019
struct bert : decoder<type_list<self_attention>, type_list<plain_feed_forward>> {
  static constexpr std::string_view name = "bert";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h, rope_pairs::halves, norm_kind::layer);
    c.see_both_ways(h);
    c.token_types = h.count_of_any_or("tokenizer.ggml.token_type_count", 1, 1, h.limits().vocabulary);
    c.learned_positions = c.biases = c.all_biases = true;
    for (layer_config& l : c.layer) l.rope = layer_config::no_rope;
    c.embedding_norm = "token_embd_norm", c.mixer_norm = c.feed_forward_norm = c.output_norm = "";
    c.mixer_sum_norm = "attn_output_norm", c.feed_forward_sum_norm = "layer_output_norm";
    c.gate = activation::gelu_tanh;
    return c;
  }
};

/// bert with rotary embeddings instead of learned positions.
/// @source  Sturua et al. 2024, "jina-embeddings-v3"
struct jina_bert_v3 : bert {
  static constexpr std::string_view name = "jina-bert-v3";
  using bert::bert;

  static config read(hyperparameters& h) {
    config c = bert::read(h);
    c.learned_positions = false;
    for (layer_config& l : c.layer) l.rope = 0;
    return c;
  }
};

/// bert with SwiGLU and without biases.
/// @source  Nussbaum et al. 2024, "Nomic Embed"
struct nomic_bert : decoder<> {
  static constexpr std::string_view name = "nomic-bert";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = jina_bert_v3::read(h);
    c.biases = c.all_biases = false;
    c.gate = activation::silu;
    return c;
  }
};

/// jina_bert_v3 with experts without gates in every second layer, or as often as the file says.
/// @source  Nussbaum and Duderstadt 2025, "Training Sparse Mixture Of Experts Text Embedding Models"
struct nomic_bert_moe : decoder<type_list<self_attention>, type_list<plain_feed_forward, expert_feed_forward>> {
  static constexpr std::string_view name = "nomic-bert-moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = jina_bert_v3::read(h);
    c.expert_gates = false;
    c.read_experts(h);
    const std::size_t period = h.count_or("moe_every_n_layers", 2, 2, h.limits().layers);
    for (std::size_t i = 0; i < c.layers; ++i) c.layer[i].feed_forward = i % period == 1 ? 1 : 0;
    return c;
  }
};

/// bert with GeGLU, and scores that fall with distance instead of positions. Gates and ups are two tensors, or in newer files
/// one; where there are only ups, it is bert's GELU. Its model for code norms queries and keys, and what attention gives twice.
/// @source  Guenther et al. 2023, "Jina Embeddings 2"
struct jina_bert_v2 : decoder<type_list<self_attention>, type_list<gated_feed_forward, plain_feed_forward>> {
  static constexpr std::string_view name = "jina-bert-v2";
  jina_bert_v2(config c, tensor_source& t) : decoder(as_it_is(c, t), t) {}

  static config read(hyperparameters& h) {
    config c = bert::read(h);
    c.learned_positions = false;
    c.alibi = h.positive_or("attention.max_alibi_bias", 8);
    c.head_norms = head_norm::whole, c.head_norms_optional = true;
    return c;
  }

 private:
  static const config& as_it_is(config& c, const tensor_source& t) {
    const bool has_gates = t.has("blk.0.ffn_gate.weight");
    const bool plain = !has_gates && t.rows_of("blk.0.ffn_up.weight") == c.layer[0].hidden;
    c.fused_gate = !has_gates;
    for (layer_config& l : c.layer) l.feed_forward = plain ? 1 : 0;
    if (!t.has("blk.0.attn_norm_2.weight")) return c;
    c.mixer_post_norm = c.mixer_sum_norm, c.mixer_sum_norm = "attn_norm_2", c.mixer_post_norm_of_sum = true;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
