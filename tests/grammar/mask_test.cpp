#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/tools.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/utf8.hpp"
#include "support/files.hpp"

using nibble::grammar;
using nibble::token;

namespace {

/// Tries each token on the parser.
std::string differences(const grammar& g, const nibble::token_trie& trie, std::string_view before, nibble::token_mask mask,
                        bool may_end) {
  nibble::grammar_parser parser(g);
  REQUIRE(parser.accept(before));
  std::string out;
  for (std::size_t i = 0; i < trie.size(); ++i) {
    const auto id = static_cast<token>(i);
    const std::string_view text = trie.text(id);
    const bool ends = std::find(trie.ends().begin(), trie.ends().end(), id) != trie.ends().end();
    const bool accepted = !text.empty() && parser.accept(text);
    if (accepted) {  // and back to where it was
      parser.reset();
      REQUIRE(parser.accept(before));
    }
    const bool wanted = text.empty() ? ends && may_end : accepted;
    if (wanted != nibble::is_allowed(mask, id)) out += std::to_string(id) + (wanted ? "+ " : "- ");
  }
  return out;
}

/// Makes grammars at random, of all kinds.
class grammar_maker {
 public:
  explicit grammar_maker(std::uint64_t seed) : random_(seed) {}

  grammar make() {
    switch (below(4)) {
      case 0:
        for (;;) {
          auto made = grammar::try_from_regex(expression(3));
          if (made) return *std::move(made);  // else it asks for too many states
        }
      case 1:
        return grammar::from_gbnf(rules());
      default:
        return grammar::from_schema(schema(3));
    }
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_.uniform() * double(n)); }
  std::string any(std::initializer_list<const char*> of) { return *(of.begin() + std::ptrdiff_t(below(of.size()))); }

  std::string expression(int deep) {
    std::string out;
    for (std::size_t i = 1 + below(4); i > 0; --i) {
      out += deep == 0 || below(3) > 0
                 ? any({"[a-z]", "[^x]", "\\d", "\\w", " ", "the", "[^\\n,]", "\u00e9", "[\u4e00-\u9fff]", ".", "_"})
                 : "(" + expression(deep - 1) + "|" + expression(deep - 1) + ")";
      out += any({"", "", "", "?", "*", "+", "{2,5}", "{3}"});
    }
    return out;
  }
  std::string rules() {
    std::string out =
        "root ::= part (" + any({"\",\"", "\"; \"", "[ \\n]+"}) + " part)" + any({"*", "+", "{0,3}"}) + "\npart ::= ";
    for (std::size_t i = 1 + below(3); i > 0; --i)
      out += any({"[a-z]+ | ", "\"(\" root \")\" | ", "word | ", "[^()\\n\\x00-\\x1f]* \"!\" | ", "\"\\u00fc\" [0-9]{1,4} | "});
    return out + "word\nword ::= [A-Z] [a-z]* | word \"-\" [a-z]+";
  }
  std::string schema(int deep) {
    const std::size_t kind = below(deep == 0 ? 5 : 9);
    const std::string n = std::to_string(below(6));
    switch (kind) {
      case 0:
        return any({"{\"type\": \"string\"}", "{\"type\": \"string\", \"maxLength\": 9}",
                    "{\"type\": \"string\", \"minLength\": 3, \"maxLength\": 40}"});
      case 1:
        return any({"{\"type\": \"integer\", \"minimum\": -7, \"maximum\": 1234}", "{\"type\": \"number\"}",
                    "{\"type\": \"boolean\"}"});
      case 2:
        return any({"{\"enum\": [\"red\", \"green\", 7, null]}", "{\"const\": {\"a\": [1]}}", "true"});
      case 3:
        return any({"{\"type\": \"string\", \"pattern\": \"^[a-c]+-\"}", "{\"type\": \"string\", \"format\": \"date\"}",
                    "{\"type\": \"string\", \"format\": \"uri\"}"});
      case 4:
        return "{\"type\": [\"string\", \"null\", \"integer\"]}";
      case 5:
        return "{\"type\": \"array\", \"items\": " + schema(deep - 1) + ", \"minItems\": " + n + "}";
      case 6:
        return "{\"anyOf\": [" + schema(deep - 1) + ", " + schema(deep - 1) + "]}";
      default:
        return "{\"type\": \"object\", \"properties\": {\"id\": " + schema(deep - 1) + ", \"name\": " + schema(deep - 1) +
               ", \"\u00e9\": " + schema(deep - 1) + "}, \"required\": [\"name\"]" +
               any({"", ", \"additionalProperties\": false", ", \"maxProperties\": 2", ", \"minProperties\": 2"}) + "}";
    }
  }

  nibble::rng random_;
};

