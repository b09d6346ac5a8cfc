#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/generate/session.hpp"
#include "nibble/grammar/constraint.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "support/files.hpp"
#include "text/vocabularies.hpp"

using nibble::constraint_options;
using nibble::finish;
using nibble::grammar;
using nibble::grammar_constraint;

namespace {

struct tiny {
  nibble::any_model model = nibble::any_model::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  std::shared_ptr<const nibble::token_trie> trie = std::make_shared<const nibble::token_trie>(model.tokenizer());

  std::pair<std::string, finish> reply(nibble::any_sampler sampler, std::size_t most = 60) {
    nibble::session session(model);
    auto generation = session.generate("Once upon a time", {.max_tokens = most, .sampler = std::move(sampler), .seed = 3});
    std::string text;
    for (const auto& event : generation) text += event.text;
    return {text, generation.reason()};
  }
};

}  // namespace

TEST_CASE("a reply is what its grammar says, and ends where nothing more may come") {
  tiny t;
  const grammar date = grammar::from_regex("\\d{4}-\\d{2}-\\d{2}");
  const auto [text, reason] = t.reply(grammar_constraint(date, t.trie) | nibble::temperature{1.5f});
  nibble::grammar_parser parser(date);
  CHECK(parser.accept(text));
  CHECK(parser.may_end());
  CHECK(reason == finish::grammar_end);
  CHECK(nibble::name_of(reason) == "grammar_end");
}

TEST_CASE("a copy of a constraint begins anew") {
  tiny t;
  const nibble::any_sampler sampler = grammar_constraint(grammar::from_choices({"yes", "no"}), t.trie) | nibble::temperature{1};
  const auto first = t.reply(sampler), second = t.reply(sampler);
  CHECK(first.first == second.first);
  CHECK((first.first == "yes" || first.first == "no"));
}

TEST_CASE("a grammar behind a step that left nothing of it ends the reply, and says so") {
  tiny t;
  const grammar digits = grammar::from_regex("[0-9]{4}"), letters = grammar::from_regex("[a-z]{4}");
  CHECK(t.reply(grammar_constraint(digits, t.trie) | grammar_constraint(letters, t.trie)).second == finish::no_candidate);
  CHECK(t.reply(nibble::top_k{1} | grammar_constraint(grammar::literal("\x01\x01"), t.trie)).second == finish::no_candidate);
}

TEST_CASE("a grammar that no token can follow ends the reply") {
  tiny t;
  const auto reply =
      t.reply(grammar_constraint(grammar::from_regex("[\\u{1F432}\\u{10FFFF}]"), t.trie) | nibble::temperature{1});
  const bool spelled = reply.second == finish::grammar_end;  // by bytes, where the vocabulary has them
  CHECK((spelled || reply.second == finish::no_candidate));
  nibble::rng random(1);
  grammar_constraint step(grammar::literal("x"), t.trie);
  std::vector<float> logits(t.trie->size());
  nibble::candidates c(logits.size());
  std::vector<nibble::token> said = {0};
  nibble::sample_context context{said, random};
  c.assign(logits);
  step(c, context);
  CHECK(!c.empty());
  said.push_back(t.model.tokenizer().encode("q", {.bos = false}).back());  // not what the grammar says
  nibble::sample_context next{said, random};
  c.assign(logits);
  step(c, next);
  CHECK(c.empty());
  CHECK(next.why_none == nibble::no_choice::impossible);
}

TEST_CASE("a reply is free until the trigger, and as the grammar says behind it") {
  tiny t;
  const nibble::tokenizer& words = t.model.tokenizer();
  grammar_constraint step(grammar::from_regex("[0-9]{3}"), t.trie, {.trigger = "cat."});
  nibble::rng random(1);
  std::vector<nibble::token> said = {0};
  std::vector<float> logits(t.trie->size());
  nibble::candidates c(logits.size());
  const auto allowed = [&](nibble::token id) {
    std::fill(logits.begin(), logits.end(), 0.0f);
    nibble::sample_context context{said, random};
    c.assign(logits);
    step(c, context);
    const float* logit = c.find(id);
    return logit != nullptr && *logit == 0;
  };
  const auto say = [&](std::string_view text) {
    for (const nibble::token id : words.encode(text, {.bos = false, .eos = false, .continues = true})) {
      CHECK(allowed(id));
      said.push_back(id);
    }
  };
  const nibble::token letter = words.encode("x", {.bos = false, .eos = false, .continues = true}).front();
  say("a dog. a ca");
  CHECK(allowed(letter));
  CHECK(allowed(t.trie->ends().front()));
  say("t.");
  CHECK_FALSE(allowed(letter));
  CHECK_FALSE(allowed(t.trie->ends().front()));
  say("123");
  CHECK_FALSE(allowed(letter));
}

