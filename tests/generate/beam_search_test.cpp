#include "nibble/generate/beam_search.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "nibble/generate/score.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/model_parts.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;
using nibble::beam_options;

namespace {
/// A vocabulary of forty letters, of which the caller's stop tokens are the end.
const nibble::any_model& letters() {
  static const auto model = nibble::any_model::load(nibble_test::smallest_model("llama", 32, 2).bytes(), {.threads = 1});
  return model;
}
const tokens prompt{3, 1, 4, 1, 5};

struct answer {
  tokens ids;
  double logprob, score;
};
/// Those of the model, too.
tokens stops_with(tokens own) {
  const auto& ends = letters().tokenizer().vocabulary().ends();
  own.insert(own.end(), ends.begin(), ends.end());
  return own;
}
double score_of(double logprob, std::size_t length, double penalty) { return logprob / std::pow(double(length), penalty); }

/// Log probabilities of all tokens behind a text, by an evaluator of its own.
std::vector<double> behind(const tokens& text) {
  static std::map<tokens, std::vector<double>> known;
  auto& out = known[text];
  if (!out.empty()) return out;
  auto e = nibble::evaluator::create(letters(), {.context = 32});
  REQUIRE(e.feed(text) == nibble::feed_outcome::done);
  double sum = 0;
  for (const float x : e.logits()) sum += std::exp(double(x));
  for (const float x : e.logits()) out.push_back(double(x) - std::log(sum));
  return out;
}

/// All answers of up to `most` tokens, the best first.
std::vector<answer> brute_force(std::size_t most, double penalty, const tokens& stops) {
  std::vector<answer> all;
  const auto visit = [&](auto&& self, const tokens& ids, double logprob) -> void {
    if (ids.size() == most) return all.push_back({ids, logprob, score_of(logprob, ids.size(), penalty)});
    tokens text = prompt;
    text.insert(text.end(), ids.begin(), ids.end());
    const auto p = behind(text);
    for (std::size_t id = 0; id < p.size(); ++id) {
      const double now = logprob + p[id];
      if (std::count(stops.begin(), stops.end(), token(id))) {
        all.push_back({ids, now, score_of(now, ids.size() + 1, penalty)});
        continue;
      }
      tokens more = ids;
      more.push_back(token(id));
      self(self, more, now);
    }
  };
  visit(visit, {}, 0);
  std::sort(all.begin(), all.end(), [](const answer& a, const answer& b) { return a.score > b.score; });
  return all;
}

/// Beam search as it is described, with an evaluator for each text.
std::vector<answer> plainly(const beam_options& o) {
  std::vector<answer> live{{{}, 0, 0}}, ended;
  const tokens stops = stops_with(o.stop_tokens);
  for (std::size_t length = 0; length < o.max_tokens && !live.empty(); ++length) {
    std::vector<answer> all;
    for (const answer& a : live) {
      tokens text = prompt;
      text.insert(text.end(), a.ids.begin(), a.ids.end());
      const auto p = behind(text);
      for (std::size_t id = 0; id < p.size(); ++id) {
        all.push_back({a.ids, a.logprob + p[id], 0});
        all.back().ids.push_back(token(id));
      }
    }
    std::sort(all.begin(), all.end(), [](const answer& a, const answer& b) { return a.logprob > b.logprob; });
    live.clear();
    for (answer& a : all) {
      if (live.size() == o.beams) break;
      if (std::count(stops.begin(), stops.end(), a.ids.back())) {
        a.score = score_of(a.logprob, a.ids.size(), o.length_penalty);
        a.ids.pop_back();
        ended.push_back(a);
      } else {
        live.push_back(a);
      }
    }
    if (o.early_stop && ended.size() >= o.beams) live.clear();
  }
  for (answer& a : live) a.score = score_of(a.logprob, a.ids.size(), o.length_penalty), ended.push_back(a);
  std::sort(ended.begin(), ended.end(), [](const answer& a, const answer& b) { return a.score > b.score; });
  ended.resize(std::min(ended.size(), o.beams));
  return ended;
}

void check_same(const std::vector<nibble::beam>& found, const std::vector<answer>& expected, std::size_t count) {
  REQUIRE(found.size() >= count);
  REQUIRE(expected.size() >= count);
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(found[i].tokens == expected[i].ids);
    CHECK(found[i].logprob == doctest::Approx(expected[i].logprob).epsilon(1e-5));
    CHECK(found[i].score == doctest::Approx(expected[i].score).epsilon(1e-5));
    CHECK(found[i].text == letters().tokenizer().decode(found[i].tokens));
  }
}
}  // namespace

