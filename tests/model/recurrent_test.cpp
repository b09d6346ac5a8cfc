/// Models with recurrent layers: whatever is done to a sequence, its bits are those of a fresh one; and files whose sizes of
/// recurrent layers are missing or contradict each other are refused.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "nibble/generate/session.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"
#include "support/smallest_model.hpp"

using namespace nibble;
using nibble_test::smallest_model;

namespace {
using floats = std::vector<float>;

/// Four layers each, of both kinds where there are two; and a model of attention alone.
const char* const names[] = {"lfm2", "qwen35", "mamba2", "granitehybrid", "falcon-h1", "qwen3next", "llama"};

any_model made(const char* name, std::size_t threads = 2) {
  return any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = threads});
}
std::vector<token> some_tokens(std::size_t count, std::size_t from = 0) {
  std::vector<token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>((from + i) * 7919 % 39));
  return out;
}
evaluator evaluator_of(const any_model& model, session_options options = {}) {
  options.context = 90;
  return evaluator::try_create(model, options).value();
}
floats row_after(evaluator& e, std::span<const token> ids) {
  REQUIRE(e.feed(ids) == feed_outcome::done);
  return {e.logits().begin(), e.logits().end()};
}
floats fresh(const any_model& model, std::span<const token> ids) {
  auto e = evaluator_of(model);
  return row_after(e, ids);
}
bool has_states(const any_model& model) {
  bool any = false;
  for (const kv_shape& s : model.kv()) any = any || s.state > 0;
  return any;
}
}  // namespace

TEST_CASE("the smallest files have layers of both kinds, and states that are planned") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    std::size_t states = 0, caches = 0;
    for (const kv_shape& s : m.kv()) states += s.state > 0, caches += s.heads > 0;
    const std::string of = name;
    CHECK(states == (of == "llama" ? 0 : of == "mamba2" || of == "falcon-h1" ? 4 : 2));
    CHECK(caches == (of == "mamba2" ? 0 : of == "llama" || of == "falcon-h1" ? 4 : 2));
    auto plan = m.plan({.context = 90, .state_interval = 20});
    plan.sampling = 0;
    CHECK((plan.states > 0) == (states > 0));
    auto e = evaluator_of(m, {.marks = true, .state_interval = 20});
    CHECK(e.memory().total() == plan.total());
    row_after(e, some_tokens(80));
    CHECK(e.scratch_peak() <= plan.scratch);
  }
}

TEST_CASE("recurrent layers give the same bits for any threads, chunks, and rows that are wanted") {
  for (const char* name : names) {
    INFO(name);
    const auto ids = some_tokens(70);
    const auto m = made(name, 1);
    auto one_by_one = evaluator_of(m, {.prefill_chunk = 1, .output_rows = 1});
    std::vector<floats> expected;
    const auto keep = [&](std::size_t, std::span<float> row) { expected.emplace_back(row.begin(), row.end()); };
    REQUIRE(one_by_one.feed_each(ids, keep) == feed_outcome::done);
    const auto compare = [&](std::size_t i, std::span<float> row) { REQUIRE(floats(row.begin(), row.end()) == expected[i]); };
    for (const std::size_t threads : {1, 2, 3}) {
      const auto other = made(name, threads);
      for (const std::size_t chunk : {1, 2, 7, 64}) {
        auto e = evaluator_of(other, {.prefill_chunk = chunk, .output_rows = chunk});
        REQUIRE(e.feed_each(ids, compare) == feed_outcome::done);
        REQUIRE(e.truncate(0));
        const std::uint32_t some[] = {0, 3, 11, 12, 13, 64, 69};
        REQUIRE(e.feed_some(ids, some, compare) == feed_outcome::done);
      }
    }
  }
}

