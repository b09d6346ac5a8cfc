/// What tells families of decoders apart, each shown with a small file that is changed in this one thing.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "model/smallest.hpp"
#include "nibble/model/any_model.hpp"

using namespace nibble;
using namespace nibble_test;

TEST_CASE("gpt2: a session is no longer than the positions that the model has learned") {
  const auto model = any_model::load(smallest_model("gpt2").bytes(), {.threads = 1});
  CHECK(evaluator::try_create(model).value().context() == 96);
  CHECK(evaluator::try_create(model, {.context = 96}));
  const auto longer = evaluator::try_create(model, {.context = 97});
  REQUIRE(!longer);
  CHECK(longer.failure().code() == errc::invalid_argument);
  CHECK(std::string(longer.failure().what()) ==
        "session_options::context: expected at most 96, for which the model has positions, found 97");
}

TEST_CASE("blocks that draft tokens are no part of the pass, and need not be known") {
  const smallest_model plain("glm4");
  auto drafting = with_tensor(with(plain, "glm4.block_count", value(3)), "blk.2.nextn.eh_proj.weight", {64, 32});
  refuse(drafting, "blk.2.attn_norm.weight: the tensor is missing");
  drafting.meta.set("glm4.nextn_predict_layers", value(1));
  CHECK(run(drafting) == run(plain));
  refuse(
      with(smallest_model("glm4", 32, 3), "glm4.nextn_predict_layers", value(1)),
      "blk.2.attn_norm.weight: glm4 does not read this tensor, nor 9 others: without it, the results would not be the model's");
  refuse(with(drafting, "glm4.nextn_predict_layers", value(3)), "key 'glm4.nextn_predict_layers': expected 0 to 2, found 3");
  refuse(with(drafting, "glm4.attention.head_count", value(std::vector<std::uint32_t>{2, 2})),
         "key 'glm4.attention.head_count': expected a number, or 3 of them, found array of 2 u32");
}

TEST_CASE("qwen2: queries, keys and values have biases in all layers or in none") {
  const smallest_model m("qwen2");
  const auto plain = run(m);
  auto biased = with_tensor(m, "blk.0.attn_q.bias", {32});
  refuse(biased, "blk.0.attn_k.bias: the tensor is missing");
  for (const char* name : {"blk.0.attn_k.bias", "blk.0.attn_v.bias", "blk.1.attn_q.bias", "blk.1.attn_k.bias"}) {
    biased = with_tensor(biased, name, {32});
  }
  refuse(biased, "blk.1.attn_v.bias: the tensor is missing");
  CHECK(run(with_tensor(biased, "blk.1.attn_v.bias", {32})) != plain);
}

TEST_CASE("deepseek2: queries grow with their positions") {
  const smallest_model m("deepseek2");
  const std::string a = "deepseek2.attention.";
  const auto hot = with(m, a + "temperature_scale", value(0.5f));
  CHECK(run(with(hot, a + "temperature_length", value(20))) == run(m));
  const auto near = with(hot, a + "temperature_length", value(3));
  CHECK(run(near) != run(m));
  CHECK(run(near, 7) == run(near));
  refuse(with(hot, a + "temperature_length", value(0)), "key '" + a + "temperature_length': expected 1 to 16777216, found 0");
}

TEST_CASE("architectures with biases everywhere refuse a file that lacks one") {
  const std::vector<std::string> of_all{"blk.1.attn_output.bias", "blk.0.ffn_up.bias", "blk.1.ffn_down.bias"};
  const auto check = [&](const char* architecture, const std::vector<std::string>& more) {
    INFO(architecture);
    const smallest_model whole(architecture);
    for (const auto* names : {&of_all, &more}) {
      for (const std::string& name : *names) {
        smallest_model m = whole;
        REQUIRE(std::erase_if(m.tensors, [&](const auto& t) { return t.name == name; }) == 1);
        refuse(m, name + ": the tensor is missing");
      }
    }
  };
  check("phi2", {"output.bias", "output_norm.bias", "blk.0.attn_norm.bias"});
  for (const char* name : {"gpt2", "gptneox", "starcoder2"}) check(name, {"output_norm.bias", "blk.0.ffn_norm.bias"});
  for (const char* name : {"bert", "jina-bert-v3"})
    check(name, {"token_embd_norm.bias", "blk.0.attn_output_norm.bias", "blk.1.layer_output_norm.bias"});
}

