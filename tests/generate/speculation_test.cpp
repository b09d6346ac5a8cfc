/// Sessions that guess: they say what those say that do not, in fewer steps.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "generate/drafting.hpp"
#include "generate/replies.hpp"
#include "nibble/generate/draft_block.hpp"
#include "nibble/generate/draft_model.hpp"
#include "nibble/generate/guesser.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "nibble/grammar/constraint.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/token_trie.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/sample/penalties.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;
using nibble::draft_block;
using nibble::draft_model;
using nibble::prompt_lookup;

namespace {
/// Guesses what it is told: those of `truth` from where the session stands, but for every third one.
struct told final : nibble::detail::guesser {
  tokens truth;
  bool errs;
  std::size_t forks = 0;
  told(tokens t, bool e) : truth(std::move(t)), errs(e) {}
  bool is_free() const noexcept override { return true; }
  std::size_t guess(std::span<const token> said, const nibble::detail::hidden_states&,
                    std::span<nibble::detail::token_guess> out) override {
    std::size_t n = 0;
    for (std::size_t at = said.size(); at < truth.size() && n < out.size(); ++at, ++n) {
      out[n] = {errs && at % 3 == 0 ? (truth[at] + 1) % 40 : truth[at], 4};
    }
    return n;
  }
  nibble::result<std::unique_ptr<guesser>> try_fork() const override {
    return std::unique_ptr<guesser>(std::make_unique<told>(truth, errs));
  }
};
struct told_way final : nibble::detail::guessing {
  tokens truth;
  bool errs = false;
  std::size_t most = 5;
  std::size_t guesses() const noexcept override { return most; }
  bool always() const noexcept override { return true; }
  std::size_t planned_bytes(const nibble::any_model&, const nibble::session_options&) const override { return 0; }
  nibble::result<std::unique_ptr<nibble::detail::guesser>> try_make(const nibble::any_model&,
                                                                    const nibble::session_options&) const override {
    return std::unique_ptr<nibble::detail::guesser>(std::make_unique<told>(truth, errs));
  }
};
nibble::speculation told_truth(tokens truth, bool errs, std::size_t most = 5) {
  auto way = std::make_shared<told_way>();
  way->truth = std::move(truth), way->errs = errs, way->most = most;
  return nibble::speculation(std::move(way));
}

constexpr std::string_view story =
    "Once upon a time there was a little girl called Lily. She liked to play in the park. One day";

nibble::session session_of(const nibble::any_model& model, nibble::speculation how = {}, nibble::session_options options = {}) {
  options.context = 300, options.speculation = std::move(how);
  return nibble::session(model, options);
}
/// Each kind of model: full attention, windows, states of short convolutions, of Mamba-2 and of delta nets.
const std::vector<nibble::any_model>& kinds() {
  static const std::vector<nibble::any_model> all = [] {
    std::vector<nibble::any_model> out{stories(), windowed()};
    for (const char* name : {"lfm2", "mamba2", "falcon-h1", "qwen35"})
      out.push_back(nibble::any_model::load(nibble_test::smallest_model(name, 32, 4).bytes(), {.threads = 1}));
    out.push_back(drafting());
    return out;
  }();
  return all;
}
/// A text for any of them, with repeats in it.
tokens prompt_of(const nibble::any_model& model) {
  if (model.vocabulary() > 100) return model.tokenizer().encode(story);
  tokens out;
  for (std::size_t i = 0; i < 30; ++i) out.push_back(token(i % 11 * i % 7 + 2));
  return out;
}
struct sampled {
  const char* name;
  nibble::any_sampler sampler;
};
std::vector<sampled> samplers() {
  return {{"greedy", nibble::any_sampler::greedy()},
          {"drawn", nibble::any_sampler(nibble::temperature{0.7f})},
          {"penalties", nibble::any_sampler(nibble::penalties{.repetition = 1.3f, .last_n = 32}) | nibble::top_k{5}}};
}
}  // namespace