TEST_CASE("cut back anywhere, with copies of states or without, a sequence goes on as one that was never longer") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    const auto ids = some_tokens(85), other = some_tokens(20, 500);
    for (const std::size_t interval : {0, 1, 10, 40}) {
      auto e = evaluator_of(m, {.prefill_chunk = 16, .marks = true, .state_interval = interval});
      for (const std::size_t position : {84, 60, 41, 33, 17, 2, 0}) {
        REQUIRE(e.truncate(0));
        row_after(e, std::span(ids).first(30));
        e.mark();
        row_after(e, std::span(ids).subspan(30));
        const std::size_t from = e.resumable(position);
        REQUIRE(from <= position);
        if (!has_states(m)) REQUIRE(from == position);
        if (interval > 0) REQUIRE(from + interval + 16 > position);
        if (position >= 30) REQUIRE(from >= 30);
        REQUIRE(e.truncate(position) == (from == position));
        REQUIRE(e.truncate(from));
        auto text = std::vector<token>(ids.begin(), ids.begin() + std::ptrdiff_t(position));
        text.insert(text.end(), other.begin(), other.begin() + 5);
        REQUIRE(row_after(e, std::span(text).subspan(from)) == fresh(m, text));
      }
    }
  }
}

TEST_CASE("a step that is cancelled or thrown out in the middle of a prompt leaves states as they were") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    const auto ids = some_tokens(60);
    for (const std::size_t at : {0, 16, 40}) {
      auto e = evaluator_of(m, {.prefill_chunk = 16});
      if (at > 0) row_after(e, std::span(ids).first(at));
      nibble::stop_source stop;
      stop.request_stop();
      REQUIRE(e.feed(std::span(ids).subspan(at), stop.get_token()) == feed_outcome::cancelled);
      REQUIRE(e.position() == at);
      REQUIRE(row_after(e, std::span(ids).subspan(at)) == fresh(m, ids));
    }
  }
}

TEST_CASE("sequences that advance together, and forks, have the bits of each alone") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    auto b = batch_evaluator::try_create(m, 3, {.context = 90}).value();
    std::vector<token> texts[3];
    for (std::size_t i = 0; i < 2; ++i) {
      texts[i] = some_tokens(20 + i * 13, i * 100);
      REQUIRE(b.feed(i, texts[i]) == feed_outcome::done);
    }
    b.fork(1, 2);
    texts[2] = texts[1];
    for (std::size_t step = 0; step < 6; ++step) {
      std::vector<batch_evaluator::entry> entries;
      for (std::size_t i = 0; i < 3; ++i) {
        if (step % 3 == i) continue;
        const token next = static_cast<token>((step * 5 + i * 11) % 39);
        entries.push_back({i, next}), texts[i].push_back(next);
      }
      REQUIRE(b.step(entries) == feed_outcome::done);
      for (std::size_t k = 0; k < entries.size(); ++k) {
        const auto row = b.logits(k);
        REQUIRE(floats(row.begin(), row.end()) == fresh(m, texts[entries[k].sequence]));
      }
    }
  }
}

TEST_CASE("a sequence whose state is no number leaves others of the batch as they are") {
  for (const char* name : names) {
    INFO(name);
    smallest_model file(name, 32, 4);
    static_cast<void>(file.bytes());
    auto* embedding = reinterpret_cast<float*>(file.tensors[0].data.data());
    for (std::size_t i = 0; i < 32; ++i) embedding[7 * 32 + i] = i % 2 ? std::numeric_limits<float>::quiet_NaN() : INFINITY;
    const auto m = any_model::load(file.bytes(), {.threads = 2});
    auto b = batch_evaluator::try_create(m, 2, {.context = 90}).value();
    const std::vector<token> sound = some_tokens(20), broken{1, 7, 3};
    REQUIRE(b.feed(1, broken) == feed_outcome::done);
    REQUIRE(b.feed(0, sound) == feed_outcome::done);
    const batch_evaluator::entry both[] = {{1, 5}, {0, 6}};
    REQUIRE(b.step(both) == feed_outcome::done);
    CHECK(!std::isfinite(b.logits(0)[0]));
    auto text = sound;
    text.push_back(6);
    const auto others = [](std::span<const float> row) {  // logits but that of the broken token
      floats out(row.begin(), row.end());
      out[7] = 0;
      return out;
    };
    CHECK(others(b.logits(1)) == others(fresh(m, text)));
    CHECK(std::isfinite(b.logits(1)[0]));
    b.truncate(1, 0);  // and a sequence that begins anew has forgotten it
    REQUIRE(b.feed(1, sound) == feed_outcome::done);
    const batch_evaluator::entry again[] = {{1, 6}};
    REQUIRE(b.step(again) == feed_outcome::done);
    CHECK(others(b.logits(0)) == others(fresh(m, text)));
  }
}

