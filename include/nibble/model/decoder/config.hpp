/// decoder_config: a decoder as data. An architecture reads its metadata into one of these, and decoder.hpp runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/attention/attention.hpp"
#include "nibble/core/heap_bytes.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/layers/experts.hpp"
#include "nibble/layers/norm.hpp"
#include "nibble/layers/rope.hpp"
#include "nibble/model/decoder/recurrent_config.hpp"
#include "nibble/model/hyperparameters.hpp"
#include "nibble/model/pooling.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// One kind of rotary embedding. A model has one, or one for each kind of layer.
struct rope_config : rope_spec {
  /// Frequencies are divided by rope_freqs.weight, or by rope_factors_short.weight and in sessions with a context above
  /// `trained` by rope_factors_long.weight, where the file has them.
  bool has_factors = false;
  std::size_t trained = 0;  ///< positions that the model was trained on before it was made to reach further
  /// Positions in pictures have several numbers, and each section of pairs turns by one of them. Those of text are alike.
  bool has_sections = false;

  /// The same without what makes it reach further.
  rope_config unscaled() const {
    rope_config r = *this;
    r.scale = r.magnitude = 1, r.yarn = {};
    return r;
  }
};

/// Which norms queries and keys have of their own (attn_q_norm, attn_k_norm), of the kind of all norms.
enum class head_norm : std::uint8_t {
  none,
  shared,  ///< head by head, with one gain for all
  own,     ///< head by head, each with a gain of its own
  whole    ///< all heads of a token together
};

/// What may differ from layer to layer.
struct layer_config {
  static constexpr std::size_t no_rope = SIZE_MAX, own_keys = SIZE_MAX;

  std::size_t mixer = 0, feed_forward = 0;  ///< which of the decoder's parts
  std::size_t heads = 0, kv_heads = 0, key_dim = 0, value_dim = 0;
  attention_mask mask = attention_mask::causal();
  std::size_t rope = 0;      ///< index in decoder_config::ropes, or no_rope
  bool mixer_normed = true;  ///< false: its mixer's input is not normed, even where others' are
  std::size_t hidden = 0;
  /// Experts a token, and numbers of one, where the layers of a decoder differ in them.
  std::optional<std::size_t> experts_used, expert_hidden;
  /// The layer before it whose keys and values it reads, instead of keeping some of its own; or own_keys.
  std::size_t keys_of = own_keys;

  bool sees_window() const noexcept { return mask.before != attention_mask::all; }
};

/// Sizes of multi-head latent attention (MLA).
struct latent_shape {
  std::size_t query = 0;               ///< rank of the row that queries are made of; 0: they are made of the input
  std::size_t latent = 0;              ///< rank of the row that keys and values are made of
  std::size_t plain = 0, rotated = 0;  ///< of a head's queries and keys: nope and rope dimensions
  std::size_t values = 0;              ///< of a head
  bool absorbed = false;               ///< matrices of keys stand as queries are multiplied by them
};

/// A decoder: embedding; layers of norm, mixer, residual, norm, feed-forward, residual; norm; output. Names are those of
/// tensors, without "blk.N." and ".weight", and literals; an empty one means that there is no such norm,
/// and one that ends with a dot stands without ".weight".
struct decoder_config {
  std::size_t layers = 0, width = 0, vocabulary = 0, context = 0;
  std::size_t drafts = 0;  ///< blocks behind the layers that draft tokens: no part of the pass
  std::vector<layer_config> layer;
  std::vector<rope_config> ropes;
  bool learned_positions = false;  ///< position_embd is added to the embeddings; there are no positions past the context

  /// Rows of token_types, the first of which is added to all embeddings. A file that states one may be without the tensor.
  std::size_t token_types = 0;

  norm_kind norm = norm_kind::rms;
  float eps = 0, post_eps = 0;  ///< of norms of branches' outputs; 0: that of all
  std::string_view embedding_norm, output_norm = "output_norm";
  std::string_view mixer_norm = "attn_norm", mixer_post_norm;  ///< of its input; of its output, before it is added
  std::string_view feed_forward_norm = "ffn_norm", feed_forward_post_norm;
  std::string_view mixer_sum_norm, feed_forward_sum_norm;  ///< behind the residual, of the sum
  static constexpr std::string_view unit_norm = "1";       ///< instead of a tensor's name: a norm without weights

