/// family: what a plain pass must know of an architecture that its tensors do not tell.
#pragma once

#include <cstddef>
#include <vector>

namespace nibble_test {

/// How a token's experts are chosen and weighed.
struct plain_router {
  enum { softmax, sigmoid, softmax_of_used } by = softmax;
  bool renormalized = false;
  double scale = 1;
  std::size_t groups = 1, groups_used = 1;
  std::vector<std::size_t> used = {2};  // of each layer, or of all
};

/// What a family is, where its file states no more than it must. Which parts a layer has, its tensors say.
struct family {
  const char* name;
  bool layer_norm = false;                                // or RMS
  bool interleaved = false;                               // rotary pairs, or half-split
  bool rotates = true;                                    // or has learned positions, or none
  bool side_by_side = false;                              // attention and feed-forward, and not one behind the other
  const char *first = "attn_norm", *second = "ffn_norm";  // norms of the two; without a second, one for both, if side by side
  bool norms_behind = false;                              // of what the two give
  double behind_eps = double(1e-5f);                      // and its epsilon
  const char *first_sum = "", *second_sum = "";           // norms behind the residuals
  const char* first_inner_sum = "";                       // norm of a residual before that, which is added once more
  const char *embedding_norm = "", *last = "output_norm";
  enum { no_norm, each_head, each_head_rotated, all_heads } queries = no_norm;  // and keys
  enum { swiglu, swiglu_fused, geglu, geglu_fused, relu_squared, gelu, xielu, clamped } feed_forward = swiglu;
  double embedding = 1;                               // scale; 0: normed
  bool sinks = false, gates = false;                  // of heads
  enum { sigmoid, softplus } gate_by = sigmoid;       // of heads
  bool gates_in_queries = false;                      // each head's behind its queries
  int stands_still = 0;                               // every so many layers do not rotate; 1: none does
  std::size_t window = 0, period = 0, sees_all = 0;   // layers that see a window, but for one of so many: the one at that place
  bool both_ways = false;                             // tokens see what is behind them
  std::size_t rotated = 0;                            // numbers of a head; 0: all
  double base = 1e4, window_base = 0;                 // of rotations; of layers with windows, if it is another
  double yarn = 0, yarn_positions = 0;                // factor, and positions trained on
  double yarn_scores = 0;                             // latent attention: what its files state of YaRN, if anything
  double scale = 0, cap = 0, output_cap = 0;          // of scores: 0: 1 / sqrt(head), none; of logits
  double alibi = 0;                                   // the steepest slope is 2^-(this / heads)
  double temperature = 0, temperature_positions = 1;  // of queries
  double residual = 1, logits = 1;                    // scales
  std::size_t latent_rotated = 0;                     // of latent attention
  bool interleaved_keys = false;                      // delta net: head h has key h mod key heads
  plain_router router = {};
  std::size_t hitters = 0, recent = 0;  // positions that layers keep which see all, and those that are recent; 0: all
};

}  // namespace nibble_test
