/// What architectures to come need, each tried by a toy that uses it: recurrent states, experts, masks that look ahead, hidden
/// states, fused projections, rows wanted anywhere, formats and observers of a user's own.
#include "model/toys.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "nibble/generate/session.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/model.hpp"
#include "nibble/model/registry.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"

using namespace nibble_test;

// ---- recurrent states ------------------------------------------------------------------------------------------------------

TEST_CASE("a recurrent state gives the same bits for any threads and chunks, is planned, and matters") {
  const auto bytes = file_of("hybrid");
  const auto found = check_bits<model<hybrid>>(bytes);
  const auto m = model<hybrid>::load(bytes);
  const auto other = some_tokens(100);
  auto changed = other;
  changed[0] = 77;
  CHECK(fresh(m, changed) != found);
  const auto plan = m.plan({.context = 200, .state_interval = 0});
  std::size_t layers = 0;
  for (const kv_shape& s : m.kv()) layers += s.state > 0;
  CHECK(layers == m.kv().size() / 2);
  const std::size_t slot = layers * round_up(m.kv()[1].state * sizeof(float), cache_line);
  CHECK(plan.states == 4 * slot);  // now, before, at a mark and before that
  CHECK(m.plan({.context = 200}).states == 7 * slot);
  CHECK(m.plan({.context = 200, .marks = false, .state_interval = 30}).states == 8 * slot);
  CHECK(m.plan({.context = 200, .marks = false}, 2).states == 2 * 2 * slot);
  CHECK(evaluator_of(m).memory().states == 2 * slot);
  for (const session_options& o : {session_options{.context = 200, .marks = true, .state_interval = 7},
                                   session_options{.context = 200, .marks = false, .state_interval = 0}}) {
    auto planned = m.plan(o);
    planned.sampling = 0;
    CHECK(evaluator_of(m, o).memory().total() == planned.total());
  }
}

TEST_CASE("a session on recurrent layers: another reply reads no more again than the last step of the prompt") {
  const auto m = model<hybrid>::load(file_of("hybrid"));
  const auto prompt = some_tokens(100);
  const generate_options options{.max_tokens = 40, .stop_tokens = {}};
  const auto ids_of = [&](session& s, std::span<const token> text) {
    std::vector<token> ids;
    for (const auto& event : s.try_generate(text, options).value()) ids.push_back(event.id);
    return ids;
  };
  session first(m, {.context = 200, .prefill_chunk = 16});
  const auto expected = ids_of(first, prompt);
  for (int i = 0; i < 3; ++i) {
    first.truncate(prompt.size());
    CHECK(ids_of(first, {}) == expected);
    CHECK(first.stats().prompt_tokens <= 16);
  }
  first.truncate(70);  // a copy stands at the first end of a step behind 50
  CHECK(ids_of(first, std::span(prompt).subspan(70)) == expected);
  CHECK(first.stats().prompt_tokens == 6 + 30);
}

// ---- experts ---------------------------------------------------------------------------------------------------------------

TEST_CASE("experts give the same bits for any threads and chunks, and take no more scratch than was planned") {
  const auto bytes = file_of("mixture", make_experts);
  check_bits<model<mixture>>(bytes);
  nibble_test::model_parts quantized(nibble_test::golden("models/llama.gguf"));
  check_bits<model<mixture>>(file_of("mixture", [](auto& parts) { make_experts(parts), parts.recode(tensor_type::q8_0); }));
  for (const auto& file :
       {bytes, file_of("mixture", [](auto& parts) { make_experts(parts), parts.recode(tensor_type::q8_0); })}) {
    const auto plan = *model<mixture>::try_plan(*gguf_file::try_parse(file), {.context = 200});
    auto e = evaluator_of(model<mixture>::load(file));
    CHECK(e.memory().total() == plan.total() - plan.sampling);
    for (std::size_t count = 1; count < 60; ++count) {  // whatever the routing, no step takes more than was planned
      e.truncate(0);
      REQUIRE(e.feed(some_tokens(128, count * 31)) == feed_outcome::done);
    }
    CHECK(e.scratch_peak() <= plan.scratch);
    CHECK(e.scratch_peak() > plan.scratch * 9 / 10);
  }
}

// ---- masks and hidden states -----------------------------------------------------------------------------------------------

