#include "nibble/model/roofline.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/smallest.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/quant/registry.hpp"
#include "support/files.hpp"

namespace {
using nibble::bound;
using nibble::step_shape;
using nibble::step_work;
using nibble::tensor_type;

// nibble-tiny: 6 layers of 256 with 4 query heads and 1 key-value head of 64, a feed-forward width of 768, 2,048 tokens whose
// table is the output too; the first 5 layers see a window of 64.
constexpr std::uint64_t layer_weights = 256 * 256 + 2 * 64 * 256 + 256 * 256 + 3 * 768 * 256;
constexpr std::uint64_t kept_weights = 2 * 64 * 256;  // of a layer's keys and values
constexpr std::uint64_t output_weights = 2048 * 256;
constexpr std::uint64_t pair = 4 * 64 * 2;  // multiply-adds of all heads' queries with one position

const nibble::gguf_file& file() {
  static const auto f = nibble::gguf_file::open(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  return f;
}
step_work work(const step_shape& s) {
  static const auto layers = nibble::any_model::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf")).kv();
  return nibble::work_of(file(), layers, s);
}
}  // namespace

namespace {
/// Multiply-adds and bytes of a small file's tensors alone: attention at no depth is what is left at depth 0 and 1.
struct small_work {
  std::vector<std::byte> bytes;
  nibble::gguf_file file;
  std::vector<nibble::kv_shape> layers;
  explicit small_work(nibble_test::smallest_model m)
      : bytes(m.bytes()), file(nibble::gguf_file::parse(bytes)), layers(nibble::any_model::try_load(file).value().kv()) {}
  step_work operator()(const step_shape& s) const { return nibble::work_of(file, layers, s); }
  /// Of matrices whose name has a part in it.
  std::uint64_t numbers(const std::string& part) const {
    std::uint64_t n = 0;
    for (const auto& t : file.tensors()) n += t.n_dims > 1 && t.name.find(part) != t.name.npos ? t.rows() * t.cols() : 0;
    return n;
  }
};
}  // namespace

TEST_CASE("a decoded token multiplies with every weight once, and with every position that it sees") {
  CHECK(work({}).tokens == 1);
  CHECK(work({}).multiply_adds == 6 * layer_weights + output_weights + 6 * pair);
  const std::uint64_t seen = 5 * 64 + 101;  // windows are full, the last layer sees all
  CHECK(work({.depth = 100}).multiply_adds == 6 * layer_weights + output_weights + seen * pair);
}

TEST_CASE("every token of a prompt costs its matrices, and those whose logits are wanted what is behind the last keys") {
  const step_work inside = work({.tokens = 80, .logits = 0}), last = work({.tokens = 80});
  const std::uint64_t windowed = 64 * 65 / 2 + 16 * 64;  // pairs of a query and a position
  CHECK(inside.multiply_adds == 80 * (5 * layer_weights + kept_weights) + 5 * windowed * pair);
  CHECK(last.multiply_adds == inside.multiply_adds + layer_weights - kept_weights + 80 * pair + output_weights);
  const step_work all = work({.tokens = 80, .logits = 80});
  CHECK(all.multiply_adds == 80 * (6 * layer_weights + output_weights) + (5 * windowed + 80 * 81 / 2) * pair);
}

TEST_CASE("behind the last layer that keeps something, only tokens cost something whose logits are wanted") {
  nibble_test::smallest_model m("gemma4", 32, 6);
  m.meta.set("gemma4.attention.shared_kv_layers", nibble::value(2));
  const small_work w(m.completed());
  std::uint64_t behind = 0, before = 0;
  for (int i = 0; i < 6; ++i) (i < 4 ? before : behind) += w.numbers("blk." + std::to_string(i));
  const std::uint64_t kept = w.numbers("blk.3.attn_k.") + w.numbers("blk.3.attn_v.");
  const std::uint64_t first_three = before - w.numbers("blk.3.");
  CHECK(w({.tokens = 8, .logits = 0}).weight_bytes == 4 * (first_three + kept));
  CHECK(w({.tokens = 8}).weight_bytes == 4 * (before + behind + 48 * 32));
}

TEST_CASE("layers may use different numbers of experts") {
  nibble_test::smallest_model m("qwen3moe");
  m.meta.set("qwen3moe.expert_used_count", nibble::value(std::vector<std::int32_t>{1, 3}));
  const small_work w(std::move(m)), even(nibble_test::smallest_model("qwen3moe"));
  CHECK(w({}).multiply_adds == even({}).multiply_adds);
  CHECK(w({.tokens = 4, .logits = 4}).weight_bytes == even({.tokens = 4, .logits = 4}).weight_bytes);
  CHECK(w({.tokens = 2, .logits = 2}).weight_bytes < even({.tokens = 2, .logits = 2}).weight_bytes);
}

TEST_CASE("the bytes of a step are those of the panels that it reads, whatever the number of tokens") {
  using namespace nibble;
  const auto q4 = group_bytes<q4_k>(256), q5 = group_bytes<q5_k>(256), q6 = group_bytes<q6_k>(256);
  const auto layers = 6 * (16 + 4 + 16 + 48 + 48) * q4;  // q, k, o, gate, up: rows / 16
  const auto values = 4 * 4 * q5 + 2 * 4 * q6;           // v: 64 rows, in Q5_K or Q6_K
  const auto down = 16 * (4 * group_bytes<q4_k>(768) + 2 * group_bytes<q6_k>(768));
  const auto output = 128 * q6;
  CHECK(work({}).weight_bytes == layers + values + down + output);
  CHECK(work({.tokens = 32}).weight_bytes == layers + values + down + output);
  CHECK(work({.sequences = 4}).weight_bytes == layers + values + down + output);
  const auto of_last = (16 + 16 + 48 + 48) * q4 + 16 * group_bytes<q6_k>(768);
  CHECK(work({.tokens = 32, .logits = 0}).weight_bytes == layers + values + down - of_last);
}

TEST_CASE("keys and values are read as far as windows reach, in their format, for each sequence") {
  const std::uint64_t numbers = (5 * 64 + 101) * 2 * 64;
  CHECK(work({.depth = 100}).kv_bytes == numbers * 2);
  CHECK(work({.depth = 100, .kv = tensor_type::f32}).kv_bytes == numbers * 4);
  CHECK(work({.depth = 100, .kv = tensor_type::q8_0}).kv_bytes == numbers + numbers / 32 * 2);  // a half a block of 32
  CHECK(work({.sequences = 3, .depth = 100}).kv_bytes == 3 * numbers * 2);
  CHECK(work({.sequences = 3, .depth = 100}).multiply_adds == 3 * work({.depth = 100}).multiply_adds);
  CHECK(work({.tokens = 10, .depth = 100}).kv_bytes == (5 * (63 + 10) + 110) * 2 * 64 * 2);  // the first sees back furthest
}

TEST_CASE("a table of embeddings beside an output matrix is not read") {
  const auto untied = nibble::gguf_file::open(nibble_test::golden("models/llama.gguf"));
  REQUIRE(untied.find("output.weight"));
  const auto model = nibble::any_model::try_load(untied).value();
  std::uint64_t weights = 0;
  for (const auto& t : untied.tensors()) weights += t.n_dims == 2 && t.name != "token_embd.weight" ? t.rows() * t.cols() : 0;
  const auto seen = nibble::work_of(untied, model.kv(), {.depth = 1}).multiply_adds;
  const auto alone = nibble::work_of(untied, model.kv(), {}).multiply_adds;
  CHECK(2 * alone - seen == weights);  // attention at depth 1 is twice that at depth 0
}

TEST_CASE("of experts those count that the tokens choose") {
  const small_work w(nibble_test::smallest_model("qwen3moe"));  // 2 of 4 experts, in F32
  const std::uint64_t experts = w.numbers("_exps."), router = w.numbers("gate_inp.");
  REQUIRE(experts == 2 * 3 * 4 * 32 * 32);
  const std::uint64_t others = w.numbers("attn_q.") + w.numbers("attn_k.") + w.numbers("attn_v.") + w.numbers("attn_output.");
  const std::uint64_t output = w.numbers("token_embd"), scores = 2 * 2 * 32;  // two layers, two heads of 16, keys and values
  CHECK(w({}).multiply_adds == experts / 2 + router + others + output + scores);
  CHECK(w({.tokens = 8, .logits = 8}).weight_bytes - w({.tokens = 1}).weight_bytes == experts / 2 * 4);
  CHECK(w({.sequences = 8}).weight_bytes == w({.tokens = 8, .logits = 8}).weight_bytes);
}

TEST_CASE("tables of which rows are looked up are not multiplied with") {
  const small_work w(nibble_test::smallest_model("gpt2"));
  REQUIRE(w.numbers("position_embd") > 0);
  CHECK(w({}).multiply_adds == w.numbers("blk.") + w.numbers("token_embd") + 2 * 2 * 32);
}

TEST_CASE("states are read once a sequence, whatever the depth") {
  const small_work w(nibble_test::smallest_model("mamba2"));
  std::uint64_t floats = 0;
  for (const auto& layer : w.layers) floats += layer.state;
  REQUIRE(floats > 0);
  CHECK(w({.depth = 50}).kv_bytes == floats * 4);
  CHECK(w({.sequences = 3}).kv_bytes == 3 * floats * 4);
}

TEST_CASE("a step takes as long as its slower half") {
  const step_work w{.tokens = 8, .weight_bytes = 600, .kv_bytes = 400, .multiply_adds = 50};
  const auto slow_memory = nibble::roofline(w, {.bytes_per_second = 500, .multiply_adds_per_second = 100});
  CHECK(slow_memory.time.count() == 2);
  CHECK(slow_memory.bound == bound::memory);
  CHECK(slow_memory.tokens_per_second == 4);
  const auto slow_compute = nibble::roofline(w, {.bytes_per_second = 1000, .multiply_adds_per_second = 12.5});
  CHECK(slow_compute.time.count() == 4);
  CHECK(slow_compute.bound == bound::compute);
  CHECK(name_of(slow_compute.bound) == "compute");
}

TEST_CASE("floats are multiplied at a speed of their own, which is that of 8-bit numbers where it is not known") {
  const step_work w{.tokens = 1, .multiply_adds = 60, .float_multiply_adds = 20};
  const auto seconds = [&](double of_floats) {
    return nibble::roofline(
               w, {.bytes_per_second = 1, .multiply_adds_per_second = 10, .float_multiply_adds_per_second = of_floats})
        .time.count();
  };
  CHECK(seconds(5) == 8);
  CHECK(seconds(0) == 6);
}

TEST_CASE("weights in float formats are multiplied as floats, values always, and keys unless they are stored in 8 or 4 bits") {
  const std::uint64_t seen = 5 * 64 + 101, half = seen * pair / 2;
  CHECK(work({.depth = 100}).float_multiply_adds == 2 * half);
  CHECK(work({.depth = 100, .kv = tensor_type::bf16}).float_multiply_adds == 2 * half);
  CHECK(work({.depth = 100, .kv = tensor_type::q8_0}).float_multiply_adds == half);
  CHECK(work({.sequences = 3, .depth = 100, .kv = tensor_type::q4_0}).float_multiply_adds == 3 * half);
  const step_work of_floats = small_work(nibble_test::smallest_model("qwen3moe"))({.tokens = 4, .depth = 9});  // in F32
  CHECK(of_floats.float_multiply_adds == of_floats.multiply_adds);
  CHECK((of_floats.multiply_adds > 0 && work({}).multiply_adds > work({}).float_multiply_adds));
}

TEST_CASE("steps add up") {
  step_work sum;
  sum += work({.tokens = 64, .logits = 0});
  sum += work({.tokens = 16, .depth = 64});
  CHECK(sum.tokens == 80);
  CHECK(sum.multiply_adds == work({.tokens = 80}).multiply_adds);  // the first 64 ask for nothing in the last layer
  CHECK(sum.float_multiply_adds == work({.tokens = 80}).float_multiply_adds);
  CHECK(sum.weight_bytes > work({.tokens = 80}).weight_bytes);  // read twice
}
