// An architecture of your own: a decoder whose attention and feed-forward read the same norm, side by side. It is written with
// the library's layers, gets random weights in a file made in memory, and speaks (nonsense) through a session like any other.
#include <iostream>
#include <nibble/nibble.hpp>
#include <string_view>
#include <vector>

#include "random_model.hpp"

struct parallel_block {
  static constexpr std::string_view name = "parallel-block";  // general.architecture of its files
  using config = nibble::arch::decoder_config;                // the usual sizes, read with their bounds

  struct layer {
    std::span<const float> norm;
    nibble::arch::self_attention attention;
    nibble::arch::gated_feed_forward feed_forward;
  };
  config sizes;
  nibble::weight embedding;
  std::span<const float> output_norm;
  nibble::rope rope;
  std::vector<layer> layers;

  parallel_block(const config& c, nibble::tensor_source& t)
      : sizes(c),
        embedding(t.matrix("token_embd.weight", c.vocabulary, c.width)),
        output_norm(t.vector("output_norm.weight", c.width)),
        rope(c.head_dim, c.rope_base, c.rope_scale, nibble::rope_pairs::halves) {
    for (std::size_t i = 0; i < c.layers; ++i) {
      const auto at = nibble::arch::layer_prefix(i);
      layers.push_back({t.vector(at + "attn_norm.weight", c.width), {c, t, at}, {c, t, at}});
    }
  }
  std::vector<nibble::kv_shape> kv() const {
    return std::vector<nibble::kv_shape>(sizes.layers, {sizes.kv_heads, sizes.head_dim, sizes.head_dim});
  }
  void forward(nibble::step& s, nibble::activations logits) const noexcept {
    const auto x = s.scratch(sizes.width), h = s.scratch(sizes.width);
    const auto angles = rope.angles(s, s.positions());
    embed(s, embedding, s.ids(), x);
    for (std::size_t i = 0; i < layers.size() && !s.cancelled(); ++i) {
      rms_norm(s, x, layers[i].norm, sizes.eps, h);
      layers[i].attention.forward(s, i, rope, angles, sizes.eps, h, added_to(x));  // x += attention(h)
      layers[i].feed_forward.forward(s, nibble::glu::silu, h, added_to(x));        // x += feed_forward(h)
    }
    linear(s, normed(s.wanted(x), output_norm, sizes.eps), {{embedding, logits}});
  }
};
static_assert(nibble::architecture<parallel_block>);
using my_models = nibble::basic_any_model<nibble::append<nibble::architectures, parallel_block>>;

int main() {
  auto model = my_models::load(random_model(parallel_block::name));
  nibble::basic_session session(model);
  for (auto& event : session.generate("hello", {.max_tokens = 64})) std::cout << event.text;
  std::cout << '\n';
}
