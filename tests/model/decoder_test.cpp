/// What a description says and the decoder does, where no architecture of the registry says it.
#include "nibble/model/decoder/decoder.hpp"

#include <doctest/doctest.h>

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
}  // namespace

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