TEST_CASE("another reply of a session has the bits of the first, and reads a step of the prompt at most") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    const auto prompt = some_tokens(40);
    session s(m, {.context = 90, .prefill_chunk = 16});
    const auto reply = [&](std::span<const token> text) {
      floats logprobs;
      for (const auto& event : s.try_generate(text, {.max_tokens = 20, .stop_tokens = {}, .logprobs = true}).value()) {
        logprobs.push_back(event.logprob);
      }
      return logprobs;
    };
    const auto first = reply(prompt);
    REQUIRE(first.size() == 20);
    for (int i = 0; i < 3; ++i) {
      s.truncate(prompt.size());
      CHECK(reply({}) == first);
      CHECK(s.stats().prompt_tokens <= 16);
    }
    s.truncate(35);
    CHECK(reply(std::span(prompt).subspan(35)) == first);
  }
}

// ---- hostile files ---------------------------------------------------------------------------------------------------------

namespace {
/// What is said about a file after a change, which says nothing before.
template <class Change>
std::string said_of(const char* name, Change&& change) {
  smallest_model file(name, 32, 4);
  static_cast<void>(file.bytes());
  REQUIRE(any_model::try_load(file.bytes(), {.threads = 1}));
  change(file);
  const auto loaded = any_model::try_load(file.bytes(), {.threads = 1});
  const auto bytes = file.bytes();
  const auto plan = any_model::try_plan(gguf_file::parse(bytes));
  if (loaded || plan) return loaded ? "loaded" : "planned";
  CHECK(std::string(plan.failure().what()) == loaded.failure().what());
  return loaded.failure().what();
}
template <class T>
std::string with_key(const char* name, const std::string& key, const T& v) {
  return said_of(name, [&](smallest_model& m) { m.meta.set(std::string(name) + "." + key, value(v)); });
}
void says(const std::string& found, const std::string& expected) {
  INFO(found);
  CHECK(found.find(expected) != std::string::npos);
}
}  // namespace

TEST_CASE("sizes of recurrent layers that are missing, out of bounds or contradict each other are refused by name") {
  for (const char* name : {"qwen35", "mamba2", "granitehybrid", "falcon-h1"}) {
    INFO(name);
    for (const char* key : {"conv_kernel", "inner_size", "state_size", "time_step_rank", "group_count"}) {
      const std::string whole = std::string(name) + ".ssm." + key;
      says(said_of(name, [&](smallest_model& m) { m.meta.erase(whole); }), "key '" + whole + "' is missing");
      for (const std::uint32_t n : {0u, 0xffffffffu}) {
        says(with_key(name, std::string("ssm.") + key, n), "key '" + whole + "': expected ");
      }
      says(with_key(name, std::string("ssm.") + key, std::int32_t{-1}), "key '" + whole + "'");
      says(with_key(name, std::string("ssm.") + key, "many"), "key '" + whole + "'");
    }
    says(with_key(name, "ssm.time_step_rank", 5),
         "ssm.time_step_rank': expected a divisor of the 32 numbers of ssm.inner_size");
    says(with_key(name, "ssm.group_count", 3), "ssm.group_count': expected a divisor of the 4 heads");
    says(with_key(name, "ssm.conv_kernel", 5), "ssm_conv1d.weight: expected (");
  }
  says(with_key("qwen35", "ssm.state_size", 4),
       "ssm.inner_size': expected ssm.time_step_rank times ssm.state_size, 16, found 32");
  for (const char* name : {"mamba2", "granitehybrid", "falcon-h1"}) {
    says(with_key(name, "ssm.state_size", 4), "ssm_in.weight: expected (");
    says(with_key(name, "ssm.inner_size", 64), "ssm_in.weight: expected (");
  }
  says(said_of("lfm2", [](smallest_model& m) { m.meta.erase("lfm2.shortconv.l_cache"); }), "l_cache' is missing");
  for (const std::uint32_t n : {0u, 1u, 1000u}) says(with_key("lfm2", "shortconv.l_cache", n), "expected 2 to 64");
  says(with_key("lfm2", "shortconv.l_cache", 4), "shortconv.conv.weight: expected (32, 4), found (32, 3)");
}