  /// Mixer and feed-forward read the same input, side by side; without a norm of its own (feed_forward_norm is empty) the
  /// feed-forward shares that of the mixer. Branches are neither normed nor scaled then.
  bool parallel = false;
  bool biases = false;       ///< queries, keys and values must have biases; they may have where this is false
  bool all_biases = false;   ///< norms, what heads give and feed-forwards' last products must, too
  bool output_bias = false;  ///< logits must
  /// What a mixer gives is normed as a sum with its layer's input, to which the input is added once more:
  /// x + mixer_post_norm(x + mixer(x)).
  bool mixer_post_norm_of_sum = false;
  bool biases_optional = false;  ///< all layers may be without, as the first says
  head_norm head_norms = head_norm::none;
  bool head_norms_optional = false;  ///< all layers may be without, as the first says
  bool head_norms_behind_rope = false;
  bool value_norm = false;       ///< values are normed head by head, without weights
  bool keys_are_values = false;  ///< a layer that sees all positions may have no attn_v: its keys are its values, before norms
  /// A function of attn_gate, a product of the mixer's input, with which each head's outputs are multiplied before they are
  /// mixed: one gate for a head, or one for each of its numbers, as the tensor has rows.
  std::optional<activation> head_gates;
  bool gates_in_queries = false;  ///< attn_q: of each head its queries, and then a gate for each of its numbers
  bool sinks = false;             ///< attn_sinks: a logit for each head in the softmax's denominator alone

  float attention_scale = 0;  ///< of scores; 0: 1 / sqrt(key_dim)
  float attention_softcap = 0, output_softcap = 0;
  float alibi = 0;  ///< scores lose 2^-x a position of distance, with x up to this from head to head; 0: nothing
  /// Queries are multiplied by 1 + query_temperature * ln(1 + floor(position / temperature_positions)).
  float query_temperature = 0;
  std::size_t temperature_positions = 1;
  float embedding_scale = 1, residual_scale = 1, logit_scale = 1;  ///< factors; residual: of what is added to it
  activation gate = activation::silu;  ///< of feed-forwards: of the gate, or of the hidden numbers where there is none
  std::vector<xielu_numbers> xielu;    ///< instead, for each layer; or empty
  bool fused_gate = false;             ///< of feed-forwards: ffn_up holds the gate's rows, and then those of up
  router_spec router;                  ///< of experts
  std::size_t experts = 0, expert_hidden = 0;
  bool expert_gates = true;       ///< experts, and the shared one, are gated
  std::size_t expert_latent = 0;  ///< experts work on so many numbers, made of a token's; 0: on these
  bool expert_biases = false;     ///< routers and experts must have biases; they may have where this is false
  std::size_t shared_hidden = 0;  ///< of the shared expert, which all tokens use; 0: there is none
  bool shared_share = false;      ///< it is weighed by a sigmoid of its own
  latent_shape latent;            ///< of latent attention
  std::size_t input_dim = 0;      ///< of what each layer is given of its own; 0: nothing
  pooling_config pooling;
  recurrent_config recurrent;

  static constexpr std::size_t only_experts = static_cast<std::size_t>(-1);  ///< see read()
  /// What every decoder's metadata states, with layers that are all alike and rotate their heads, or the first numbers of each.
  /// @param least  0 where a layer may have no heads of keys and values, or no feed-forward: the architecture gives it others;
  ///               only_experts: no layer has a feed-forward but experts, and files need not say how wide it would be
  static decoder_config read(hyperparameters& h, rope_pairs order = rope_pairs::halves, norm_kind norm = norm_kind::rms,
                             std::size_t least = 1);
  /// The same for a model without attention, which has no heads and does not rotate.
  static decoder_config read_without_attention(hyperparameters& h);