TEST_CASE("nemotron_h: the epsilon of its norms may have the name of layer norms', and only there") {
  const auto renamed = [](const smallest_model& m, const std::string& name) {
    smallest_model out = with(m, name + ".attention.layer_norm_epsilon", value(1e-5f));
    out.meta.erase(name + ".attention.layer_norm_rms_epsilon");
    return out;
  };
  for (const char* name : {"nemotron_h", "nemotron_h_moe"}) {
    const smallest_model m(name);
    CHECK(run(renamed(m, name)) == run(m));
  }
  refuse(renamed(smallest_model("llama"), "llama"), "key 'llama.attention.layer_norm_rms_epsilon' is missing");
}

TEST_CASE("gptneox: the feed-forward stands beside attention or behind it") {
  const smallest_model m("gptneox");
  CHECK(run(with(m, "gptneox.use_parallel_residual", value(false))) != run(m));
}

TEST_CASE("falcon: attention may have a norm of its own") {
  smallest_model m("falcon");
  const auto one = run(m);
  for (const int layer : {0, 1}) {
    m.tensors.push_back({"blk." + std::to_string(layer) + ".attn_norm_2.weight", tensor_type::f32, {32}, {}});
    for (const auto& t : m.tensors)
      if (t.name == "blk." + std::to_string(layer) + ".attn_norm.weight") m.tensors.back().data = t.data;
  }
  CHECK(run(m) == one);
  m.tensors.back().data.clear();
  CHECK(run(m) != one);
  m.tensors.pop_back();
  refuse(m, "blk.1.attn_norm_2.weight: the tensor is missing");
}

TEST_CASE("stablelm and command-r: norms of queries and keys, each head with a gain of its own, in all layers or in none") {
  for (const std::string name : {"stablelm", "command-r"}) {
    INFO(name);
    smallest_model m(name);
    const auto plain = run(m);
    for (const char* tensor : {"blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight", "blk.1.attn_q_norm.weight"}) {
      m = with_tensor(m, tensor, {16, 2});
    }
    refuse(m, "blk.1.attn_k_norm.weight: the tensor is missing");
    m = with_tensor(m, "blk.1.attn_k_norm.weight", {16, 2});
    const auto normed = run(m);
    CHECK(normed != plain);
    m.tensors.back().data = numbers(32, 1);
    const auto alike = run(m);
    m.tensors.back().data = numbers(32, 2);
    CHECK(run(m) != alike);
    refuse(with_tensor(m, "blk.0.attn_q_norm.weight", {16}), "blk.0.attn_q_norm.weight: expected (2, 16), found (16)");
  }
  const smallest_model m("stablelm");  // side by side, without a second norm
  const auto second = with_tensor(m, "blk.0.ffn_norm.weight", {32});
  refuse(second, "blk.1.ffn_norm.weight: the tensor is missing");
  CHECK(run(with_tensor(second, "blk.1.ffn_norm.weight", {32})) != run(m));
}

TEST_CASE("mistral3: queries grow with their positions") {
  const auto m = with(smallest_model("mistral3"), "mistral3.rope.scaling.original_context_length", value(4));
  const auto plain = run(m);
  const auto hot = with(m, "mistral3.attention.temperature_scale", value(0.5f));
  CHECK(run(hot) != plain);
  CHECK(run(hot) == run(hot, 3));
  CHECK(run(with(hot, "mistral3.attention.temperature_length", value(4))) == run(hot));
  CHECK(run(with(hot, "mistral3.attention.temperature_length", value(7))) != run(hot));
  refuse(with(hot, "mistral3.attention.temperature_length", value(0)),
         "key 'mistral3.attention.temperature_length': expected 1 to 16777216, found 0");
  CHECK(run(with(m, "mistral3.attention.temperature_scale", value(0.0f))) == plain);
  refuse(with(m, "mistral3.attention.temperature_scale", value(-1.0f)),
         "key 'mistral3.attention.temperature_scale': expected a positive number, or 0, found -1.000000");
}

TEST_CASE("apertus: numbers of the activation are finite, and there are some for each layer") {
  const smallest_model m("apertus");
  for (const std::string key : {"xielu.alpha_p", "xielu.alpha_n", "xielu.beta", "xielu.eps"}) {
    INFO(key);
    CHECK(run(with(m, key, value(std::vector<float>{0.1f, -0.1f}))) != run(m));
    refuse(with(m, key, value(std::vector<float>{1})), "key '" + key + "': expected 2 finite numbers, found 1");
    for (const float x : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      refuse(with(m, key, value(std::vector<float>{1, x})), "key '" + key + "': expected 2 finite numbers, found others");
    }
  }
}