std::vector<grammar> grammars() {
  std::vector<grammar> out = {
      grammar::from_gbnf("root ::= value\nvalue ::= object | array | string | [0-9]+ | \"null\"\n"
                         "object ::= \"{\" (string \":\" value (\",\" string \":\" value)*)? \"}\"\n"
                         "array ::= \"[\" (value (\",\" value)*)? \"]\"\n"
                         "string ::= \"\\\"\" ([^\"\\\\] | \"\\\\\" [nt\"\\\\])* \"\\\"\""),
      grammar::from_gbnf("root ::= root \" \" word | word\nword ::= [a-zA-Z\\u00e0-\\u00ff\\u4e00-\\u9fff]+"),
      grammar::from_gbnf("root ::= any \".\" any\nany ::= [^.]*"),  // ends everywhere, and something follows
      grammar::from_gbnf("root ::= any\nany ::= [^;\\n]*"),         // and nothing does
      grammar::from_regex("[^\"]*\"!"),
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
      grammar::from_schema(
          R"({"type":"object","additionalProperties":{"type":"integer"},"minProperties":3,"maxProperties":5})"),
      grammar::from_schema(
          R"({"type":"object","properties":{"id":{"type":"integer"}},"required":["id"],"patternProperties":{"^n":{"type":"null"}},
        "minProperties":3,"maxProperties":4,"not":{"additionalProperties":{"type":"string"}}})"),
  };
  return out;
}

/// Replies that are free until a call begins, as some formats write it, and one that has to be a call.
std::vector<grammar> replies(const nibble::tokenizer& words) {
  const auto tools = nibble::json::parse(
      R"([{"name": "look", "parameters": {"properties": {"where": {"type": "string"}, "far": {"type": "integer"}}}}])");
  std::vector<grammar> out;
  for (const char* format : {"hermes", "gpt-oss", "llama-3", "minimax-m2", "lfm2"})
    out.push_back(nibble::tool_grammar(tools, nibble::answer_syntax::named(format), words));
  out.push_back(nibble::tool_grammar(tools, nibble::answer_syntax::named("hermes"), words,
                                     {.choice = nibble::tool_choice::required, .prompt_end = "<think>\n"}));
  return out;
}

/// Walks at random, short tokens first, and compares masks: of these grammars, and of some made at random.
void compare(const nibble::tokenizer& words, std::size_t made, std::size_t steps) {
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  std::size_t number = 0;
  nibble::rng random(1);
  std::vector<grammar> tried = grammars();
  for (grammar& g : replies(words)) tried.push_back(std::move(g));
  grammar_maker maker(7);
  while (tried.size() < made) tried.push_back(maker.make());
  for (const grammar& g : tried) {
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
  compare(nibble::tokenizer::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf")), 40, 25);
}

TEST_CASE("masks of a mark that begins are what trying every token gives") {
  const auto words = nibble::tokenizer::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  for (const grammar& g : replies(words)) {
    nibble::grammar_matcher matcher(g, trie);
    for (const std::string text : {"<", "I <tool", "a<<minimax:tool_cal", "<think>\n<|end|", "\xE2", "<\xE2\x80", "\xFF <\xFF",
                                   "<tool_call>", "<tool_call>\n{", "  \n", "{\"na", "<|channel|>analysis<|mess"}) {
      matcher.reset();
      if (!matcher.accept_text(text)) continue;
      INFO("behind " << text);
      CHECK(differences(g, *trie, text, matcher.allowed(), matcher.may_end()) == "");
    }
  }
}

TEST_CASE("masks of published vocabularies are what trying every token gives") {
  const char* models = std::getenv("NIBBLE_MODELS");
  const char* asked = std::getenv("NIBBLE_MASKS");  // "200 50": grammars, and masks of each
  std::istringstream counts(asked ? asked : "0 5");
  std::size_t made = 0, steps = 0;
  counts >> made >> steps;
  for (const char* name :
       {"SmolLM2-135M-Instruct.Q4_1.gguf", "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf", "gemma-3-270m-q4_k_m.gguf"}) {
    const auto path = std::filesystem::path(models ? models : "") / name;
    if (!models || !std::filesystem::exists(path)) {
      MESSAGE("skipped: needs " << std::string(name) << " in NIBBLE_MODELS");
      continue;
    }
    compare(nibble::tokenizer::load(path), made, steps);
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

TEST_CASE("what masks are made from is what the tokens of a vocabulary are") {
  const auto words = nibble::tokenizer::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  const nibble::token_trie trie(words);
  std::size_t texts = 0;
  for (std::size_t i = 0; i < trie.size(); ++i) {
    const auto id = static_cast<token>(i);
    const std::string_view text = trie.text(id);
    std::size_t whole = nibble::valid_utf8_prefix(text);
    const bool cut = whole < text.size() && nibble::decode_utf8(text, whole).kind == nibble::utf8_character::state::cut;
    const bool is_text =
        !text.empty() && (whole == text.size() || (cut && whole + nibble::decode_utf8(text, whole).size == text.size()));
    CHECK(nibble::is_allowed(trie.texts(), id) == is_text);
    texts += is_text;
    if (text.find('\\') == text.npos && is_text) {
      std::size_t characters = 0;
      for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      for (const std::size_t n : {std::size_t{0}, std::size_t{3}, std::size_t{31}})
        CHECK(nibble::is_allowed(trie.up_to(n), id) == (characters <= n));
    }
  }
  CHECK(texts > 100);
  std::size_t spaces = 0;
  for (const auto& node : trie.nodes()) spaces += node.byte == ' ';
  std::size_t broken = 0;
  for (const std::uint32_t n : trie.broken_nodes()) broken += trie.nodes()[n].byte == ' ';
  CHECK(trie.nodes_of(' ').size() + broken == spaces);
  CHECK(trie.nodes_of(0x80).empty());
  CHECK(std::is_sorted(trie.nodes_of('a').begin(), trie.nodes_of('a').end()));
}
