/// Keys of published files that others of their family lack, or write in another way.
#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/smallest.hpp"
#include "nibble/model/registry.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
smallest_model lacking(smallest_model m, const std::string& key) {
  m.meta.erase(key);
  return m;
}
std::vector<std::int32_t> ints(std::initializer_list<std::int32_t> numbers) { return numbers; }
std::vector<bool> flags(std::initializer_list<bool> marks) { return marks; }
/// The magnitude of the rotary embedding that a file of this architecture describes.
double magnitude_of(const smallest_model& m, const char* architecture) {
  const limits most;
  hyperparameters h(m.meta, architecture, most);
  return arch::decoder_config::read(h).ropes[0].magnitude;
}
}  // namespace

TEST_CASE("experts in every layer need no width of feed-forwards that there are not") {
  for (const std::string name : {"qwen35moe", "qwen3next"}) {
    INFO(name);
    smallest_model m = with(smallest_model(name), name + ".expert_feed_forward_length", value(32));
    CHECK(run(lacking(m, name + ".feed_forward_length")) == run(m));
    refuse(lacking(lacking(m, name + ".feed_forward_length"), name + ".expert_feed_forward_length"),
           "key '" + name + ".expert_feed_forward_length' is missing");
  }
}

TEST_CASE("what YaRN's files state as their factor is the whole of it, but below 1 a part") {
  auto m = smallest_model("olmo2");
  m = with(with(m, "olmo2.rope.scaling.type", value("yarn")), "olmo2.rope.scaling.factor", value(8.0f));
  CHECK(magnitude_of(m, "olmo2") == doctest::Approx(1.2079442));
  CHECK(magnitude_of(with(m, "olmo2.rope.scaling.yarn_attn_factor", value(1.2079442f)), "olmo2") == doctest::Approx(1.2079442));
  CHECK(magnitude_of(with(m, "olmo2.rope.scaling.yarn_attn_factor", value(1.0f)), "olmo2") == 1);
  CHECK(magnitude_of(with(m, "olmo2.rope.scaling.yarn_attn_factor", value(0.5f)), "olmo2") == doctest::Approx(0.6039721));
}

TEST_CASE("the factor of YaRN that follows from its reach stays as it is, below 1 too") {
  auto m = smallest_model("mistral3");
  m = with(with(m, "mistral3.rope.scaling.type", value("yarn")), "mistral3.rope.scaling.factor", value(16.0f));
  CHECK(magnitude_of(m, "mistral3") == doctest::Approx(1.2772589));
  CHECK(magnitude_of(with(m, "mistral3.rope.scaling.yarn_log_multiplier", value(1.0f)), "mistral3") == 1);
  CHECK(magnitude_of(with(m, "mistral3.rope.scaling.yarn_log_multiplier", value(1.5f)), "mistral3") ==
        doctest::Approx(0.9020870));
}

TEST_CASE("olmo2: YaRN's files state the whole factor under either of two keys") {
  auto m = smallest_model("olmo2");
  m = with(with(m, "olmo2.rope.scaling.type", value("yarn")), "olmo2.rope.scaling.factor", value(8.0f));
  m = with(m, "olmo2.rope.scaling.original_context_length", value(16));
  const auto silent = run(m);
  const auto stated = [&](const std::string& key, float factor) {
    return run(with(m, "olmo2.rope.scaling." + key, value(factor)));
  };
  for (const float factor : {1.0f, 1.5f}) {
    CHECK(stated("attn_factor", factor) == stated("yarn_attn_factor", factor));
    CHECK(stated("attn_factor", factor) != silent);
  }
  CHECK(stated("attn_factor", 0) == silent);
  const auto linear = with(m, "olmo2.rope.scaling.type", value("linear"));  // without YaRN it is a factor as any
  CHECK(run(with(linear, "olmo2.rope.scaling.attn_factor", value(1.5f))) != run(linear));
}