TEST_CASE("granite_swa: a flag for each layer says which see a window, and which rotate") {
  const smallest_model m("granite_swa");
  const auto plain = run(m);
  const auto window = with(m, "granite_swa.attention.sliding_window", value(4));
  CHECK(run(window) == plain);  // seen by no layer
  const auto pattern = with(window, "granite_swa.attention.sliding_window_pattern", value(std::vector<bool>{true, false}));
  CHECK(run(pattern) != plain);
  const auto turned = with(m, "granite_swa.attention.rope_pattern", value(std::vector<bool>{true, false}));
  CHECK(run(turned) != plain);
  CHECK(run(with(m, "granite_swa.attention.rope_pattern", value(std::vector<bool>{true, true}))) == plain);
  refuse(with(m, "granite_swa.attention.rope_pattern", value(std::vector<bool>{true})),
         "key 'granite_swa.attention.rope_pattern': expected 2 flags, found array of 1 bool");
  const auto still = run(with(m, "granite_swa.rope.scaling.finetuned", value(false)));
  CHECK(still != plain);
  CHECK(run(with(m, "granite_swa.attention.rope_pattern", value(std::vector<bool>{false, false}))) == still);
  refuse(with_tensor(m, "blk.0.attn_sinks.weight", {3}), "blk.0.attn_sinks.weight: expected (2), found (3)");
}

TEST_CASE("granite: embeddings, branches, scores and logits are scaled, and 0 is no scale") {
  const smallest_model m("granite");
  const auto plain = run(m);
  for (const char* key : {"embedding_scale", "residual_scale", "logit_scale", "attention.scale"}) {
    INFO(key);
    const std::string name = std::string("granite.") + key;
    CHECK(run(with(m, name, value(0.5f))) != plain);
    CHECK(run(with(m, name, value(0.0f))) == plain);
    refuse(with(m, name, value(-1.0f)), "key '" + name + "': expected a positive number, or 0, found -1.000000");
  }
  CHECK(run(with(m, "granite.logit_scale", value(2.0f)))[7] == doctest::Approx(plain[7] / 2));
}

TEST_CASE("hunyuan-dense: the rotary base may be scaled") {
  const smallest_model m("hunyuan-dense");
  const auto scaled = run(with(m, "hunyuan-dense.rope.scaling.alpha", value(1000.0f)));
  CHECK(scaled != run(m));
  const double base = 1e4 * std::pow(1000.0, 16.0 / 14);
  const auto based = run(with(m, "hunyuan-dense.rope.freq_base", value(float(base))));
  for (std::size_t i = 0; i < scaled.size(); ++i) CHECK(scaled[i] == doctest::Approx(based[i]).epsilon(1e-3));
  refuse(with(m, "hunyuan-dense.rope.scaling.alpha", value(-1.0f)),
         "key 'hunyuan-dense.rope.scaling.alpha': expected a positive number, or 0, found -1.000000");
  const auto narrow = with(m, "hunyuan-dense.rope.dimension_count", value(2));
  CHECK(run(narrow) != run(m));
  refuse(with(narrow, "hunyuan-dense.rope.scaling.alpha", value(1000.0f)),
         "key 'hunyuan-dense.rope.dimension_count': expected more than 2, where alpha scales the base, found 2");
}

TEST_CASE("muse-glimmer: a gate for each number of a head, or one for all of them") {
  const smallest_model m("muse-glimmer");
  const auto by_head = with_tensor(with_tensor(m, "blk.0.attn_gate.weight", {32, 2}), "blk.1.attn_gate.weight", {32, 2});
  CHECK(run(by_head) != run(m));
  CHECK(run(by_head) == run(by_head, 3));
  refuse(with_tensor(m, "blk.1.attn_gate.weight", {32, 5}), "blk.1.attn_gate.weight: expected (32, 32), found (5, 32)");
}

