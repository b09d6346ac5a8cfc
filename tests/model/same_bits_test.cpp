/// Weights that no training leaves behind: NaN, infinities, numbers whose products overflow. Logits may then be no numbers, but
/// they are the same ones however a text is cut into steps, on any threads, and whatever other texts run beside it.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"

using namespace nibble_test;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity(), no_number = std::numeric_limits<float>::quiet_NaN();

/// Overwrites every `step`-th number from `first` on of a tensor of floats.
void put(model_parts& parts, std::string_view name, std::size_t first, std::size_t step, std::size_t count, float v) {
  auto& data = parts.at(name).data;
  for (std::size_t i = first, n = 0; n < count && (i + 1) * sizeof v <= data.size(); i += step, ++n) {
    std::memcpy(data.data() + i * sizeof v, &v, sizeof v);
  }
}

struct variant {
  const char* name;
  void (*change)(model_parts&);
};
std::size_t width_of(model_parts& parts) { return std::size_t(parts.at("token_embd.weight").dims[0]); }

const variant variants[] = {
    {"tokens that are NaN, infinite or huge",
     [](model_parts& p) {
       const std::size_t width = width_of(p);
       for (std::size_t id = 3; id < 500; id += 53) put(p, "token_embd.weight", id * width, 1, width, no_number);
       for (std::size_t id = 4; id < 500; id += 71) put(p, "token_embd.weight", id * width + 3, 5, 2, infinity);
       for (std::size_t id = 5; id < 500; id += 37) put(p, "token_embd.weight", id * width, 3, 8, 3e31f);
     }},
    {"huge keys and queries",
     [](model_parts& p) {
       put(p, "blk.0.attn_q.weight", 0, 7, 10000, 3e31f), put(p, "blk.0.attn_k.weight", 3, 11, 10000, -3e31f);
     }},
    {"huge values, and scores of any size",
     [](model_parts& p) {
       put(p, "blk.0.attn_v.weight", 0, 7, 10000, 3e31f), put(p, "blk.1.attn_q.weight", 0, 5, 10000, 1e10f);
     }},
    {"scores that are -infinity",
     [](model_parts& p) {
       put(p, "blk.0.attn_k.weight", 0, 1, 100000, -3e38f), put(p, "blk.0.attn_q.weight", 0, 1, 100000, 3e38f);
     }},
    {"one value that is NaN, one gate that is infinite",
     [](model_parts& p) {
       put(p, "blk.1.attn_v.weight", 5, 1, 1, no_number), put(p, "blk.0.attn_norm.weight", 1, 1, 1, infinity);
     }},
};

std::vector<float> all_logits(const any_model& model, std::span<const token> ids, tensor_type kv, std::size_t step) {
  auto e = evaluator::try_create(model, {.context = 128, .prefill_chunk = step, .output_rows = step, .kv = kv}).value();
  std::vector<float> out;
  REQUIRE(e.feed_each(ids, [&](std::size_t, std::span<const float> row) { out.insert(out.end(), row.begin(), row.end()); }) ==
          feed_outcome::done);
  return out;
}
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_steps(const std::vector<std::byte>& bytes) {
  const auto ids = some_tokens(75);
  const auto model = any_model::load(bytes, {.threads = 1}), shared = any_model::load(bytes, {.threads = 3});
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format>) {
    INFO("KV format ", std::string(Format::name));
    const auto expected = all_logits(model, ids, Format::type, 1);
    for (std::size_t step : {2, 3, 7, 16, 17, 64, 75}) {
      INFO("steps of ", step);
      CHECK(same_bits(expected, all_logits(step % 2 ? model : shared, ids, Format::type, step)));
    }
    // beside a text of other tokens, and one token by turns
    auto batch = batch_evaluator::try_create(model, 2, {.context = 128, .prefill_chunk = 16, .kv = Format::type}).value();
    const std::size_t row = expected.size() / ids.size();
    REQUIRE(batch.feed(0, std::span(ids).first(40)) == feed_outcome::done);
    REQUIRE(batch.feed(1, some_tokens(30, 200)) == feed_outcome::done);
    for (std::size_t i = 40; i < 50; ++i) {
      const batch_evaluator::entry entries[] = {{1, token(3 + 53 * (i % 9))}, {0, ids[i]}};
      REQUIRE(batch.step(entries) == feed_outcome::done);
      const auto found = batch.logits(1);
      CHECK(same_bits({found.begin(), found.end()},
                      {expected.begin() + std::ptrdiff_t(i * row), expected.begin() + std::ptrdiff_t((i + 1) * row)}));
    }
    return false;
  });
}
}  // namespace

TEST_CASE("weights that are NaN, infinite or huge: any steps, threads and neighbours give the same bits") {
  for (const char* file : {"models/llama.gguf", "models/gemma2.gguf", "models/gemma3.gguf", "models/qwen3moe.gguf"}) {
    for (const variant& v : variants) {
      INFO(std::string(file), ", ", std::string(v.name));
      model_parts parts(golden(file));
      v.change(parts);
      check_steps(parts.bytes());
    }
  }
}

TEST_CASE("scales of blocks that are NaN or infinite: any steps, threads and neighbours give the same bits") {
  for (const tensor_type type : {tensor_type::q8_0, tensor_type::q4_1, tensor_type::f16}) {
    INFO("format ", int(type));
    model_parts parts(golden("models/llama.gguf"));
    parts.recode(type);
    for (const auto& [name, every] : {std::pair<const char*, std::size_t>{"blk.0.attn_k.weight", 90},
                                      {"blk.1.ffn_up.weight", 150},
                                      {"token_embd.weight", 300}}) {
      auto& t = parts.at(name);
      if (t.type != type) continue;
      const std::size_t block = find_tensor_type(std::uint32_t(type))->block_bytes;
      for (std::size_t i = 5; (i + 1) * block <= t.data.size(); i += every) {
        t.data[i * block] = std::byte(i % 2), t.data[i * block + 1] = std::byte{0x7c};
      }
    }
    check_steps(parts.bytes());
  }
}