TEST_CASE("glm4: files of models that see have rows in halves") {
  const smallest_model m("glm4");
  const auto plain = run(m);
  CHECK(run(with(m, "glm4.rope.dimension_sections", value(ints({4, 2, 2, 0})))) != plain);
  CHECK(run(with(m, "glm4.rope.dimension_sections", value(ints({0, 0, 0, 0})))) == plain);
}

TEST_CASE("what a family's files must state is not guessed, and what they may leave out has the family's value") {
  const std::pair<const char*, const char*> needed[] = {{"cohere2", "logit_scale"},
                                                        {"cohere2", "attention.sliding_window"},
                                                        {"granite", "logit_scale"},
                                                        {"granitemoe", "logit_scale"},
                                                        {"granite_swa", "logit_scale"},
                                                        {"granite_swa", "attention.sliding_window"},
                                                        {"muse-glimmer", "logit_scale"},
                                                        {"muse-glimmer", "attention.sliding_window"},
                                                        {"gpt-oss", "attention.sliding_window"},
                                                        {"gemma3n", "attention.sliding_window"},
                                                        {"gemma4", "attention.sliding_window"},
                                                        {"gemma-embedding", "attention.sliding_window"}};
  for (const auto& [name, key] : needed) {
    const std::string whole = std::string(name) + "." + key;
    refuse(lacking(smallest_model(name), whole), "key '" + whole + "' is missing");
  }
  const auto is_silently = [](const std::string& name, const std::string& key, float x, float other) {
    INFO(name);
    const smallest_model m = lacking(smallest_model(name), name + "." + key);
    CHECK(run(with(m, name + "." + key, value(x))) == run(m));
    CHECK(run(with(m, name + "." + key, value(other))) != run(m));
  };
  for (const char* name : {"command-r", "granitehybrid"}) is_silently(name, "logit_scale", 1, 0.5f);
  for (const char* name : {"gemma2", "gemma3n", "gemma4", "muse-glimmer"}) is_silently(name, "final_logit_softcapping", 30, 0);
  is_silently("gemma3", "final_logit_softcapping", 0, 30);
  is_silently("gemma2", "attn_logit_softcapping", 50, 0);
}

TEST_CASE("sections of rotated pairs leave text as it is, and are refused where they contradict it") {
  for (const std::string name : {"qwen2vl", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "glm4", "glm4moe"}) {
    INFO(name);
    const smallest_model m(name);
    const std::string key = name + ".rope.dimension_sections";
    for (const auto& sections : {ints({3, 3, 2, 0}), ints({3, 3, 2}), ints({1, 1, 1, 0}), ints({0, 0, 0, 0}), ints({8})})
      if (name != "glm4") CHECK(run(with(m, key, value(sections))) == run(m));
    const auto refused = [&](const value& v, const std::string& sentence) {
      refuse(with(m, key, v), "key '" + key + "': " + sentence);
    };
    refused(value(ints({4, 4, 1, 0})), "expected at most 8 pairs together, found 9");
    refused(value(ints({9, 0, 0, 0})), "expected 0 to 8, found 9");
    refused(value(ints({2, 2, 2, 2})), "expected 0 pairs in the fourth section, found 2");
    refused(value(ints({1, 1, 1, 0, 0})), "expected an array of 1 to 4 counts, found 5");
    for (const value& none : {value(ints({})), value(8), value("8"), value(true)})
      refused(none, "expected an array of 1 to 4 counts, found none");
    for (const value& wrong : {value(ints({-1, 8, 1, 0})), value(std::vector<float>{4, 2, 2, 0}),
                               value(std::vector<std::string>{"4", "2", "2", "0"})}) {
      auto file = with(m, key, wrong);
      const auto loaded = any_model::try_load(file.bytes(), {.threads = 1});
      REQUIRE(!loaded);
      CHECK(std::string(loaded.failure().what()).starts_with("key '" + key + "': element 0: expected u64, found "));
    }
  }
}