TEST_CASE("layers that see a window may rotate by themselves, or alone") {
  for (const std::string name : {"cohere2", "olmo2", "muse-glimmer", "exaone4"}) {
    INFO(name);
    const smallest_model m(name, 32, name == "exaone4" ? 64 : 4);
    const std::string key = name + ".attention.sliding_window";
    const auto far = run(with(m, key, value(90))), near = run(with(m, key, value(4)));
    CHECK(far != near);
    CHECK(run(with(m, key, value(4)), 3) == near);
    const auto other_base = run(with(with(m, key, value(90)), name + ".rope.freq_base", value(500.0f)));
    CHECK(other_base != far);
    if (name == "exaone4") continue;
    const auto all = with(m, name + ".attention.sliding_window_pattern", value(1));  // no layer sees a window
    const bool turns = name == "olmo2";
    CHECK((run(with(all, name + ".rope.freq_base", value(500.0f))) != run(all)) == turns);
  }
  const auto yarn = [](smallest_model m) {
    m.meta.set("olmo2.rope.scaling.type", value("yarn")), m.meta.set("olmo2.rope.scaling.factor", value(8.0f));
    return run(m);
  };
  const auto windows = with(smallest_model("olmo2"), "olmo2.attention.sliding_window", value(4));
  const auto everywhere = with(windows, "olmo2.attention.sliding_window_pattern", value(std::vector<bool>{true, true}));
  CHECK(yarn(everywhere) == run(everywhere));  // reaching further is for the layers that see all
  CHECK(yarn(with(windows, "olmo2.attention.sliding_window_pattern", value(1))) != run(windows));
}

TEST_CASE("parts of one tensor need not be whole groups of rows") {
  for (const std::string name : {"llama", "gpt2"}) {
    INFO(name);
    smallest_model apart(name, 40), joined = apart;
    std::erase_if(joined.tensors, [](const auto& t) { return t.name.find("attn_") != std::string::npos; });
    for (const std::string layer : {"blk.0.", "blk.1."}) {
      for (const std::string kind : {"weight", "bias"}) {
        smallest_model::tensor all{layer + "attn_qkv." + kind, tensor_type::f32, {}, {}};
        for (const std::string part : {"q.", "k.", "v."}) {
          for (const auto& t : apart.tensors) {
            if (t.name != layer + "attn_" + part + kind) continue;
            all.data.insert(all.data.end(), t.data.begin(), t.data.end());
            all.dims = kind == "bias" ? std::vector<std::uint64_t>{120} : std::vector<std::uint64_t>{40, 120};
          }
        }
        if (!all.dims.empty()) joined.tensors.push_back(std::move(all));
      }
      for (const auto& t : apart.tensors)
        if (t.name.starts_with(layer + "attn_output") || t.name.starts_with(layer + "attn_norm")) joined.tensors.push_back(t);
    }
    CHECK(run(joined) == run(apart));
    CHECK(run(joined, 3, true) == run(apart));
  }
}

TEST_CASE("phi3 and glm4: the gate stands before up in one tensor") {
  for (const std::string name : {"phi3", "glm4"}) {
    const smallest_model m(name, 40);
    CHECK(run(m) == run(m, 3, true));
    refuse(with_tensor(m, "blk.0.ffn_up.weight", {40, 40}), "blk.0.ffn_up.weight: expected (80, 40), found (40, 40)");
  }
}

TEST_CASE("values of heads may be of another width than their keys") {
  auto m = with(smallest_model("llama"), "llama.attention.value_length", value(8));
  refuse(m, "blk.0.attn_v.weight: expected (16, 32), found (32, 32)");
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    m = with_tensor(with_tensor(m, layer + "attn_v.weight", {32, 16}), layer + "attn_output.weight", {16, 32});
  }
  CHECK(run(m) == run(m, 3, true));
}

TEST_CASE("a part of each head may rotate, but for llama and falcon, whose files never say so") {
  for (const std::string name : {"qwen2", "phi2", "gptneox", "stablelm", "glm4"}) {
    INFO(name);
    const smallest_model m(name);
    const std::string key = name + ".rope.dimension_count";
    CHECK(run(with(m, key, value(8))) != run(m));
    CHECK(run(with(m, key, value(16))) == run(m));
    for (const int wrong : {0, 7, 18}) {
      refuse(with(m, key, value(wrong)),
             "key '" + key + "': expected the head's 16, or fewer that are even, found " + std::to_string(wrong));
    }
  }
  for (const std::string name : {"llama", "falcon"}) {
    const std::string key = name + ".rope.dimension_count";
    refuse(with(smallest_model(name), key, value(8)), "key '" + key + "': expected the head's 16, found 8");
  }
}

TEST_CASE("phi3 and starcoder2: the window that a file states is not seen") {
  for (const std::string name : {"phi3", "starcoder2"}) {
    const smallest_model m(name);
    CHECK(run(with(m, name + ".attention.sliding_window", value(3))) == run(m));
  }
}
