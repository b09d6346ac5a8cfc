/// What a description says and the decoder does, where no architecture of the registry says it.
#include "nibble/model/decoder/decoder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "model/toys.hpp"
#include "nibble/model/model.hpp"

using namespace nibble_test;

namespace {
/// Logits of the last layer's output as it is.
struct without_output_norm : arch::decoder<> {
  static constexpr std::string_view name = "without_output_norm";
  using decoder::decoder;
  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.output_norm = "";
    return c;
  }
};

/// Mixes nothing: values of the token itself. The example of CONTRIBUTING.md.
struct own_values {
  own_values(const arch::decoder_config& c, std::size_t layer, tensor_source& t)
      : v(t.matrix(arch::layer_prefix(layer) + "attn_v.weight", c.width, c.width)) {
    for (const char* name : {"attn_q.", "attn_k.", "attn_output."}) t.ignore(arch::layer_prefix(layer) + name);
  }
  kv_shape keeps() const noexcept { return {}; }
  void forward(step& s, std::size_t, const arch::step_context&, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT {
    linear(s, x.with(s.pick(rows, x.x)), {{v, out}});
  }
  weight v;
};
static_assert(arch::mixer_part<own_values> && arch::mixer_part<arch::self_attention>);
static_assert(arch::feed_forward_part<arch::gated_feed_forward> && !arch::mixer_part<arch::gated_feed_forward>);
struct valued : arch::decoder<type_list<own_values>> {
  static constexpr std::string_view name = "valued";
  using decoder::decoder;
  static config read(hyperparameters& h) { return config::read(h); }
};

/// Counts the rows that come out of each layer.
struct counts_rows : arch::around_layers {
  counts_rows(const arch::decoder_config&, tensor_source&) noexcept {}
  activations begin(step&, activations) const NIBBLE_NOEXCEPT override { return {}; }
  void end_layer(step& s, std::size_t i, const activations&, const step_rows& rows,
                 activations y) const NIBBLE_NOEXCEPT override {
    if (s.measuring()) return;
    CHECK(y.tokens == rows.count);
    counted[i] += rows.count;
  }
  static inline std::array<std::size_t, 3> counted;
};
/// The last layer reads keys and values of the one before it.
struct sharing_keys : arch::decoder<type_list<arch::self_attention>, type_list<arch::gated_feed_forward>, counts_rows> {
  static constexpr std::string_view name = "sharing_keys";
  using decoder::decoder;
  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.layer.back().keys_of = c.layers - 2;
    return c;
  }
};
}  // namespace

TEST_CASE("from the last layer on that keeps something, only wanted rows are computed, and none where none is wanted") {
  const auto m = model<sharing_keys>::load(file_of("sharing_keys"));
  REQUIRE(m.kv().size() == 2);
  auto e = evaluator_of(m, {.prefill_chunk = 10});
  counts_rows::counted = {};
  REQUIRE(e.feed(some_tokens(30)) == feed_outcome::done);
  CHECK(counts_rows::counted == std::array<std::size_t, 3>{1, 1, 0});
}

TEST_CASE("a decoder without a norm at its end gives the products of its last layer's output") {
  const auto m =
      model<without_output_norm>::load(file_of("without_output_norm", [](auto& parts) { parts.remove("output_norm.weight"); }));
  const auto ids = some_tokens(9);
  const auto logits = fresh(m, ids);
  auto e = evaluator_of(m, {.output = step_output::hidden});
  const auto hidden = row_after(e, ids);
  model_parts parts(golden("models/llama.gguf"));
  parts.recode(tensor_type::f32);
  const bool tied = std::none_of(parts.tensors.begin(), parts.tensors.end(), [](auto& t) { return t.name == "output.weight"; });
  const auto* table = reinterpret_cast<const float*>(parts.at(tied ? "token_embd.weight" : "output.weight").data.data());
  for (std::size_t id = 0; id < logits.size(); id += 37) {
    double sum = 0;
    for (std::size_t i = 0; i < hidden.size(); ++i) sum += double(table[id * hidden.size() + i]) * double(hidden[i]);
    CHECK(logits[id] == doctest::Approx(sum).epsilon(1e-3));
  }
}

TEST_CASE("a mixer of one's own is a class that says what it keeps and what it adds") {
  const auto file = file_of("valued", [](model_parts& parts) {
    for (auto& t : parts.tensors)
      if (t.name.ends_with("attn_v.weight")) t = parts.at(t.name.substr(0, 6) + "attn_q.weight"), t.name[11] = 'v';
    std::erase_if(parts.tensors, [](const auto& t) { return t.name.ends_with("attn_q.weight"); });
  });
  const auto logits = check_bits<model<valued>>(file);
  auto other = some_tokens(100);
  CHECK(fresh(model<valued>::load(file), other) == logits);
  other[0] += 1;
  CHECK(fresh(model<valued>::load(file), other) == logits);  // no token sees another
}