TEST_CASE(
    "a session that guesses says the tokens and texts of one that does not, whatever the model, the sampler and the guesser") {
  for (const auto& model : kinds()) {
    const tokens prompt = prompt_of(model);
    for (const sampled& s : samplers()) {
      INFO(model.architecture_name() << ", " << s.name);
      const nibble::generate_options options{.max_tokens = 60, .sampler = s.sampler, .seed = 7, .logprobs = true};
      auto plain = session_of(model);
      const auto expected = read(plain.generate(prompt, options));
      const tokens truth = to_vector(plain.tokens());
      std::vector ways{told_truth(truth, false), told_truth(truth, true), told_truth(truth, true, 1),
                       nibble::speculation(prompt_lookup{.always = true}),
                       nibble::speculation(draft_model{.model = model, .guesses = 4, .always = true})};
      if (model.gives_drafts()) ways.push_back(draft_block{.always = true});
      for (const auto& how : ways) {
        for (const std::size_t chunk : {4, 128}) {
          auto session = session_of(model, how, {.prefill_chunk = chunk});
          const auto found = read(session.generate(prompt, options));
          CHECK(found.ids == expected.ids);
          CHECK(found.texts == expected.texts);
          CHECK(found.logprobs == expected.logprobs);
          CHECK(found.reason == expected.reason);
          CHECK(to_vector(session.tokens()) == truth);
        }
      }
    }
  }
}

TEST_CASE("guesses that are right save steps: as many as came true, and none is made that is of no use") {
  auto plain = session_of(stories());
  read(plain.generate(story, {.max_tokens = 61}));
  auto session = session_of(stories(), told_truth(to_vector(plain.tokens()), false));
  read(session.generate(story, {.max_tokens = 61}));
  const auto& s = session.stats();
  CHECK(s.speculation_steps == 10);  // the prompt gives one token, each step six more
  CHECK(s.guessed_tokens == 50);
  CHECK(s.accepted_guesses == 50);
  CHECK(s.generation_steps == 60);
  session.truncate(session.position() - 61);
  read(session.generate("", {.max_tokens = 61, .speculate = false}));
  CHECK(session.stats().speculation_steps == 0);
  CHECK(session.stats().guessed_tokens == 0);
}

TEST_CASE("a text that repeats itself is guessed from its beginning") {
  auto session = session_of(stories(), prompt_lookup{.always = true});
  const tokens round = session.tokenizer().encode("the big dog and the cat ran to the old tree. ");
  tokens prompt;
  for (int i = 0; i < 4; ++i) prompt.insert(prompt.end(), round.begin(), round.end());
  // a reply that goes on with the round, whatever the model thinks
  tokens more;
  for (int i = 0; i < 2; ++i) more.insert(more.end(), round.begin(), round.end());
  const auto found = read(session.generate(prompt, {.max_tokens = more.size(), .sampler = script{more}}));
  CHECK(found.ids == more);
  CHECK(session.stats().accepted_guesses > more.size() * 3 / 4);
}

TEST_CASE("a model drafts for itself, and is right where the most likely token is taken") {
  for (const auto& model : kinds()) {
    auto session = session_of(model, draft_model{.model = model, .guesses = 4, .always = true});
    read(session.generate(prompt_of(model), {.max_tokens = 60}));
    const auto& s = session.stats();
    INFO(model.architecture_name());
    CHECK(s.guessed_tokens > 0);
    CHECK(s.accepted_guesses + 4 >= s.guessed_tokens);
  }
}

TEST_CASE("a draft model follows a session that begins again with a text of about the length at which it stood") {
  for (const std::size_t length : {150, 230, 234, 235, 236, 237, 238, 239, 240, 241, 300}) {
    INFO(length);
    nibble::session plain(stories(), {.context = 400}),
        session(stories(), {.context = 400, .speculation = draft_model{.model = stories(), .guesses = 5, .always = true}});
    for (const std::size_t count : {std::size_t{300}, length}) {
      tokens prompt;
      for (std::size_t i = 0; i < count; ++i) prompt.push_back(token(3 + (i * i + count) % 500));
      session.reset(), plain.reset();
      const auto expected = read(plain.generate(prompt, {.max_tokens = 12}));
      CHECK(read(session.generate(prompt, {.max_tokens = 12})).ids == expected.ids);
    }
    CHECK(session.stats().guessed_tokens > 0);
  }
}

