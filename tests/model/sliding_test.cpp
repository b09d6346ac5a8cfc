/// Texts that are longer than their context: a model sees what it keeps and what is recent, as if nothing had been in between.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/outgrown.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "nibble/model/registry.hpp"
#include "support/golden_models.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

any_model of(const std::string& name, int layers) {
  return any_model::load(smallest_model(name, 32, layers).bytes(), {.threads = 1});
}
double distance(const floats& a, const floats& b) {
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    apart += (double(a[i]) - b[i]) * (double(a[i]) - b[i]), size += double(b[i]) * b[i];
  }
  return std::sqrt(apart / size);
}
/// Whether options can be made with it.
template <class T>
concept is_policy = requires(T policy) {
  session_options{.when_full = policy};
};
static_assert(is_policy<context_policy>);
static_assert(!is_policy<bool> && !is_policy<decltype(&context_policy::sinks)>);  // an aggregate would take them for `slides`
static_assert(!std::is_convertible_v<bool, context_policy> && !std::is_constructible_v<context_policy, bool>);
static_assert(context_policy::sinks(7).slides && context_policy::sinks(7).kept == 7 && context_policy::sinks(7).step == 1);
}  // namespace

TEST_CASE(
    "in one layer, a text that slides is one of what it keeps and what is recent: every architecture, or a sentence why not") {
  std::size_t slid = 0;
  for (const std::string& name : architecture_names()) {
    INFO(name);
    if (smallest_model(name).makes_vectors()) continue;
    const any_model model = of(name, 1);
    const std::size_t most = std::min<std::size_t>(model.context(), 100), kept = 5;
    const auto ids = some(most + 70);
    const session_options options{
        .context = most, .prefill_chunk = 16, .kv = tensor_type::f32, .when_full = context_policy::sinks(kept)};
    auto made = evaluator::try_create(model, options);
    if (!made) {
      CHECK(
          std::string(made.failure().what()).starts_with("session_options::when_full: expected context_policy::stop(), for "));
      continue;
    }
    ++slid;
    const auto found = row_after(*made, ids);
    const std::size_t gone = made->sliding().forgotten(ids.size() - 1);
    CHECK(gone == 70);
    std::vector<token> left(ids.begin(), ids.begin() + kept);
    left.insert(left.end(), ids.begin() + std::ptrdiff_t(kept + gone), ids.end());
    auto fresh = evaluator_of(model, {.context = most, .prefill_chunk = 16, .kv = tensor_type::f32});
    CHECK(distance(found, row_after(fresh, left)) < 2e-4);
    CHECK(made->position() == ids.size());
  }
  CHECK(slid > 30);
}

TEST_CASE("what is forgotten at once is what a shift says, and the distance to what is kept is that without it") {
  const any_model model = of("llama", 1);
  const auto ids = some(400);
  for (const context_policy& policy : {context_policy::shift(0), context_policy::shift(20), context_policy::shift(7, 11)}) {
    auto e = evaluator_of(model, {.context = 64, .prefill_chunk = 9, .kv = tensor_type::f32, .when_full = policy});
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto found = row_after(e, {&ids[i], 1});
      if (i % 13 != 0) continue;
      const std::size_t gone = e.sliding().forgotten(i);
      std::vector<token> left(ids.begin(), ids.begin() + std::ptrdiff_t(std::min(i + 1, gone > 0 ? policy.kept : 0)));
      left.insert(left.end(), ids.begin() + std::ptrdiff_t(gone > 0 ? policy.kept + gone : 0),
                  ids.begin() + std::ptrdiff_t(i + 1));
      CHECK(left.size() <= 64);
      auto fresh = evaluator_of(model, {.context = 64, .kv = tensor_type::f32});
      CHECK(distance(found, row_after(fresh, left)) < 2e-4);
    }
  }
}

TEST_CASE("a text that slides has the same bits in any chunks, on any threads, beside others, and forked, saved or cut back") {
  for (const char* name : {"llama", "gemma3", "deepseek2", "gemma3n", "cohere2"}) {
    INFO(std::string(name));
    for (const context_policy& policy : {context_policy::sinks(4), context_policy::shift(4)}) {
      for (const tensor_type kv : {tensor_type::f16, tensor_type::q4_0}) {
        check_bits_of_outgrown(name, {.context = 80, .kv = kv, .when_full = policy}, 230);
      }
    }
  }
}