TEST_CASE("as wide as all there is, a search finds what trying all answers finds") {
  for (const double penalty : {0.0, 1.0, 2.0, -0.5}) {
    const tokens stops{7, 20};
    const auto expected = brute_force(2, penalty, stops_with(stops));
    const auto found = nibble::beam_search(
        letters(), prompt, {.beams = 40, .max_tokens = 2, .length_penalty = penalty, .stop_tokens = stops}, {.context = 32});
    check_same(found, expected, 20);
  }
}

TEST_CASE("narrower ones find what the same search with an evaluator for each text finds") {
  for (const std::size_t beams : {1, 2, 3, 5, 8}) {
    for (const double penalty : {0.0, 1.0, 1.7}) {
      for (const bool early : {false, true}) {
        INFO(beams << ", " << penalty << ", " << early);
        const beam_options o{
            .beams = beams, .max_tokens = 7, .length_penalty = penalty, .early_stop = early, .stop_tokens = {7, 20, 33}};
        check_same(nibble::beam_search(letters(), prompt, o, {.context = 32}), plainly(o), beams);
      }
    }
  }
}

TEST_CASE("a search for answers of any length goes on until none can be better") {
  for (const double penalty : {0.0, 1.0, 3.0}) {
    beam_options o{.beams = 2, .max_tokens = 9, .length_penalty = penalty, .stop_tokens = {7, 20, 33, 1, 2, 3, 4}};
    const auto expected = nibble::beam_search(letters(), prompt, o, {.context = 32});
    for (const std::size_t most : {std::size_t{9}, nibble::largest_size}) {
      o.max_tokens = most;
      const auto found = nibble::beam_search(letters(), prompt, o, {.context = prompt.size() + 9});
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].tokens == expected[i].tokens);
        CHECK(found[i].score == expected[i].score);
      }
    }
  }
}

TEST_CASE("a beam of one is the most likely token each time") {
  const auto found =
      nibble::beam_search(letters(), prompt, {.beams = 1, .max_tokens = 12, .length_penalty = 0}, {.context = 32});
  nibble::session session(letters(), {.context = 32});
  const auto greedy = read(session.generate(prompt, {.max_tokens = 12}));
  REQUIRE(found.size() == 1);
  CHECK(found[0].tokens == greedy.ids);
  CHECK(found[0].reason == greedy.reason);
  if (greedy.reason != finish::max_tokens) return;
  tokens all = prompt;
  all.insert(all.end(), greedy.ids.begin(), greedy.ids.end());
  const auto s = nibble::score(letters(), all);
  CHECK(found[0].logprob == doctest::Approx(s.total() - nibble::score(letters(), prompt).total()));
}

TEST_CASE(
    "groups differ: the more a token that others take loses, the fewer they share; of one group there is nothing to lose") {
  const auto first_tokens = [](double diversity, std::size_t groups) {
    std::set<token> out;
    for (const auto& b : nibble::beam_search(
             letters(), prompt, {.beams = 6, .max_tokens = 4, .groups = groups, .diversity = diversity}, {.context = 32}))
      out.insert(b.tokens.at(0));
    return out.size();
  };
  CHECK(first_tokens(0, 6) == 1);
  CHECK(first_tokens(100, 6) == 6);
  CHECK(first_tokens(100, 1) == first_tokens(0, 1));
  // without a loss each group is a search of its own
  const auto two =
      nibble::beam_search(letters(), prompt, {.beams = 6, .max_tokens = 4, .groups = 2, .diversity = 0}, {.context = 32});
  const auto one = nibble::beam_search(letters(), prompt, {.beams = 3, .max_tokens = 4}, {.context = 32});
  REQUIRE(two.size() == 6);
  for (std::size_t i = 0; i < 3; ++i) CHECK(two[2 * i].tokens == one[i].tokens);
}

TEST_CASE("the same answers whatever the threads and the model's kind: windows and states are forked, too") {
  for (const char* name : {"gemma3", "lfm2", "falcon-h1", "qwen35"}) {
    INFO(name);
    const auto bytes = nibble_test::smallest_model(name, 32, 4).bytes();
    std::vector<nibble::beam> before;
    for (const std::size_t threads : {1, 3}) {
      const auto model = nibble::any_model::load(bytes, {.threads = threads});
      const auto found = nibble::beam_search(model, prompt, {.beams = 5, .max_tokens = 20}, {.context = 40});
      for (const auto& b : found) {
        tokens all = prompt;
        all.insert(all.end(), b.tokens.begin(), b.tokens.end());
        if (b.reason != finish::max_tokens) continue;
        CHECK(b.logprob ==
              doctest::Approx(nibble::score(model, all).total() - nibble::score(model, prompt).total()).epsilon(1e-4));
      }
      for (std::size_t i = 0; i < before.size(); ++i) {
        CHECK(found[i].tokens == before[i].tokens);
        CHECK(found[i].score == before[i].score);
      }
      before = found;
    }
  }
}

