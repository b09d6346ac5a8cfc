/// Blocks that draft tokens: their logits, how they are fed, and which files have one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "model/toys.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/decoder/draft_head.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/model.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"
#include "support/smallest_model.hpp"

using namespace nibble;
using floats = std::vector<float>;

namespace {
const std::vector<token> ids{1, 403, 407, 261, 378, 300, 40, 265, 282, 293, 441, 7};

evaluator evaluator_of(const any_model& model, step_output output, std::size_t rows = 12) {
  return evaluator::try_create(
             model, {.context = 40, .prefill_chunk = rows, .output_rows = rows, .kv = tensor_type::f32, .output = output})
      .value();
}
floats hidden_of(const any_model& model, std::span<const token> text) {
  auto e = evaluator_of(model, step_output::hidden);
  floats out;
  const auto how = e.feed_each(text, [&](std::size_t, std::span<float> row) { out.insert(out.end(), row.begin(), row.end()); });
  REQUIRE(how == feed_outcome::done);
  return out;
}
/// The drafts of a text, fed in pieces.
floats drafts_of(const any_model& model, std::span<const token> text, std::size_t piece) {
  const floats hidden = hidden_of(model, text);
  auto e = evaluator_of(model, step_output::draft, piece);
  floats out;
  for (std::size_t at = 1; at < text.size(); at += piece) {
    const std::size_t count = std::min(piece, text.size() - at);
    const auto how =
        e.draft_each(text.subspan(at, count), std::span(hidden).subspan((at - 1) * model.width(), count * model.width()),
                     [&](std::size_t, std::span<float> row) { out.insert(out.end(), row.begin(), row.end()); });
    REQUIRE(how == feed_outcome::done);
  }
  return out;
}

/// A small file with a draft block: that of a file of one layer more, and what joins two rows.
any_model small_with_draft(std::size_t threads = 2) {
  nibble_test::smallest_model file("qwen35", 32, 4);
  file.meta.set("qwen35.nextn_predict_layers", value(1));
  file.meta.set("qwen35.full_attention_interval", value(3));
  return any_model::load(file.completed().bytes(), {.threads = threads});
}

/// A decoder with all that a draft block has to do like it: an activation for each layer, queries that grow, and logits that
/// are scaled and capped, or not.
template <bool Scaled>
struct unusual : arch::drafting<arch::plain_decoder, arch::plain_feed_forward> {
  static constexpr std::string_view name = "unusual";
  using drafting::drafting;
  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.xielu.assign(c.layers, {0.5f, 0.4f, 0.3f, 0.2f});
    c.query_temperature = 0.7f, c.temperature_positions = 2;
    if (Scaled) c.logit_scale = 0.5f, c.output_softcap = 2;
    return c;
  }
};
/// The golden llama without gates, its last layer once more as a draft block.
std::vector<std::byte> unusual_file() {
  return nibble_test::file_of("unusual", [](nibble_test::model_parts& parts) {
    std::erase_if(parts.tensors, [](const auto& t) { return t.name.find("ffn_gate") != std::string::npos; });
    auto join = parts.at("blk.1.attn_q.weight");
    join.name = "blk.2.nextn.eh_proj.weight", join.dims[0] *= 2;
    const auto half = join.data;
    join.data.insert(join.data.end(), half.begin(), half.end());
    const auto all = parts.tensors;
    for (auto t : all) {
      if (!t.name.starts_with("blk.1.")) continue;
      t.name[4] = '2';
      parts.tensors.push_back(t);
      if (!t.name.ends_with("attn_norm.weight")) continue;
      for (const char* name : {"blk.2.nextn.enorm.weight", "blk.2.nextn.hnorm.weight"}) {
        t.name = name;
        parts.tensors.push_back(t);
      }
    }
    parts.tensors.push_back(join);
    parts.meta.set("unusual.block_count", value(3)), parts.meta.set("unusual.nextn_predict_layers", value(1));
  });
}
}  // namespace

TEST_CASE("a draft block has its decoder's activation, queries, and what becomes of its logits") {
  const auto file = unusual_file();
  const auto plain = model<unusual<false>>::load(file, {.threads = 1});
  const auto scaled = model<unusual<true>>::load(file, {.threads = 1});
  const floats expected = drafts_of(plain, ids, 11), found = drafts_of(scaled, ids, 11);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); i += 97) {
    CHECK(double(found[i]) == doctest::Approx(2 * std::tanh(0.5 * double(expected[i]) / 2)).epsilon(1e-5));
  }
  CHECK(drafts_of(scaled, ids, 3) == found);
}

TEST_CASE("drafts of the golden are those of a float64 pass, to the same bits in any pieces and on any threads") {
  const auto file = nibble_test::shared("models/synth/qwen35-mtp.gguf");
  if (file.empty()) {
    MESSAGE("skipped: needs the shared data set");
    return;
  }
  const auto expected = nibble_test::read_all<float>(nibble_test::shared("models/synth/qwen35-mtp.numpy.draft.f32"));
  const auto model = any_model::load(file, {.threads = 2}), alone = any_model::load(file, {.threads = 1});
  CHECK(model.gives_drafts());
  const floats found = drafts_of(model, ids, 11);
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, double(std::fabs(found[i] - expected[i])));
  CHECK(worst <= 5e-4);
  for (const any_model* m : {&model, &alone}) {
    for (const std::size_t piece : {1, 4, 11}) CHECK(drafts_of(*m, ids, piece) == found);
  }
}

