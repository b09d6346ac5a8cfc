/// Texts that keep heavy hitters: what stays is what a plain pass in double precision keeps, and bits do not depend on steps.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "model/outgrown.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "support/golden_models.hpp"
#include "support/plain_pass.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;
using f = family;

constexpr std::size_t kept = 256, kept_recent = 64;

/// A model's logits are those of a plain pass that keeps as much.
void check(family which, smallest_model m) {
  INFO(std::string(which.name));
  const auto bytes = m.bytes();
  const any_model model = any_model::load(bytes, {.threads = 1});
  const auto ids = some(500);
  const auto whole = plain_pass(which, m).logits({ids.begin(), ids.end()});
  which.hitters = kept, which.recent = kept_recent;
  const auto expected = plain_pass(which, m).logits({ids.begin(), ids.end()});
  auto e = evaluator_of(model, {.context = kept,
                                .prefill_chunk = 50,
                                .output_rows = 50,
                                .kv = tensor_type::f32,
                                .when_full = context_policy::heavy_hitters(kept_recent)});
  double apart = 0;
  const auto how = e.feed_each(ids, [&](std::size_t t, std::span<const float> found) {
    CHECK(error_of(found, expected[t]) < 1e-4);
    if (t > kept) apart = std::max(apart, error_of(found, whole[t]));
  });
  CHECK(how == feed_outcome::done);
  CHECK(apart > 1e-3);  // something is dropped, and seen to be
}
}  // namespace

TEST_CASE("what a layer keeps is what has received most in a plain pass: shared heads, windows, soft caps, sinks, gates") {
  check({.name = "llama", .interleaved = true}, made("llama", {{"attention.head_count_kv", value(1)}}, 3));
  check({.name = "qwen3", .queries = f::each_head}, smallest_model("qwen3", 32, 2));
  check({.name = "granite_swa", .interleaved = true, .sinks = true}, smallest_model("granite_swa", 32, 2));
  check({.name = "hunyuan-dense", .queries = f::each_head_rotated}, smallest_model("hunyuan-dense", 32, 2));
  check(capped_gemma2, capped_gemma2_file(4));
}

TEST_CASE("heavy hitters have the same bits in any chunks, on any threads, beside others, forked, saved and cut back") {
  for (const char* name : {"llama", "gemma3", "gemma3n", "gpt-oss"}) {
    INFO(std::string(name));
    for (const tensor_type kv : {tensor_type::f16, tensor_type::q8_0, tensor_type::q4_0}) {
      const session_options options{.context = 192, .kv = kv, .when_full = context_policy::heavy_hitters(64)};
      CHECK(check_bits_of_outgrown(name, options, 430).resumable(300) == 0);
    }
  }
}

TEST_CASE("every output of a text that keeps heavy hitters is that of the same text fed token by token") {
  const any_model model = any_model::load(smallest_model("llama", 32, 2).bytes(), {.threads = 1});
  const auto ids = some(330);
  const session_options o{
      .context = 192, .prefill_chunk = 48, .output_rows = 20, .when_full = context_policy::heavy_hitters(64)};
  auto one = evaluator_of(model, o), each = evaluator_of(model, o), few = evaluator_of(model, o);
  std::vector<floats> expected;
  for (const token id : ids) expected.push_back(row_after(one, {&id, 1}));
  const auto compare = [&](std::size_t t, std::span<const float> row) { CHECK(floats(row.begin(), row.end()) == expected[t]); };
  CHECK(each.feed_each(ids, compare) == feed_outcome::done);
  std::vector<std::uint32_t> wanted;
  for (std::uint32_t t = 3; t < ids.size(); t += 17) wanted.push_back(t);
  CHECK(few.feed_some(ids, wanted, compare) == feed_outcome::done);
}

TEST_CASE("until something is dropped, what keeps heavy hitters says what keeps all") {
  const any_model model = any_model::load(smallest_model("llama", 32, 3).bytes(), {.threads = 1});
  const auto ids = some(192);
  auto all = evaluator_of(model, {.context = 192});
  auto some_of_them = evaluator_of(model, {.context = 192, .when_full = context_policy::heavy_hitters()});
  CHECK(row_after(some_of_them, ids) == row_after(all, ids));
}

TEST_CASE("what cannot keep heavy hitters says why") {
  const auto said = [](const any_model& model, session_options options) {
    if (!options.when_full.slides) options.when_full = context_policy::heavy_hitters();
    const auto refused = evaluator::try_create(model, options);
    REQUIRE(!refused);
    CHECK(refused.failure().code() == errc::invalid_argument);
    return std::string(refused.failure().what());
  };
  const auto of = [](smallest_model m) { return any_model::load(m.bytes(), {.threads = 1}); };
  const std::string expected = "session_options::when_full: expected context_policy::stop(), for ";
  CHECK(said(of(smallest_model("gpt2", 32, 2)), {}) == expected + "gpt2 has learned its positions, and no more");
  CHECK(said(of(smallest_model("mamba2", 32, 2)), {.context = 256}) ==
        expected + "mamba2 has blk.0, whose recurrent state cannot forget a part of a text");
  CHECK(said(of(smallest_model("deepseek2", 32, 2)), {.context = 256}) ==
        expected + "deepseek2 has blk.0, whose attention is not weighed");
  CHECK(said(of(made("gemma3", {{"attention.sliding_window", value(256)}}, 7)), {.context = 256}) ==
        expected + "gemma3 has blk.0, whose window is as long as the context");
  const any_model model = of(smallest_model("llama", 32, 2));
  session_options guessing{.context = 256};
  guessing.speculation = prompt_lookup{};
  CHECK(said(model, guessing) ==
        "session_options::when_full: speculation does not know texts that slide, so the two exclude each other");
  const std::string wrong = "session_options::when_full: expected ";
  for (const std::size_t context : {128, 200}) {
    CHECK(said(model, {.context = context}) ==
          wrong + "three or more pages of 64 positions for heavy hitters, found a context of " + std::to_string(context));
  }
  for (const std::size_t recent : {100, 192}) {
    CHECK(said(model, {.context = 256, .when_full = context_policy::heavy_hitters(recent)}) ==
          wrong + "pages of 64 recent positions, and two pages of others, in a context of 256, found " +
              std::to_string(recent));
  }
  CHECK(evaluator::try_create(model, {.context = 256, .when_full = context_policy::heavy_hitters(128)}));
  CHECK(evaluator::try_create(model, {.context = 192, .when_full = context_policy::heavy_hitters()}));
}
