/// Factors beside matrices, as files in NVFP4 have them: "x.scale" is one of "x.weight", or one for each matrix of a stack.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "model/smallest.hpp"
#include "nibble/model/embedder.hpp"
#include "nibble/quant/quantize_file.hpp"
#include "support/golden_models.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
using tensor = smallest_model::tensor;

// A router of gemma4 has a vector of that name, which is none.
bool is_scale(const tensor& t) {
  return t.name.ends_with(".scale") && (t.dims[0] < 32 || !t.name.ends_with("ffn_gate_inp.scale"));
}
std::span<float> numbers_of(tensor& t) { return {reinterpret_cast<float*>(t.data.data()), t.data.size() / sizeof(float)}; }
tensor& at(smallest_model& m, const std::string& name) {
  const auto found = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const tensor& t) { return t.name == name; });
  REQUIRE(found != m.tensors.end());
  return *found;
}
/// The same with each factor what `f` says for its index in the stack.
template <class F>
smallest_model with_scales(smallest_model m, const F& f) {
  m.add_scales();
  for (tensor& t : m.tensors) {
    if (!is_scale(t)) continue;
    for (std::size_t i = 0; i < numbers_of(t).size(); ++i) numbers_of(t)[i] = f(i);
  }
  return m;
}
/// The same with the factors in the matrices instead of beside them.
smallest_model multiplied(smallest_model m) {
  static_cast<void>(m.bytes());  // fills it
  for (tensor& t : m.tensors) {
    if (!is_scale(t)) continue;
    const auto all = numbers_of(at(m, t.name.substr(0, t.name.size() - 5) + "weight"));
    const std::size_t each = all.size() / numbers_of(t).size();
    for (std::size_t i = 0; i < all.size(); ++i) all[i] *= numbers_of(t)[i / each];
  }
  std::erase_if(m.tensors, is_scale);
  return m;
}
std::vector<token> letters() {
  std::vector<token> ids;
  for (std::size_t i = 0; i < 20; ++i) ids.push_back(static_cast<token>(i * 7919 % 40));
  return ids;
}
/// Logits behind some tokens, or the vector of each.
floats result_of(smallest_model m, std::size_t chunk = 20, bool mapped = false) {
  if (!m.makes_vectors()) return run(std::move(m), chunk, mapped);
  const auto bytes = m.bytes();
  const auto model = any_model::load(bytes, {.threads = 1, .mapped = mapped});
  return embedder::create(model, {.pooling = pooling::none}).embed(letters());
}
std::size_t scales_in(const smallest_model& m) {
  return static_cast<std::size_t>(std::count_if(m.tensors.begin(), m.tensors.end(), is_scale));
}
}  // namespace

TEST_CASE("every architecture: factors of 1 change no bit, and powers of two are those of multiplied matrices") {
  for (const std::string& name : architecture_names()) {
    INFO(name);
    const smallest_model plain(name);
    const auto ones = with_scales(plain, [](std::size_t) { return 1.0f; });
    CHECK(scales_in(ones) >= 4);
    CHECK(result_of(ones) == result_of(plain));
    const auto scaled = with_scales(plain, [](std::size_t i) { return i % 2 == 0 ? 0.5f : 2.0f; });
    const auto expected = result_of(multiplied(scaled));
    CHECK(expected != result_of(plain));
    CHECK(result_of(scaled) == expected);
    CHECK(result_of(scaled, 7) == expected);
    CHECK(result_of(scaled, 1, true) == expected);
  }
}

TEST_CASE("factors are those of the weight before its bias, of experts too, packed or mapped, in any chunks") {
  for (const char* name : {"gpt-oss", "qwen2", "phi2"}) {
    INFO(std::string(name));
    const auto m = with_scales(smallest_model(name), [](std::size_t i) { return 0.7f + 0.1f * float(i); });
    const auto whole = result_of(m), one_matrix = result_of(multiplied(m));
    for (std::size_t i = 0; i < whole.size(); ++i) CHECK(whole[i] == doctest::Approx(one_matrix[i]).epsilon(1e-4).scale(0.1));
    CHECK(result_of(m, 1) == whole);
    CHECK(result_of(m, 7, true) == whole);
  }
}

TEST_CASE("an embedding that has a factor is multiplied by it, as input and as the output that it is, too") {
  auto m = with_tensor(smallest_model("gpt2"), "token_embd.scale", {1});
  at(m, "token_embd.scale").data = numbers(1, 2);
  CHECK(result_of(m) == result_of(multiplied(m)));
}

