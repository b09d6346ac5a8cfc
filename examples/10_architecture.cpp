// Architectures of your own, with random weights in a file made in memory: they speak (nonsense) through a session like any
// other. A decoder whose layers have the usual shape is data; another shape is a forward pass of your own.
#include <iostream>
#include <nibble/nibble.hpp>
#include <string_view>
#include <vector>

#include "random_model.hpp"

// Attention and feed-forward read the same input, side by side: the usual decoder can do that, it must only be told.
struct parallel_block : nibble::arch::decoder<> {
  static constexpr std::string_view name = "parallel-block";  // general.architecture of its files
  using decoder::decoder;

  static config read(nibble::hyperparameters& h) {
    config c = config::read(h);  // the usual sizes, with their bounds
    c.parallel = true;
    return c;
  }
};

// One attention layer between two embeddings, written with the library's layers.
struct one_layer {
  static constexpr std::string_view name = "one-layer";
  using config = nibble::arch::decoder_config;
  static config read(nibble::hyperparameters& h) { return config::read(h); }

  config sizes;
  nibble::weight embedding;
  nibble::norm_weights norm;
  nibble::rope rope;
  nibble::arch::self_attention attention;

  one_layer(const config& c, nibble::tensor_source& t)
      : sizes(c),
        embedding(t.matrix("token_embd.weight", c.vocabulary, c.width)),
        norm{t.vector("output_norm.weight", c.width), {}, c.eps},
        rope(c.ropes[0]),
        attention(c, 0, t) {
    t.ignore("blk.");  // what else its layers have; without this word, a file with unread tensors is refused
  }

  std::vector<nibble::kv_shape> kv() const { return {attention.keeps()}; }

  void forward(nibble::step& s, nibble::activations logits) const noexcept {
    const auto x = s.scratch(sizes.width);
    const auto angles = rope.angles(s, s.positions());
    embed(s, embedding, s.ids(), x);
    const auto y = s.pick(s.wanted(), x);  // only the rows whose logits are wanted attend
    attention.forward(s, 0, {{&rope, 1}, {&angles, 1}}, normed(x, norm), s.wanted(), added_to(y));
    linear(s, normed(y, norm), {{embedding, logits}});
  }
};

using my_model = nibble::basic_any_model<nibble::append<nibble::architectures, parallel_block, one_layer>>;

int main() {
  for (std::string_view architecture : {parallel_block::name, one_layer::name}) {
    auto model = my_model::load(random_model(architecture));
    nibble::session session(model);
    std::cout << model.architecture_name() << ": ";
    for (auto& event : session.generate("hello", {.max_tokens = 48})) std::cout << event.text;
    std::cout << '\n';
  }
}