TEST_CASE("without a causal mask a token sees what comes behind it, and its hidden state says so") {
  const session_options hidden{.output_rows = 40, .output = step_output::hidden};
  const auto rows_of = [&](const any_model& m, const std::vector<token>& ids) {
    auto e = evaluator_of(m, hidden);
    std::vector<floats> rows;
    const auto how = e.feed_each(ids, [&](std::size_t, std::span<float> row) { rows.emplace_back(row.begin(), row.end()); });
    REQUIRE(how == feed_outcome::done);
    return rows;
  };
  auto ids = some_tokens(40);
  const auto m = model<encoder>::load(file_of("encoder"));
  const auto causal = any_model::load(nibble_test::golden("models/llama.gguf"));
  const auto before = rows_of(m, ids), causal_before = rows_of(causal, ids);
  REQUIRE(before.size() == 40);
  CHECK(before[0].size() == m.width());
  ids[39] = 100;
  const auto after = rows_of(m, ids), causal_after = rows_of(causal, ids);
  CHECK(after[0] != before[0]);
  CHECK(causal_after[0] == causal_before[0]);
  CHECK(causal_after[39] != causal_before[39]);
}

TEST_CASE("a model whose tokens see what comes behind them takes a text in one step, and no more of it afterwards") {
  const auto m = model<encoder>::load(file_of("encoder"));
  const auto ids = some_tokens(150);
  const auto all_rows = [&](session_options options) {
    auto e = evaluator_of(m, options);
    std::vector<floats> rows;
    CHECK(e.feed_each(ids, [&](std::size_t, std::span<float> row) { rows.emplace_back(row.begin(), row.end()); }) ==
          feed_outcome::done);
    CHECK(e.feed(std::span(ids).first(1)) == feed_outcome::context_full);
    REQUIRE(e.truncate(0));
    CHECK(row_after(e, ids) == rows.back());
    return rows;
  };
  auto b = batch_evaluator::try_create(m, 2, {.context = 200}).value();
  const batch_evaluator::entry one[] = {{0, 5}};
  CHECK(b.step(one) == feed_outcome::done);
  CHECK(b.step(one) == feed_outcome::context_full);
  const auto refused = session::try_create(m);
  REQUIRE(!refused);
  CHECK(std::string(refused.failure().what()).find("encoder: tokens see what comes behind them") != std::string::npos);
  const auto expected = all_rows({.output = step_output::hidden});
  CHECK(all_rows({.prefill_chunk = 7, .output_rows = 3, .output = step_output::hidden}) == expected);
}

/// An architecture of the decoder's parts that knows no hidden states, and one that describes what cannot be.
struct plain : arch::decoder<> {
  static constexpr std::string_view name = "plain";
  static constexpr bool gives_hidden = false;
  using decoder::decoder;
  static config read(hyperparameters& h) { return config::read(h); }
};
template <class Change, class Mixer>
struct broken : arch::decoder<type_list<Mixer, arch::no_part>> {
  using parent = arch::decoder<type_list<Mixer, arch::no_part>>;
  static constexpr std::string_view name = "broken";
  using parent::parent;
  static arch::decoder_config read(hyperparameters& h) {
    auto c = arch::decoder_config::read(h);
    Change()(c);
    return c;
  }
};
template <class Mixer = arch::self_attention, class Change>
std::string refusal(Change) {
  const auto loaded = model<broken<Change, Mixer>>::try_load(file_of("broken"));
  return loaded ? "loaded" : loaded.failure().what();
}

TEST_CASE("hidden states are refused where an architecture gives none") {
  const auto m = model<plain>::load(file_of("plain"));
  const auto refused = evaluator::try_create(m, {.output = step_output::hidden});
  REQUIRE(!refused);
  CHECK(std::string(refused.failure().what()) == "session_options::output: plain gives no hidden states");
  CHECK(!model<plain>::try_plan(*gguf_file::try_parse(file_of("plain")), {.output = step_output::hidden}));
}