TEST_CASE("models that cannot slide say why, and so do policies that keep more than there is") {
  const auto said = [](const any_model& model, const session_options& options) {
    const auto made = evaluator::try_create(model, options);
    REQUIRE(!made);
    CHECK(made.failure().code() == errc::invalid_argument);
    return std::string(made.failure().what());
  };
  const session_options sliding{.context = 64, .when_full = context_policy::sinks()};
  const std::string expected = "session_options::when_full: expected context_policy::stop(), for ";
  CHECK(said(of("gpt2", 2), {.when_full = context_policy::shift()}) ==
        expected + "gpt2 has learned its positions, which cannot move");
  CHECK(said(of("mamba2", 2), sliding) == expected + "mamba2 has blk.0, whose recurrent state cannot forget a part of a text");
  CHECK(said(of("hunyuan-dense", 2), sliding) == expected + "hunyuan-dense has blk.0, whose positions cannot move");
  const any_model model = of("llama", 2);
  session_options guessing = sliding;
  guessing.speculation = prompt_lookup{};
  CHECK(said(model, guessing) ==
        "session_options::when_full: speculation does not know texts that slide, so the two exclude each other");
  CHECK(said(model, {.context = 64, .when_full = context_policy::sinks(64)}) ==
        "session_options::when_full: kept: expected at most 63 in a context of 64, found 64");
  CHECK(said(model, {.context = 64, .when_full = context_policy::shift(10, 55)}) ==
        "session_options::when_full: step: expected at most 54 in a context of 64 that keeps 10, found 55");
  CHECK(evaluator::try_create(model, {.context = 64, .when_full = context_policy::shift(10, 54)}));
  CHECK(evaluator::try_create(model, {.context = 64, .when_full = context_policy::sinks(63)}));
}

TEST_CASE("keys and values have formats of their own, and their plan is exact") {
  const any_model model = of("llama", 2);
  const auto bytes = [&](tensor_type keys, tensor_type values) {
    return model.plan({.context = 128, .keys = keys, .values = values}).kv;
  };
  const kv_shape s = model.kv()[0];
  const auto expected = [&](tensor_type keys, tensor_type values) {
    return 2 * 2 * s.heads * kv_page_of(kv_types(find_kv_format(keys), find_kv_format(values)), s).bytes;
  };
  for (const tensor_type keys : {tensor_type::f32, tensor_type::f16, tensor_type::bf16, tensor_type::q8_0, tensor_type::q4_0}) {
    for (const tensor_type values : {tensor_type::f32, tensor_type::q8_0, tensor_type::q4_0}) {
      CHECK(bytes(keys, values) == expected(keys, values));
      auto e = evaluator_of(model, {.context = 128, .keys = keys, .values = values});
      CHECK(e.memory().kv == bytes(keys, values));
      CHECK(*e.options().rotated_keys == (keys == tensor_type::q4_0));
      CHECK(*e.options().rotated_values == (values == tensor_type::q4_0));
    }
  }
  CHECK(bytes(tensor_type::q8_0, tensor_type::q4_0) < bytes(tensor_type::f16, tensor_type::q8_0));
  const auto said = [&](const session_options& o) { return std::string(evaluator::try_create(model, o).failure().what()); };
  CHECK(said({.keys = tensor_type::q6_k}) == "session_options::keys: expected f32, f16, bf16, q8_0 or q4_0");
  CHECK(said({.values = tensor_type::q6_k}) == "session_options::values: expected f32, f16, bf16, q8_0 or q4_0");
  CHECK(said({.kv = tensor_type::q6_k}) == "session_options::kv: expected f32, f16, bf16, q8_0 or q4_0");
}

TEST_CASE("rotated keys and values change nothing but rounding, at any width of a head, and have the same bits in any steps") {
  for (const char* name : {"llama", "gemma3", "deepseek2", "gpt-oss"}) {
    INFO(std::string(name));
    const any_model model = of(name, 2), shared = any_model::load(smallest_model(name, 32, 2).bytes(), {.threads = 3});
    const auto ids = some(50);
    const auto row = [&](const any_model& m, kv_rotation rotated, tensor_type kv, std::size_t chunk) {
      auto e = evaluator_of(
          m, {.context = 64, .prefill_chunk = chunk, .kv = kv, .rotated_keys = rotated.keys, .rotated_values = rotated.values});
      return row_after(e, ids);
    };
    const auto expected = row(model, {}, tensor_type::f32, 16);
    for (const kv_rotation rotated : {kv_rotation{true, false}, {false, true}, {true, true}}) {
      CHECK(distance(row(model, rotated, tensor_type::f32, 16), expected) < 1e-4);
      for (const tensor_type kv : {tensor_type::f32, tensor_type::q8_0, tensor_type::q4_0}) {
        const auto one = row(model, rotated, kv, 1);
        CHECK(row(model, rotated, kv, 13) == one);
        CHECK(row(shared, rotated, kv, 50) == one);
        CHECK(row(model, {}, kv, 7) != one);
      }
    }
  }
}

TEST_CASE("heads of 4 bits are rotated where nobody says, but not keys that have a bias") {
  for (const char* name : {"llama", "qwen3", "phi2", "gpt-oss"}) {
    const any_model model = of(name, 2);
    const bool biased = model.architecture_name() == "phi2" || model.architecture_name() == "gpt-oss";
    CHECK(model.kv()[0].biased_keys == biased);
    const auto rotated = [&](const session_options& options) {
      const auto e = evaluator_of(model, options);
      return std::pair(*e.options().rotated_keys, *e.options().rotated_values);
    };
    CHECK(rotated({.context = 64, .kv = tensor_type::q4_0}) == std::pair(!biased, true));
    CHECK(rotated({.context = 64, .kv = tensor_type::q8_0}) == std::pair(false, false));
    CHECK(rotated({.context = 64, .kv = tensor_type::q4_0, .rotated_keys = biased, .rotated_values = false}) ==
          std::pair(biased, false));
  }
}