TEST_CASE("tokens that must come are known without a choice, and the reply is the same") {
  tiny t;
  const grammar g = grammar::from_gbnf("root ::= [\\u00e9\\u4e00] [a-z] [\\u00e9\\u4e00] \"\\n\" [a-z]");
  struct blind {  // the same constraint, which foresees nothing
    grammar_constraint step;
    void operator()(nibble::candidates& c, nibble::sample_context& context) { step(c, context); }
  };
  nibble::session fast(t.model), slow(t.model);
  const auto run = [&](nibble::session& session, nibble::any_sampler sampler) {
    auto generation = session.generate("Once", {.max_tokens = 40, .sampler = std::move(sampler), .seed = 9});
    std::string text;
    for (const auto& event : generation) text += event.text;
    return std::pair(text, generation.reason());
  };
  const auto one = run(fast, grammar_constraint(g, t.trie) | nibble::temperature{1.2f});
  const auto other = run(slow, blind{grammar_constraint(g, t.trie)} | nibble::temperature{1.2f});
  CHECK(one == other);
  CHECK(one.second == finish::grammar_end);
  CHECK(std::vector<nibble::token>(fast.tokens().begin(), fast.tokens().end()) ==
        std::vector<nibble::token>(slow.tokens().begin(), slow.tokens().end()));
  grammar_constraint step(grammar::from_regex("\u4e00?"), t.trie);
  CHECK(step.foresee({}) == nibble::no_token);
}

TEST_CASE("a text that must come is the tokens that the tokenizer makes of it, read by the model in one step") {
  tiny t;
  const grammar g = grammar::from_gbnf("root ::= \"the little girl went \" [a-z] \" and was happy.\"");
  struct counted {
    grammar_constraint step;
    bool foresees;
    std::size_t* asked;  // for a mask
    void operator()(nibble::candidates& c, nibble::sample_context& context) { ++*asked, step(c, context); }
    nibble::token foresee(std::span<const nibble::token> recent) { return foresees ? step.foresee(recent) : nibble::no_token; }
  };
  const grammar_constraint step(g, t.trie, {.canonical = true});
  std::vector<std::vector<nibble::token>> said;
  std::size_t asked[2] = {0, 0};
  for (const bool foresees : {true, false}) {
    nibble::session session(t.model);
    const nibble::any_sampler sampler = counted{step, foresees, &asked[said.size()]} | nibble::temperature{1};
    auto generation = session.generate("Once", {.max_tokens = 60, .sampler = sampler, .seed = 4});
    std::string text;
    for (const auto& event : generation) text += event.text;
    CHECK(generation.reason() == finish::grammar_end);
    nibble::grammar_parser parser(g);
    CHECK(parser.accept(text));
    said.emplace_back(session.tokens().begin(), session.tokens().end());
  }
  CHECK(said[0] == said[1]);
  CHECK(2 * asked[0] < asked[1]);
  const auto made = t.model.tokenizer().encode("the little girl", {.bos = false, .eos = false, .continues = true});
  const auto prompt = t.model.tokenizer().encode("Once");
  for (std::size_t i = 0; i + 1 < made.size(); ++i) CHECK(said[0][prompt.size() + i] == made[i]);
}

#if !NIBBLE_CHECKED
TEST_CASE("a constraint without a trie, or with that of another vocabulary, leaves no candidate that is not of the grammar") {
  tiny t;
  const auto yes = grammar::from_choices({"yes"});
  CHECK(t.reply(grammar_constraint(yes, nullptr)) == std::pair{std::string(), finish::no_candidate});
  CHECK(t.reply(grammar_constraint(yes, nullptr, {.trigger = "a", .canonical = true})).second == finish::no_candidate);
  const auto other = nibble_test::golden_vocabulary("bytes").load();
  REQUIRE(other.size() != t.model.tokenizer().size());
  for (const bool canonical : {false, true}) {
    for (const char* trigger : {"", "a"}) {
      const auto foreign = std::make_shared<const nibble::token_trie>(other);
      const auto said = t.reply(grammar_constraint(yes, foreign, {.trigger = trigger, .canonical = canonical}));
      CHECK((said.second == finish::no_candidate || other.size() > t.model.tokenizer().size()));
    }
  }
  nibble::candidates all(300);
  std::vector<float> logits(300, 1.0f);
  all.assign(logits);
  all.keep(std::vector<std::uint64_t>(2, ~std::uint64_t{0}));  // what has no bit goes
  CHECK(std::all_of(all.begin(), all.end(), [](const nibble::candidate& c) { return c.id < 128 || c.logit < 0; }));
}
#endif