  /// Takes the rotation from all layers.
  void rotate_nothing() noexcept;
  /// The numbers that a head has for one purpose: even, for pairs of them are rotated and quantized.
  static std::size_t read_head_dim(hyperparameters& h, std::string_view key, std::size_t fallback);
  /// Refuses heads of which only a part is rotated.
  void rotate_whole_heads(hyperparameters& h) const;
  /// A norm behind each branch, before it is added.
  void norm_branches() noexcept { mixer_post_norm = "post_attention_norm", feed_forward_post_norm = "post_ffw_norm"; }
  /// Reads how many experts there are, how many a token uses, how wide they are, how they are chosen and weighed, and how wide
  /// the shared one is. Where the file is silent, what `router` says holds.
  void read_experts(hyperparameters& h);
  /// The same where the file has experts, in every layer then: its feed_forward is 1.
  void read_experts_if_any(hyperparameters& h);
  /// The same, and which layers have experts: behind a number of dense ones, one of every so many; their feed_forward is 1.
  void read_experts_behind_dense(hyperparameters& h);
  /// Reads the sizes of latent attention; scores are scaled by them, and YaRN scales scores instead of cosines and sines.
  void read_latent(hyperparameters& h);
  /// Makes the last layers read the keys and values of others: those that see a window of the last such layer but one before
  /// them, the rest of the last. The layers before them end with one of each kind.
  /// @param   fallback  how many there are where the file is silent
  void read_shared_keys(hyperparameters& h, std::size_t fallback);
  /// Refuses layers without a feed-forward.
  void need_feed_forwards(hyperparameters& h) const;
  /// Reads how queries grow with their positions.
  void read_query_temperature(hyperparameters& h);
  /// Divides scores by sqrt(width / heads) instead of sqrt(key_dim).
  void scale_scores_by_width() noexcept;
  /// Bytes that it has allocated.
  std::size_t memory_bytes() const noexcept {
    using nibble::detail::heap_bytes;
    return sum_of_sizes(sum_of_sizes(heap_bytes(layer), heap_bytes(ropes)), heap_bytes(xielu));
  }
  /// Makes layers see a window of `window` positions, but one of each `period`: the last, or that at place `sees_all`. 0: none
  /// does.
  void set_windows(std::size_t window, std::size_t period, std::size_t sees_all = last_of_period);
  /// The same for the layers that are marked; layers beyond the marks have none.
  void set_windows(std::size_t window, const std::vector<bool>& marked);
  /// Gives the layers that see a window a rotary embedding of their own; and takes it from all others.
  void turn_windows_by(const rope_config& r);
  /// That rotary embedding as most files state it: a base, without what makes the others reach further.
  /// @param   dim  numbers of a head, of which the file may say how many are rotated; 0: as many as in the other layers
  rope_config read_window_rope(hyperparameters& h, std::size_t dim = 0) const;
  void turn_windows_alone() noexcept;
  /// Makes an encoder of it, which gives vectors and no logits: tokens see what is behind them, too, and layers with a window
  /// half of it on either side.
  void see_both_ways(hyperparameters& h);
  /// The same where the file says so (attention.causal is false), which those of any decoder may that was trained further for
  /// vectors. Called when an architecture has read what is its own, see `architecture`. Layers with windows are refused: how
  /// far they look ahead then is not stated.
  void complete(hyperparameters& h);
  /// Reads the window and which layers see it: a period, or a flag for each layer. The numbers hold where the file is silent.
  void read_windows(hyperparameters& h, std::size_t window, std::size_t period, std::size_t sees_all = last_of_period);
  static constexpr std::size_t last_of_period = static_cast<std::size_t>(-1);
};

namespace detail {
/// What no decoder can be made of, in a sentence, or null: it would end in memory that is not there.
const char* wrong_with(const decoder_config& c, std::size_t mixers, std::size_t feed_forwards, std::size_t most_ropes) noexcept;
}  // namespace detail

namespace detail {
/// The norm `name` of a decoder, see decoder_config; `at` stands before it. Without a name it is empty.
/// @param   eps  0: that of all norms
norm_weights norm_of(const decoder_config& c, tensor_source& t, const std::string& at, std::string_view name, float eps = 0);
/// A bias that a file must have where its architecture has all_biases.
inline std::span<const float> bias_of(const decoder_config& c, tensor_source& t, const std::string& name, std::size_t n) {
  return c.all_biases ? t.vector(name, n) : t.vector_or_none(name, n);
}
}  // namespace detail

/// "blk.3."
inline std::string layer_prefix(std::size_t layer) { return "blk." + std::to_string(layer) + "."; }

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