TEST_CASE("a draft depends on the hidden state and the token, has a cache of its own, and is planned") {
  const auto m = small_with_draft();
  REQUIRE(m.gives_drafts());
  CHECK(m.kv().size() == 3);
  CHECK(m.kv(step_output::draft).size() == 1);
  const std::vector<token> text{1, 5, 9, 2, 30, 7};
  const floats found = drafts_of(m, text, 5);
  CHECK(drafts_of(small_with_draft(1), text, 2) == found);
  auto changed = text;
  changed[1] = 6;
  CHECK(drafts_of(m, changed, 5) != found);
  auto e = evaluator_of(m, step_output::draft);
  auto plan = m.plan({.context = 40,
                      .prefill_chunk = 12,
                      .output_rows = 12,
                      .kv = tensor_type::f32,
                      .output = step_output::draft,
                      .marks = false,
                      .state_interval = 0});
  plan.sampling = 0;
  CHECK(e.memory().total() == plan.total());
  CHECK(plan.states == 0);
  const floats hidden(5 * m.width(), 0.5f);
  floats first, again;
  const auto into = [](floats& to) {
    return [&to](std::size_t, std::span<float> row) { to.insert(to.end(), row.begin(), row.end()); };
  };
  REQUIRE(e.draft_each(std::span(text).first(5), hidden, into(first)) == feed_outcome::done);
  CHECK(e.scratch_peak() <= plan.scratch);
  REQUIRE(e.truncate(2));
  REQUIRE(e.draft_each(std::span(text).subspan(2, 3), std::span(hidden).subspan(2 * m.width()), into(again)) ==
          feed_outcome::done);
  CHECK(std::equal(again.begin(), again.end(), first.begin() + std::ptrdiff_t(2 * m.vocabulary())));
}

TEST_CASE("a draft block may have embeddings and an output of its own") {
  std::vector<token> text(ids);
  for (token& id : text) id %= 40;
  nibble_test::smallest_model file("qwen35", 32, 4);
  file.meta.set("qwen35.nextn_predict_layers", value(1));
  file.meta.set("qwen35.full_attention_interval", value(3));
  file = file.completed();
  const floats shared = drafts_of(any_model::load(file.bytes(), {.threads = 1}), text, 12);
  for (const char* own : {"nextn.embed_tokens", "nextn.shared_head_head"}) {
    auto more = file;
    more.tensors.push_back({std::string("blk.3.") + own + ".weight", tensor_type::f32, {32, 40}, {}});
    const auto m = any_model::load(more.bytes(), {.threads = 1});
    const floats found = drafts_of(m, text, 12);
    CHECK(found != shared);
    CHECK(drafts_of(m, text, 1) == found);
  }
}

TEST_CASE("a file without a draft block says so, and a session generates from logits alone") {
  const auto plain = any_model::load(nibble_test::smallest_model("qwen35", 32, 4).bytes());
  CHECK(!plain.gives_drafts());
  const auto refused = evaluator::try_create(plain, {.output = step_output::draft});
  REQUIRE(!refused);
  CHECK(std::string(refused.failure().what()) == "session_options::output: this file of qwen35 has no block that drafts");
  CHECK(!session::try_create(small_with_draft(), {.output = step_output::draft}));
  CHECK(!batch_evaluator::try_create(small_with_draft(), 2, {.output = step_output::draft}));
}

TEST_CASE("draft blocks that lack a tensor, have one of another shape, or follow no layer that attends are refused") {
  const auto said_of = [](auto&& change) {
    nibble_test::smallest_model file("qwen35", 32, 4);
    file.meta.set("qwen35.nextn_predict_layers", value(1));
    file.meta.set("qwen35.full_attention_interval", value(3));
    auto whole = file.completed();
    change(whole);
    const auto loaded = any_model::try_load(whole.bytes(), {.threads = 1});
    return std::string(loaded ? "loaded" : loaded.failure().what());
  };
  CHECK(said_of([](auto&) {}) == "loaded");
  const auto remove = [&](const std::string& name) {
    return said_of([&](auto& f) { std::erase_if(f.tensors, [&](const auto& t) { return t.name == name; }); });
  };
  for (const char* name : {"nextn.eh_proj", "nextn.enorm", "nextn.hnorm", "attn_q", "attn_norm", "ffn_down"}) {
    const std::string tensor = std::string("blk.3.") + name + ".weight";
    CHECK(remove(tensor) == tensor + ": the tensor is missing");
  }
  CHECK(said_of([](auto& f) {
          for (auto& t : f.tensors)
            if (t.name == "blk.3.nextn.eh_proj.weight") t.dims = {32, 64};
        }) == "blk.3.nextn.eh_proj.weight: expected (32, 64), found (64, 32)");
  CHECK(said_of([](auto& f) {
          f.meta.set("qwen35.nextn_predict_layers", value(4));
        }).find("nextn_predict_layers': expected 0 to 3") != std::string::npos);
  nibble_test::smallest_model recurrent("qwen35", 32, 4);
  recurrent.meta.set("qwen35.nextn_predict_layers", value(1));
  recurrent.meta.set("qwen35.full_attention_interval", value(9));  // more than there are layers
  CHECK_THROWS_WITH(recurrent.completed(), "blk.3.nextn: expected layers of attention, which the block would be like");
}