TEST_CASE("stop strings, stop tokens, grammars and full contexts end a reply where they do without guesses") {
  const auto grammar = nibble::grammar::from_gbnf("root ::= (\" the \" | \" cat \" | \" big \"){3,20} \"end\"");
  std::vector<nibble::generate_options> all{{.max_tokens = 80, .stop = {" the"}},
                                            {.max_tokens = 80, .stop_tokens = {stories().tokenizer().encode("was")[1]}},
                                            {.max_tokens = 400},
                                            {.max_tokens = 0},
                                            {.max_tokens = 1}};
  const auto trie = std::make_shared<const nibble::token_trie>(stories().tokenizer());
  all.push_back({.max_tokens = 80, .sampler = nibble::any_sampler(nibble::grammar_constraint(grammar, trie))});
  for (auto& options : all) {
    for (const bool errs : {false, true}) {
      auto plain = session_of(stories());
      const auto expected = read(plain.generate(story, options));
      auto session = session_of(stories(), told_truth(to_vector(plain.tokens()), errs));
      const auto found = read(session.generate(story, options));
      CHECK(found.texts == expected.texts);
      CHECK(found.reason == expected.reason);
      CHECK(to_vector(session.tokens()) == to_vector(plain.tokens()));
      // and it goes on as the other does
      const auto again = read(session.generate("And", {.max_tokens = 5})),
                 other = read(plain.generate("And", {.max_tokens = 5}));
      CHECK(again.ids == other.ids);
      CHECK(again.reason == other.reason);
    }
  }
}

TEST_CASE("a reply that is left while guesses are ahead: the session is cut back, saved, forked and goes on as any other") {
  for (const auto& model : kinds()) {
    INFO(model.architecture_name());
    auto plain = session_of(model);
    const tokens prompt = prompt_of(model);
    const auto all = read(plain.generate(prompt, {.max_tokens = 40}));
    const tokens truth = to_vector(plain.tokens());
    for (const bool errs : {false, true}) {
      for (std::size_t left_at = 1; left_at < 12; ++left_at) {
        auto session = session_of(model, told_truth(truth, errs), {.forks = 1});
        {
          auto reply = session.generate(prompt, {.max_tokens = 40});
          auto at = reply.begin();
          for (std::size_t i = 1; i < left_at; ++i) ++at;
        }
        const std::size_t held = prompt.size() + left_at;
        CHECK(session.position() == held);
        const auto rest = [&](nibble::session& s) { return read(s.generate("", {.max_tokens = 40 - left_at})).ids; };
        const tokens expected(all.ids.begin() + std::ptrdiff_t(left_at), all.ids.end());
        auto loaded = session_of(model);
        loaded.load(session.save());
        CHECK(rest(loaded) == expected);
        auto fork = session.fork();
        CHECK(rest(fork) == expected);
        CHECK(rest(session) == expected);
        session.truncate(held - 1);
        CHECK(session.position() == held - 1);
        CHECK(read(session.generate("", {.max_tokens = 41 - left_at})).ids ==
              tokens(all.ids.begin() + std::ptrdiff_t(left_at) - 1, all.ids.end()));
      }
    }
  }
}

TEST_CASE("a hundred thousand sampled tokens behind a guess have the distribution of the model") {
  const auto model = nibble::any_model::load(nibble_test::smallest_model("llama", 32, 1).bytes(), {.threads = 1});
  const tokens prompt{3, 1, 4, 1, 5, 9, 2, 6};
  const auto probabilities = [&](const tokens& text) {
    auto e = nibble::evaluator::create(model, {.context = 32});
    REQUIRE(e.feed(text) == nibble::feed_outcome::done);
    std::vector<double> p(e.logits().begin(), e.logits().end());
    double all = 0, most = *std::max_element(p.begin(), p.end());
    for (double& x : p) all += x = std::exp(x - most);
    for (double& x : p) x /= all;
    return p;
  };
  const auto first = probabilities(prompt);
  std::vector<double> second(first.size());
  for (std::size_t a = 0; a < first.size(); ++a) {
    if (model.tokenizer().is_end(token(a))) continue;
    tokens longer = prompt;
    longer.push_back(token(a));
    const auto then = probabilities(longer);
    for (std::size_t b = 0; b < second.size(); ++b) second[b] += first[a] * then[b];
  }
  tokens truth = prompt;  // the most likely ones: they often come true
  for (int i = 0; i < 3; ++i) {
    const auto p = probabilities(truth);
    truth.push_back(token(std::max_element(p.begin(), p.end()) - p.begin()));
  }
  nibble::session session(model, {.context = 16, .speculation = told_truth(truth, false, 2)});
  constexpr std::size_t draws = 100'000;
  std::vector<std::size_t> counts(second.size());
  std::size_t ended = 0, accepted = 0;
  for (const token end : model.tokenizer().vocabulary().ends()) second[std::size_t(end)] = 0;
  for (std::size_t i = 0; i < draws; ++i) {
    session.truncate(prompt.size() - 1);
    const auto from = std::span(prompt).subspan(session.position());
    tokens ids;
    auto reply = session.generate(from, {.max_tokens = 3, .sampler = nibble::any_sampler(), .seed = i * 2654435761u});
    for (const auto& event : reply) {
      if (event.id != nibble::no_token) ids.push_back(event.id);
      if (ids.size() == 2) break;
    }
    ids.size() == 2 ? ++counts[static_cast<std::size_t>(ids[1])] : ++ended;
    accepted += ids.size() == 2 && ids[0] == truth[prompt.size()];
  }
  CHECK(accepted > draws / 20);
  double chi = 0;
  std::size_t cells = 0;
  counts.push_back(ended), second.push_back(1 - std::accumulate(second.begin(), second.end(), 0.0));
  for (std::size_t b = 0; b < second.size(); ++b) {
    const double expected = second[b] * double(draws);
    if (expected < 5) continue;
    chi += (double(counts[b]) - expected) * (double(counts[b]) - expected) / expected, ++cells;
  }
  INFO("chi-square " << chi << " of " << cells);
  const double freedom = double(cells - 1);
  CHECK(cells > 20);
  CHECK(chi < freedom + 4 * std::sqrt(2 * freedom));
}