TEST_CASE("a description that no decoder can be made of is refused in a sentence") {
  using arch::decoder_config;
  const auto says = [](const std::string& found, const char* expected) {
    INFO(found);
    CHECK(found.find(expected) != std::string::npos);
  };
  says(refusal([](decoder_config& c) { c.xielu.resize(1); }), "an activation for each layer");
  says(refusal([](decoder_config& c) { c.ropes.resize(5, c.ropes[0]); }), "at most four kinds of rotary embedding");
  says(refusal([](decoder_config& c) { c.layer[1].rope = 1; }), "rotary embeddings that it has");
  says(refusal([](decoder_config& c) { c.layers = 0, c.layer.clear(); }), "one layer at least");
  says(refusal([](decoder_config& c) { c.ropes[0].dimensions = 40000; }), "no more dimensions than a head");
  says(refusal([](decoder_config& c) { c.layer[0].mixer = 2; }), "parts that it names");
  says(refusal([](decoder_config& c) { c.parallel = true, c.layer[0].mixer = 1; }), "two branches side by side");
  says(refusal([](decoder_config& c) { c.experts = 4, c.router.groups = 3; }), "groups that divide the experts");
  says(refusal([](decoder_config& c) { c.experts = 4, c.router.groups = 0; }), "groups that divide the experts");
  says(refusal([](decoder_config& c) { c.experts = 1024, c.router.groups = router_spec::most_groups * 2; }),
       "groups that divide the experts");
  says(refusal([](decoder_config& c) { c.experts = 4, c.router.used = 0; }), "one expert a token at least");
  says(refusal([](decoder_config& c) { c.query_temperature = 1, c.temperature_positions = 0; }),
       "positions by which queries grow");
  says(refusal([](decoder_config& c) { c.layer[0].keys_of = 0; }), "keys and values of a layer before it");
  says(refusal([](decoder_config& c) { c.gates_in_queries = true, c.layer[0].value_dim *= 2; }), "as many gates as a head");
  says(refusal<arch::latent_attention>([](decoder_config&) {}), "a latent row, and a rotary embedding");
  says(refusal<arch::mamba2_mixer>([](decoder_config&) {}), "heads that share keys and values evenly");
  says(refusal<arch::delta_net>([](decoder_config&) {}), "heads that share keys evenly");
  says(refusal([](decoder_config& c) { c.layer.pop_back(); }), "as many layers as it says");
  says(refusal([](decoder_config& c) { c.experts = 2, c.router.used = 3; }), "no more than there are");
  says(refusal([](decoder_config& c) { c.experts = 4, c.router.used = 2, c.layer[0].experts_used = 3; }),
       "no more experts a token in a layer than in any");
  says(refusal([](decoder_config& c) { c.parallel = true, c.residual_scale = 2; }), "neither normed nor scaled");
  says(refusal([](decoder_config& c) { c.layer[0].kv_heads = 3; }), "share those of keys and values evenly");
  says(refusal([](decoder_config& c) { c.biases = true; }), "blk.0.attn_q.bias: the tensor is missing");
  says(refusal([](decoder_config&) {}), "loaded");
}

TEST_CASE("a typed model's config stays, whatever is assigned to the any_model that it is") {
  auto m = model<arch::llama>::load(nibble_test::golden("models/llama.gguf"));
  const std::size_t layers = m.config().layers;
  any_model& base = m;
  base = any_model::load(nibble_test::golden("models/gemma3.gguf"));
  CHECK(m.config().layers == layers);
  CHECK(m.architecture_name() == "gemma3");
}

TEST_CASE("logits are the output matrix times the hidden state") {
  const auto m = any_model::load(nibble_test::golden("models/llama-tied-hd32.gguf"));
  auto e = evaluator_of(m, {.output = step_output::hidden});
  const auto ids = some_tokens(9);
  const auto hidden = row_after(e, ids);
  const auto logits = fresh(m, ids);
  nibble_test::model_parts parts(nibble_test::golden("models/llama-tied-hd32.gguf"));
  const auto* table = reinterpret_cast<const float*>(parts.at("token_embd.weight").data.data());
  for (std::size_t id = 0; id < logits.size(); id += 37) {
    double sum = 0;
    for (std::size_t i = 0; i < hidden.size(); ++i) sum += double(table[id * hidden.size() + i]) * double(hidden[i]);
    CHECK(logits[id] == doctest::Approx(sum).epsilon(1e-4));
  }
}

// ---- operands --------------------------------------------------------------------------------------------------------------

TEST_CASE("queries, keys and values in one tensor give the bits of three") {
  const auto apart = any_model::load(nibble_test::golden("models/llama-bias.gguf"));
  nibble_test::model_parts parts(nibble_test::golden("models/llama-bias.gguf"));
  for (std::size_t i = 0; i < apart.kv().size(); ++i) {
    const std::string at = "blk." + std::to_string(i) + ".attn_";
    for (const std::string kind : {".weight", ".bias"}) {
      auto all = parts.at(at + "q" + kind);
      all.name = at + "qkv" + kind;
      for (const std::string part : {"k", "v"}) {
        const auto& t = parts.at(at + part + kind);
        all.dims.back() += t.dims.back();
        all.data.insert(all.data.end(), t.data.begin(), t.data.end());
      }
      for (const std::string part : {"q", "k", "v"}) parts.remove(at + part + kind);
      parts.tensors.push_back(std::move(all));
    }
  }
  const auto bytes = parts.bytes();
  const auto ids = some_tokens(70);
  CHECK(fresh(any_model::load(bytes), ids) == fresh(apart, ids));
}