TEST_CASE("a model in NVFP4 with factors gives nearly the logits of its numbers in F32, and the same bits in any pieces") {
  smallest_model m("qwen3", 64);
  m.recode(tensor_type::nvfp4);
  const auto scaled = with_scales(m, [](std::size_t) { return 0.37f; });
  smallest_model floats_of = scaled;
  for (tensor& t : floats_of.tensors) {
    if (t.type != tensor_type::nvfp4) continue;
    const std::size_t columns = t.dims[0], rows = t.data.size() / *try_quantized_bytes(tensor_type::nvfp4, 1, columns);
    std::vector<float> values(rows * columns);
    dequantize_rows(t.type, t.data, rows, columns, values);
    const auto bytes = std::as_bytes(std::span(values));
    t.type = tensor_type::f32, t.data.assign(bytes.begin(), bytes.end());
  }
  const auto found = result_of(scaled), expected = result_of(multiplied(floats_of));
  double error = 0, size = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double(found[i]) - expected[i], 2), size += std::pow(double(expected[i]), 2);
  }
  CHECK(std::sqrt(error / size) < 0.03);  // activations in 8 bits
  CHECK(result_of(scaled, 1) == found);
  CHECK(result_of(scaled, 7, true) == found);
}

TEST_CASE("factors of another shape, kind or place are refused, and such as are not finite") {
  const auto refused = [](const char* architecture, const std::string& name, std::vector<std::uint64_t> dims,
                          const std::string& sentence, float x = 1) {
    INFO(name);
    auto m = with_tensor(smallest_model(architecture), name, std::move(dims));
    std::uint64_t count = 1;
    for (const auto d : at(m, name).dims) count *= d;
    at(m, name).data = numbers(count, x);
    refuse(m, name + ": " + sentence);
  };
  const auto unread = [](const std::string& architecture) {
    return architecture + " does not read this tensor: without it, the results would not be the model's";
  };
  refused("llama", "blk.0.attn_q.scale", {2}, "expected (1), found (2)");
  refused("llama", "blk.0.attn_q.scale", {1, 2}, "expected (1), found (2, 1)");
  refused("qwen3moe", "blk.0.ffn_up_exps.scale", {1}, "expected (4), found (1)");
  refused("qwen3moe", "blk.0.ffn_up_exps.scale", {5}, "expected (4), found (5)");
  refused("gemma4", "blk.0.attn_q.scale", {32}, "expected (1), found (32)");
  for (const float x : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    refused("llama", "blk.1.ffn_down.scale", {1}, "expected finite numbers", x);
    refused("qwen3moe", "blk.1.ffn_down_exps.scale", {4}, "expected finite numbers", x);
  }
  refused("llama", "output.scale", {1}, unread("llama"));  // its output is the embedding
  refused("llama", "blk.0.attn_norm.scale", {1}, unread("llama"));
  refused("llama", "blk.0.attn_q.weight.scale", {1}, unread("llama"));
  refused("gemma3n", "per_layer_token_embd.scale", {1}, unread("gemma3n"));
  refused("deepseek2", "blk.0.attn_kv_b.scale", {1}, unread("deepseek2"));
  auto m = smallest_model("qwen3moe", 32);
  m = with_tensor(std::move(m), "blk.0.ffn_up_exps.scale", {32});
  at(m, "blk.0.ffn_up_exps.scale").type = tensor_type::q8_0, at(m, "blk.0.ffn_up_exps.scale").data.resize(34);
  refuse(m, "blk.0.ffn_up_exps.scale: expected (4), found (32)");
  m.meta.set("qwen3moe.expert_count", value(32));
  for (tensor& t : m.tensors) {
    if (t.dims.size() == 3) t.dims[2] = 32, t.data.clear();
    if (t.name.ends_with("ffn_gate_inp.weight")) t.dims[1] = 32, t.data.clear();
  }
  refuse(m, "blk.0.ffn_up_exps.scale: expected a vector of F32, F16 or BF16, found Q8_0");
}

TEST_CASE("factors of activations, for machines that multiply in 4 bits, are passed over beside a matrix") {
  const smallest_model plain("qwen3moe");
  auto m = with_tensor(plain, "blk.0.attn_q.input_scale", {1});
  m = with_tensor(std::move(m), "blk.1.ffn_up_exps.input_scale", {4});
  CHECK(result_of(m) == result_of(plain));
  refuse(with_tensor(std::move(m), "blk.1.attn_up.input_scale", {1}),
         "blk.1.attn_up.input_scale: qwen3moe does not read this tensor: without it, the results would not be the model's");
}

TEST_CASE("a file with factors that is quantized keeps them") {
  const temporary_folder folder;
  auto m = with_scales(smallest_model("llama"), [](std::size_t) { return 0.25f; });
  const auto bytes = m.bytes();
  quantize_file(gguf_file::parse(bytes), folder / "q8_0.gguf", quantize_recipe::named("Q8_0"));
  const auto quantized = gguf_file::open(folder / "q8_0.gguf");
  const auto* matrix = quantized.find("blk.0.attn_q.weight");
  const auto* scale = quantized.find("blk.0.attn_q.scale");
  REQUIRE((matrix && scale));
  CHECK(matrix->type == tensor_type::q8_0);
  CHECK(scale->type == tensor_type::f32);
  CHECK(any_model::try_load(quantized, {.threads = 1}));
}