TEST_CASE("where memory is too little for guesses, there are none, and the reply goes on") {
  const auto& model = stories();
  const std::size_t page = model.plan({.context = 64}).kv;
  auto plain = session_of(model);
  const tokens prompt(62, 300);
  const auto expected = read(plain.generate(prompt, {.max_tokens = 3}));
  // three pages: the fork takes two of them, so that there is none for position 64
  nibble::session session(model, {.context = 128,
                                  .prefill_chunk = 32,
                                  .forks = 1,
                                  .kv_bytes = 3 * page,
                                  .speculation = told_truth(tokens(200, 5), false)});
  read(session.generate(prompt, {.max_tokens = 0}));
  auto fork = session.fork();
  CHECK(read(fork.generate("", {.max_tokens = 4, .speculate = false})).reason == finish::max_tokens);
  const auto found = read(session.generate("", {.max_tokens = 4}));
  CHECK(found.reason == finish::memory_full);
  CHECK(found.ids == expected.ids);
}

TEST_CASE("guesses that cannot be made are refused in a sentence") {
  const auto said = [](const nibble::speculation& how) {
    const auto made = nibble::session::try_create(stories(), {.context = 100, .speculation = how});
    REQUIRE(!made);
    CHECK(made.failure().code() == nibble::errc::invalid_argument);
    return std::string(made.failure().what());
  };
  const std::string option = "session_options::speculation: ";
  CHECK(said(prompt_lookup{.guesses = 0}) == option + "prompt_lookup::guesses: expected 1 to 31, found 0");
  CHECK(said(prompt_lookup{.guesses = 32}) == option + "prompt_lookup::guesses: expected 1 to 31, found 32");
  CHECK(said(prompt_lookup{.shortest = 0}) == option + "prompt_lookup::shortest: expected 1 to 16, found 0");
  CHECK(said(prompt_lookup{.shortest = 17}) == option + "prompt_lookup::shortest: expected 1 to 16, found 17");
  CHECK(said(draft_model{.model = stories(), .guesses = 0}) == option + "draft_model::guesses: expected 1 to 31, found 0");
  CHECK(said(draft_model{.model = stories(), .guesses = 32}) == option + "draft_model::guesses: expected 1 to 31, found 32");
  for (const std::size_t most : {std::size_t{1}, std::size_t{31}})
    CHECK(nibble::session::try_create(stories(), {.context = 100, .speculation = prompt_lookup{.guesses = most}}));
}

TEST_CASE("a draft model of another vocabulary, and one that makes no text, are refused in a sentence") {
  const auto other = nibble::any_model::load(nibble_test::smallest_model("llama").bytes());
  const auto refused = nibble::session::try_create(stories(), {.speculation = draft_model{other}});
  REQUIRE(!refused);
  CHECK(refused.failure().code() == nibble::errc::invalid_argument);
  CHECK(std::string(refused.failure().what()) ==
        "session_options::speculation: draft_model: expected the vocabulary of the model: its token 0 is '<unk>', the draft "
        "model's 'A'");
  const auto vectors = nibble::any_model::load(nibble_test::smallest_model("bert").bytes());
  CHECK(!nibble::session::try_create(other, {.speculation = draft_model{vectors}}));
}