TEST_CASE("full contexts, too little memory and a request to stop end a search with what it has") {
  const auto full = nibble::beam_search(letters(), prompt, {.beams = 3, .max_tokens = 50}, {.context = 9});
  REQUIRE(full.size() == 3);
  for (const auto& b : full) {
    CHECK((b.reason == finish::context_full || b.reason == finish::end_of_text));
    CHECK((b.tokens.size() == 4 || b.reason == finish::end_of_text));
  }
  nibble::stop_source stop;
  stop.request_stop();
  const auto stopped = nibble::beam_search(letters(), prompt, {.cancel = stop.get_token()}, {.context = 32});
  REQUIRE(!stopped.empty());
  CHECK(stopped[0].reason == finish::cancelled);
  const std::size_t page = letters().plan({.context = 64}).kv;
  const auto small =
      nibble::beam_search(letters(), tokens(62, 3), {.beams = 3, .max_tokens = 9}, {.context = 128, .kv_bytes = 3 * page});
  CHECK(std::any_of(small.begin(), small.end(), [](const auto& b) { return b.reason == finish::memory_full; }));
}

TEST_CASE("a beam ends where logits are no numbers, and says so, and the others go on") {
  const tokens text{1, 300};
  const beam_options o{.beams = 3, .max_tokens = 4};
  model_parts parts(golden("models/llama.gguf"));
  auto output = parts.at("token_embd.weight");
  output.name = "output.weight";
  parts.remove(output.name);
  parts.tensors.push_back(output);
  const auto sound = nibble::beam_search(nibble::any_model::load(parts.bytes()), text, o, {.context = 32});
  const token first = sound.at(0).tokens.at(0);
  auto& embedding = parts.at("token_embd.weight");
  const std::size_t row = embedding.data.size() / 512;
  std::memset(embedding.data.data() + std::size_t(first) * row, 0xff, row);
  const auto found = nibble::beam_search(nibble::any_model::load(parts.bytes()), text, o, {.context = 32});
  REQUIRE(found.size() == 3);
  std::size_t broken = 0;
  for (const auto& b : found) {
    if (b.reason != finish::not_a_number) {
      CHECK(b.reason == finish::max_tokens);
      continue;
    }
    ++broken;
    CHECK(b.tokens.back() == first);
    CHECK(b.logprob < 0);
  }
  CHECK(broken > 0);
  CHECK(broken < 3);

  auto& norm = parts.at("output_norm.weight");
  std::memset(norm.data.data(), 0xff, norm.data.size());
  const auto model = nibble::any_model::load(parts.bytes());
  for (const std::size_t groups : {1, 2}) {
    const auto none = nibble::beam_search(model, text, {.beams = 4, .groups = groups}, {.context = 32});
    REQUIRE(none.size() == groups);
    for (const auto& b : none) {
      CHECK(b.reason == finish::not_a_number);
      CHECK(b.tokens.empty());
    }
  }
}

TEST_CASE("a search that makes no sense is refused") {
  const auto refused = [](const tokens& text, const beam_options& o) {
    const auto r = nibble::try_beam_search(letters(), text, o, {.context = 32});
    REQUIRE(!r);
    return std::string(r.failure().what());
  };
  CHECK(refused({}, {}) == "beam_search: expected a prompt, found no token");
  CHECK(refused({40}, {}) == "token 0: expected 0 to 39, found 40");
  CHECK(refused({1}, {.beams = 0}) == "beam_options::beams: expected 1 to 4096, found 0");
  CHECK(refused({1}, {.beams = 4097}) == "beam_options::beams: expected 1 to 4096, found 4097");
  const std::string finite = "beam_options: expected a finite length_penalty and diversity";
  CHECK(refused({1}, {.length_penalty = std::nan("")}) == finite);
  CHECK(refused({1}, {.diversity = std::nan("")}) == finite);
  CHECK(refused({1}, {.beams = 4, .groups = 3}) == "beam_options: expected groups that divide the beams, found 3 for 4");
  CHECK(refused({1}, {.groups = 0}) == "beam_options: expected groups that divide the beams, found 0 for 4");
  const auto guessing =
      nibble::try_beam_search(letters(), tokens{1}, {}, {.context = 32, .speculation = nibble::prompt_lookup{}});
  REQUIRE(!guessing);
  CHECK(std::string(guessing.failure().what()).starts_with("session_options::speculation: expected none"));
}