TEST_CASE("deepseek2: without experts all layers are dense; a silent file of 47 or 48 layers chooses them by sigmoids") {
  const limits most;
  const smallest_model m("deepseek2");
  const auto config_of = [&](const smallest_model& file) {
    hyperparameters h(file.meta, "deepseek2", most);
    return arch::deepseek2::read(h);
  };
  using gating = router_spec::gating;
  CHECK(config_of(m).router.by == gating::softmax);
  const auto layers = with(m, "deepseek2.block_count", value(47));
  CHECK(config_of(layers).router.by == gating::sigmoid);
  CHECK(config_of(with(layers, "deepseek2.expert_gating_func", value(1))).router.by == gating::softmax);
  const auto dense = lacking(m, "deepseek2.expert_count").completed();
  CHECK(run(dense, 1) == run(dense));
}

TEST_CASE("which layers see a window is a number or a list, with flags for blocks that draft or without") {
  for (const std::string name : {"laguna", "modern-bert"}) {
    INFO(name);
    const limits most;
    smallest_model m(name, 32, 6);
    m = with(std::move(m), name + ".attention.sliding_window", value(5));
    const auto windowed = [&](const smallest_model& file) {
      hyperparameters h(file.meta, name, most);
      const auto c = name == "laguna" ? arch::laguna::read(h) : arch::modern_bert::read(h);
      std::vector<bool> out;
      for (const auto& l : c.layer) out.push_back(l.sees_window());
      return out;
    };
    const std::string pattern = name + ".attention.sliding_window_pattern";
    CHECK(windowed(with(m, pattern, value(2))) == flags({false, true, false, true, false, true}));
    CHECK(windowed(with(m, pattern, value(3))) == flags({false, true, true, false, true, true}));
    const auto marks = flags({true, true, false, true, false, false});
    CHECK(windowed(with(m, pattern, value(marks))) == marks);
    CHECK(windowed(lacking(m, name + ".attention.sliding_window")) == std::vector<bool>(6));
    auto more = marks;
    more.push_back(true);
    const auto drafts = with(with(m, name + ".block_count", value(7)), name + ".nextn_predict_layers", value(1));
    CHECK(windowed(with(drafts, pattern, value(more))) == marks);
    CHECK(windowed(with(drafts, pattern, value(marks))) == marks);
  }
}

TEST_CASE("qwen2moe: a file that does not say how wide experts are divides the feed-forward among those that are used") {
  const smallest_model m("qwen2moe");
  const limits most;
  hyperparameters h(m.meta, "qwen2moe", most);
  CHECK(arch::qwen2moe::read(h).expert_hidden == 16);  // 32, of 2 experts
}

TEST_CASE("a classifier scores what its architecture does, or what the file says") {
  const limits most;
  const auto check = [&]<class Architecture>(std::type_identity<Architecture>, pooling silent) {
    const std::string name(Architecture::name);
    INFO(name);
    const smallest_model m(name);
    const auto scored = [&](const smallest_model& file) {
      hyperparameters h(file.meta, name, most);
      return Architecture::read(h).pooling.scored;
    };
    CHECK(scored(m) == silent);
    for (const pooling how : {pooling::mean, pooling::first, pooling::last})
      CHECK(scored(with(m, name + ".classifier.pooling_type", value(static_cast<int>(how)))) == how);
    for (const int none : {0, 4})
      refuse(with(m, name + ".classifier.pooling_type", value(none)),
             "key '" + name + ".classifier.pooling_type': expected 1 to 3, found " + std::to_string(none));
  };
  check(std::type_identity<arch::modern_bert>(), pooling::mean);
  check(std::type_identity<arch::bert>(), pooling::first);
  check(std::type_identity<arch::qwen3>(), pooling::last);
  check(std::type_identity<arch::mamba2>(), pooling::first);
}
