/// Latent attention: its three layouts, and files whose sizes contradict each other.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "model/smallest.hpp"
#include "support/hostile.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
/// The sizes of new files: a key and a value of each head, and those of what is kept.
smallest_model absorbed() {
  smallest_model m("deepseek2");
  const std::pair<const char*, int> sizes[] = {
      {"key_length_mla", 20}, {"value_length_mla", 12}, {"key_length", 24}, {"value_length", 16}, {"head_count_kv", 1}};
  for (const auto& [key, n] : sizes) m.meta.set(std::string("deepseek2.attention.") + key, value(n));
  for (const std::string at : {"blk.0.", "blk.1."}) {
    std::erase_if(m.tensors, [&](const auto& t) {
      return t.name == at + "attn_kv_b.weight" || t.name == at + "attn_q.weight" || t.name == at + "attn_output.weight";
    });
    m = with_tensor(std::move(m), at + "attn_q.weight", {32, 40});
    m = with_tensor(std::move(m), at + "attn_output.weight", {24, 32});
    m = with_tensor(std::move(m), at + "attn_k_b.weight", {12, 16, 2});
    m = with_tensor(std::move(m), at + "attn_v_b.weight", {16, 12, 2});
  }
  return m;
}
}  // namespace

TEST_CASE("both layouts of latent attention keep one row a token, and give the same bits in any pieces, packed or mapped") {
  for (const auto& m : {smallest_model("deepseek2"), absorbed()}) {
    auto copy = m;
    const auto model = any_model::load(copy.bytes(), {.threads = 1});
    for (const kv_shape& s : model.kv()) {
      CHECK(s.heads == 1);
      CHECK(s.key_dim == 16 + 8);
      CHECK(s.value_dim == 16);
    }
    const auto whole = run(m);
    CHECK(run(m, 1) == whole);
    CHECK(run(m, 7) == whole);
    CHECK(run(m, 20, true) == whole);
  }
}

TEST_CASE("latent attention scales scores, so a factor of cosines and sines is refused") {
  for (const std::string key : {"attn_factor", "yarn_attn_factor"}) {
    const std::string name = "deepseek2.rope.scaling." + key;
    for (const char* kind : {"yarn", "linear"}) {
      const auto m = with(smallest_model("deepseek2"), "deepseek2.rope.scaling.type", value(kind));
      CHECK(run(with(m, name, value(1.0f))) == run(m));
      refuse(with(m, name, value(0.5f)),
             "key '" + name + "': expected 1, for scores are scaled instead of cosines and sines, found 0.500000");
    }
  }
}

TEST_CASE("the matrix of keys and values of old files gives what its two parts give, the keys turned round") {
  auto m = absorbed();
  for (const char* key : {"key_length_mla", "value_length_mla"}) m.meta.erase(std::string("deepseek2.attention.") + key);
  m.meta.set("deepseek2.attention.key_length", value(20)), m.meta.set("deepseek2.attention.value_length", value(12));
  m.meta.set("deepseek2.attention.head_count_kv", value(2));
  auto parts = absorbed();
  parts.bytes();  // fills its tensors
  m = [&] {
    auto old = m;
    old.tensors = parts.tensors;
    for (const std::string at : {"blk.0.", "blk.1."}) {
      const auto floats_of = [&](const std::string& name) {
        for (const auto& t : parts.tensors)
          if (t.name == at + name)
            return std::span(reinterpret_cast<const float*>(t.data.data()), t.data.size() / sizeof(float));
        return std::span<const float>();
      };
      const auto k = floats_of("attn_k_b.weight"), v = floats_of("attn_v_b.weight");
      std::vector<float> both;
      for (std::size_t h = 0; h < 2; ++h) {
        for (std::size_t n = 0; n < 12; ++n)
          for (std::size_t c = 0; c < 16; ++c) both.push_back(k[(h * 16 + c) * 12 + n]);
        both.insert(both.end(), v.begin() + std::ptrdiff_t(h * 192), v.begin() + std::ptrdiff_t((h + 1) * 192));
      }
      std::erase_if(old.tensors,
                    [&](const auto& t) { return t.name == at + "attn_k_b.weight" || t.name == at + "attn_v_b.weight"; });
      const auto bytes = std::as_bytes(std::span(both));
      old.tensors.push_back({at + "attn_kv_b.weight", tensor_type::f32, {16, 48}, {bytes.begin(), bytes.end()}});
    }
    return old;
  }();
  CHECK(run(m) == run(parts));
}

TEST_CASE("sizes of latent attention that contradict each other or the tensors are refused") {
  const std::string a = "deepseek2.attention.";
  const auto refused = [&](const char* key, int n, const std::string& sentence, bool of_new = true) {
    refuse(with(of_new ? absorbed() : smallest_model("deepseek2"), a + key, value(n)), "key '" + a + key + "': " + sentence);
  };
  refused("kv_lora_rank", 1, "expected 2 to 1024, found 1");
  refused("kv_lora_rank", 17, "expected an even number, and with what is rotated at most 1024, found 17");
  refused("kv_lora_rank", 1020, "expected an even number, and with what is rotated at most 1024, found 1020");
  refused("key_length_mla", 8, "expected more than the 8 numbers that are rotated, found 8");
  refused("key_length_mla", 1025, "expected 1 to 1024, found 1025");
  refused("value_length_mla", 0, "expected 1 to 1024, found 0");
  refused("key_length", 26, "expected 24, found 26");
  refused("key_length", 8, "expected more than the 8 numbers that are rotated, found 8", false);
  auto none = absorbed();
  none.meta.erase("deepseek2.rope.dimension_count");
  refuse(none, "key 'deepseek2.rope.dimension_count' is missing");
  refuse(with(absorbed(), a + "value_length_mla", value(13)), "blk.0.attn_v_b.weight: expected (2, 13, 16), found (2, 12, 16)");
  refuse(with(absorbed(), a + "q_lora_rank", value(10)), "blk.0.attn_q_a.weight: the tensor is missing");
  refuse(with(smallest_model("deepseek2"), a + "kv_lora_rank", value(18)),
         "blk.0.attn_kv_a_mqa.weight: expected (26, 32), found (24, 32)");
}