TEST_CASE("rows may be wanted anywhere in a step, and cost the others nothing") {
  for (const char* name : {"models/gemma3.gguf", "models/llama.gguf"}) {
    const auto m = any_model::load(nibble_test::golden(name), {.threads = 2});
    const auto ids = some_tokens(90);
    std::vector<floats> all;
    auto each = evaluator_of(m, {.output_rows = 16});
    const auto fed = each.feed_each(ids, [&](std::size_t, std::span<float> row) { all.emplace_back(row.begin(), row.end()); });
    REQUIRE(fed == feed_outcome::done);
    const std::vector<std::uint32_t> wanted{0, 17, 18, 19, 40, 63, 64, 88};
    for (const std::size_t rows : {2, 3, 8}) {
      auto e = evaluator_of(m, {.prefill_chunk = 32, .output_rows = rows});
      std::size_t seen = 0;
      const auto how = e.feed_some(ids, wanted, [&](std::size_t i, std::span<float> row) {
        CHECK(i == wanted[seen++]);
        CHECK(std::equal(row.begin(), row.end(), all[i].begin()));
      });
      CHECK(how == feed_outcome::done);
      CHECK(seen == wanted.size());
      CHECK(e.position() == 90);
      CHECK(e.scratch_peak() <= e.memory().scratch);
    }
  }
}

// ---- a user's own ----------------------------------------------------------------------------------------------------------

/// The golden llama with its matrices in format Q, and with what they decode to.
template <class Q>
std::pair<std::vector<std::byte>, std::vector<std::byte>> coded_and_decoded() {
  nibble_test::model_parts coded(nibble_test::golden("models/llama.gguf")), decoded = coded;
  for (std::size_t i = 0; i < coded.tensors.size(); ++i) {
    auto& t = coded.tensors[i];
    if (t.dims.size() != 2) continue;
    std::vector<std::byte> stored(t.data.size() / sizeof(float) / 32 * sizeof(typename Q::block));
    for (std::size_t b = 0; b < stored.size() / sizeof(typename Q::block); ++b) {
      std::array<float, 32> values;
      typename Q::block block;
      std::memcpy(values.data(), t.data.data() + b * sizeof values, sizeof values);
      Q::encode(values, {}, block);
      Q::decode(block, values);
      std::memcpy(stored.data() + b * sizeof block, &block, sizeof block);
      std::memcpy(decoded.tensors[i].data.data() + b * sizeof values, values.data(), sizeof values);
    }
    t.data = std::move(stored);
    t.type = Q::type;
  }
  gguf_writer writer(coded.meta);
  for (const auto& t : coded.tensors) writer.add(t.name, t.type, t.dims, t.data);
  return {writer.bytes({.own_type = &find_own_type<type_list<Q>>}), decoded.bytes()};
}
double relative_error(const floats& found, const floats& expected) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double(found[i]) - double(expected[i]), 2), size += std::pow(double(expected[i]), 2);
  }
  return std::sqrt(error / size);
}

TEST_CASE("a format of a user's own, with a codebook, loads and gives the logits of its decoded weights") {
  using my_model = basic_any_model<architectures, append<quant_formats, table4>>;
  const auto ids = some_tokens(20);
  const auto error_of = [&]<class Q>(std::type_identity<Q>) {  // of activations, which are in 8 bits
    const auto [coded, decoded] = coded_and_decoded<Q>();
    return relative_error(fresh(my_model::load(coded), ids), fresh(any_model::load(decoded), ids));
  };
  const double error = error_of(std::type_identity<table4>());
  CHECK(error < 2.5 * error_of(std::type_identity<q4_0>()));
  CHECK(error < 0.1);

  const auto bytes = coded_and_decoded<table4>().first;
  CHECK(fresh(my_model::load(bytes, {.mapped = true}), ids) == fresh(my_model::load(bytes), ids));
  const auto unknown = any_model::try_load(bytes);
  REQUIRE(!unknown);
  CHECK(std::string(unknown.failure().what()).find("tensor type 1001 is unknown") != std::string::npos);
}

TEST_CASE("an observer sees every operation of every layer, and a model without one has the same bits") {
  struct record {
    std::mutex lock;
    std::map<operation, std::size_t> count;
    std::size_t tokens = 0;
    std::chrono::nanoseconds time{0};
  } seen;
  const auto observe = [&seen](const operation_event& e) {
    const std::lock_guard guard(seen.lock);
    ++seen.count[e.what], seen.tokens = e.tokens, seen.time += e.time;
  };
  const auto m = model<arch::llama, kv_cache<>, decltype(observe)>::load(nibble_test::golden("models/llama.gguf"), {}, observe);
  CHECK(seen.count.empty());  // measuring is no step
  const auto ids = some_tokens(20);
  CHECK(fresh(m, ids) == fresh(any_model::load(nibble_test::golden("models/llama.gguf")), ids));
  const std::size_t layers = m.config().layers;
  CHECK(seen.count[operation::embedding] == 1);
  CHECK(seen.count[operation::projection] == layers);
  CHECK(seen.count[operation::attention] == layers);
  CHECK(seen.count[operation::mixing] == layers);
  CHECK(seen.count[operation::feed_forward] == layers);
  CHECK(seen.count[operation::output] == 1);
  CHECK(seen.tokens == 20);
  CHECK(seen.time.count() > 0);
}