TEST_CASE("which layers are recurrent is refused where it is no list of all of them, or leaves a layer without its tensors") {
  using numbers = std::vector<std::uint32_t>;
  for (const char* name : {"lfm2", "granitehybrid"}) {
    says(with_key(name, "attention.head_count_kv", numbers{0, 2}), "attention.head_count_kv': expected a number, or 4 of them");
    says(with_key(name, "attention.head_count_kv", numbers{0, 3, 0, 0}), "expected 0 to 2, found 3");
    says(with_key(name, "attention.head_count_kv", numbers{0, 0, 0, 0}), ": the tensor is missing");
    says(with_key(name, "attention.head_count_kv", numbers{2, 2, 2, 2}), "attn_q.weight: the tensor is missing");
    says(with_key(name, "feed_forward_length", numbers{32, 0, 32, 32}), "feed_forward_length': expected 1 or more, found 0");
  }
  says(with_key("qwen35", "full_attention_interval", 0), "full_attention_interval': expected 1 to");
  says(with_key("qwen35", "full_attention_interval", 3), ": the tensor is missing");
  says(with_key("qwen35", "attention.recurrent_layers", std::vector<bool>{true, false}), "expected 4 flags");
  says(with_key("qwen35", "attention.recurrent_layers", std::vector<bool>{false, true, true, true}), ".weight: expected (");
  CHECK(with_key("qwen35", "attention.recurrent_layers", std::vector<bool>{true, false, true, false}) == "loaded");
  says(with_key("mamba2", "attention.head_count", 4), "attention.head_count': expected 0 to 0, found 4");
  says(with_key("mamba2", "feed_forward_length", 64), "feed_forward_length': expected 0 to 0, found 64");
}

TEST_CASE("states out of proportion to the file are refused by a limit that the caller may raise") {
  smallest_model file("mamba2", 32, 4);
  file.meta.set("mamba2.ssm.state_size", value(std::uint32_t{4096}));
  for (auto& t : file.tensors) {
    if (t.name.ends_with("ssm_in.weight")) t.dims[1] = 32 + 32 + 2 * 2 * 4096 + 4, t.type = tensor_type::q8_0;
    if (t.name.ends_with("ssm_conv1d.weight")) t.dims[1] = 32 + 2 * 2 * 4096, t.data.clear();
    if (t.name.ends_with("ssm_conv1d.bias")) t.dims[0] = 32 + 2 * 2 * 4096, t.data.clear();
    if (!t.name.ends_with("ssm_in.weight")) continue;
    t.data.assign(*try_quantized_bytes(tensor_type::q8_0, t.dims[1], 32), std::byte{0});
  }
  const auto bytes = file.bytes();
  const auto refused = evaluator::try_create(any_model::load(bytes), {.context = 8});
  REQUIRE(!refused);
  CHECK(std::string(refused.failure().what()).find("limits::state_bytes") != std::string::npos);
  const limits raised{.scratch_token_bytes = 1u << 20, .state_bytes = 8u << 20};
  CHECK(evaluator::try_create(any_model::load(bytes, {.limits = raised}), {.context = 8}));
}
