#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/text/tokenizer.hpp"
#include "support/files.hpp"

using nibble::grammar;
using nibble::token;

namespace {

/// Tries each token on the parser.
std::string differences(const grammar& g, const nibble::token_trie& trie, std::string_view before, nibble::token_mask mask,
                        bool may_end) {
  nibble::grammar_parser parser(g);
  std::string out;
  for (std::size_t i = 0; i < trie.size(); ++i) {
    const auto id = static_cast<token>(i);
    const std::string_view text = trie.text(id);
    parser.reset();
    const bool ends = std::find(trie.ends().begin(), trie.ends().end(), id) != trie.ends().end();
    const bool wanted = text.empty() ? ends && may_end : parser.accept(before) && parser.accept(text);
    if (wanted != nibble::is_allowed(mask, id)) out += std::to_string(id) + (wanted ? "+ " : "- ");
  }
  return out;
}

std::vector<grammar> grammars() {
  std::vector<grammar> out = {
      grammar::from_gbnf("root ::= value\nvalue ::= object | array | string | [0-9]+ | \"null\"\n"
                         "object ::= \"{\" (string \":\" value (\",\" string \":\" value)*)? \"}\"\n"
                         "array ::= \"[\" (value (\",\" value)*)? \"]\"\n"
                         "string ::= \"\\\"\" ([^\"\\\\] | \"\\\\\" [nt\"\\\\])* \"\\\"\""),
      grammar::from_gbnf("root ::= root \" \" word | word\nword ::= [a-zA-Z\\u00e0-\\u00ff\\u4e00-\\u9fff]+"),
      grammar::from_regex("(the|a) [a-z]{3,8}(, [a-z]+)*\\."),
      grammar::from_choices({"yes", "no", "not at all", "\xE6\x97\xA5\xE6\x9C\xAC"}),
      grammar::from_schema(
          R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":150},
        "tags":{"type":"array","items":{"enum":["red","green","blue"]},"maxItems":3}},"required":["name","age"],"additionalProperties":false})"),
      grammar::from_schema(
          R"({"type":"object","properties":{"id":{"format":"uuid"},"at":{"format":"date-time"}},"minProperties":1})"),
      grammar::from_schema(
          R"({"anyOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"string","minLength":3,"maxLength":5}},"required":["kind"]},
        {"type":"object","properties":{"kind":{"const":"b"},"x":{"type":"number"}},"required":["kind","x"]},{"type":"array","contains":{"type":"boolean"}}]})"),
  };
  return out;
}

/// Walks at random, short tokens first, and compares masks.
void compare(const nibble::tokenizer& words, std::size_t steps) {
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  std::size_t number = 0;
  nibble::rng random(1);
  for (const grammar& g : grammars()) {
    nibble::grammar_matcher matcher(g, trie);
    std::string text;
    for (std::size_t step = 0; step < steps; ++step) {
      const nibble::token_mask mask = matcher.allowed();
      INFO("grammar " << number << " behind " << text);
      CHECK(differences(g, *trie, text, mask, matcher.may_end()) == "");
      std::vector<token> all;
      for (std::size_t i = 0; i < trie->size(); ++i)
        if (nibble::is_allowed(mask, static_cast<token>(i)) && !trie->text(static_cast<token>(i)).empty())
          all.push_back(static_cast<token>(i));
      if (all.empty()) {
        REQUIRE(matcher.may_end());
        matcher.reset();
        text.clear();
        continue;
      }
      token next = all[static_cast<std::size_t>(random.uniform() * double(all.size()))];
      for (int i = 0; i < 12; ++i) {
        const token other = all[static_cast<std::size_t>(random.uniform() * double(all.size()))];
        if (trie->text(other).size() < trie->text(next).size()) next = other;
      }
      REQUIRE(matcher.accept(next));
      text += trie->text(next);
    }
    ++number;
  }
}

}  // namespace

TEST_CASE("a mask is what trying every token gives") {
  compare(nibble::tokenizer::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf")), 40);
}

TEST_CASE("masks of published vocabularies are what trying every token gives") {
  const char* models = std::getenv("NIBBLE_MODELS");
  for (const char* name :
       {"SmolLM2-135M-Instruct.Q4_1.gguf", "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf", "gemma-3-270m-q4_k_m.gguf"}) {
    const auto path = std::filesystem::path(models ? models : "") / name;
    if (!models || !std::filesystem::exists(path)) {
      MESSAGE("skipped: needs " << name << " in NIBBLE_MODELS");
      continue;
    }
    compare(nibble::tokenizer::load(path), 6);
  }
}

TEST_CASE("the only token that may come is known") {
  const auto words = nibble::tokenizer::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  nibble::grammar_matcher matcher(grammar::from_regex("a[xy]"), trie);
  std::string text;
  while (!matcher.may_end()) {
    const token only = matcher.forced();
    if (only == nibble::no_token) break;
    CHECK(matcher.accept(only));
    text += trie->text(only);
  }
  CHECK(text.size() < 2);
  CHECK_FALSE(matcher.accept(-1));
  CHECK_FALSE(matcher.accept(static_cast<token>(trie->size())));
}

TEST_CASE("memory stays within its bound, however long the text") {
  const auto words = nibble::tokenizer::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  const grammar g = grammar::from_schema(R"({"type":"array","maxItems":1000000})");
  nibble::grammar_matcher matcher(g, trie);
  REQUIRE(matcher.accept_text("["));
  for (int i = 0; i < 60'000; ++i) {
    REQUIRE(matcher.accept_text(i == 0 ? "{\"a\":[1]}" : ",{\"a\":[1]}"));
    if (i % 20'000 == 0) static_cast<void>(matcher.allowed());
  }
  CHECK(matcher.memory_bytes() < nibble::grammar_parser::bound + nibble::grammar_matcher::mask_bound + (16u << 20));
  REQUIRE(matcher.accept_text("]"));
  CHECK(matcher.is_over());
}
