// Answers, line by line, which tokens grammars allow behind a prefix: what bench/masks.py compares with other engines.
#include <chrono>
#include <deque>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/text/tokenizer.hpp"

namespace bench {

namespace {

using clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

double microseconds_since(clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(clock::now() - begin).count();
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes)
    for (const int shift : {4, 0}) out += "0123456789abcdef"[static_cast<unsigned char>(c) >> shift & 15];
  return out;
}

nibble::result<nibble::grammar> compiled(const std::string& kind, const std::string& text) {
  if (kind == "schema") return nibble::grammar::try_from_schema(text);
  if (kind == "gbnf") return nibble::grammar::try_from_gbnf(text);
  if (kind == "regex") return nibble::grammar::try_from_regex(text);
  throw std::runtime_error("kind: expected schema, gbnf or regex, found " + kind);
}

/// How many of the tokens are allowed one after the other, and the mask behind those; `timed`: microseconds of each mask.
ordered_json follow(nibble::grammar_matcher& matcher, const std::vector<nibble::token>& ids, bool timed) {
  matcher.reset();
  std::size_t accepted = 0;
  std::vector<double> us;
  const auto mask = [&] {
    const auto begin = clock::now();
    const nibble::token_mask found = matcher.allowed();
    us.push_back(microseconds_since(begin));
    return found;
  };
  for (const nibble::token id : ids) {
    if (timed) mask();
    if (!matcher.accept(id)) break;
    ++accepted;
  }
  const nibble::token_mask last = mask();
  return {{"accepted", accepted}, {"us", us}, {"mask", hex({reinterpret_cast<const char*>(last.data()), last.size_bytes()})}};
}

ordered_json vocabulary(const nibble::token_trie& trie) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < trie.size(); ++i) texts.push_back(hex(trie.text(static_cast<nibble::token>(i))));
  return {{"ends", std::vector<nibble::token>(trie.ends().begin(), trie.ends().end())}, {"texts", texts}};
}

}  // namespace

void masks(const arguments& a) {
  const auto words = nibble::tokenizer::load(a.model);
  auto begin = clock::now();
  const auto trie = std::make_shared<const nibble::token_trie>(words);
  const double setup_us = microseconds_since(begin);
  ordered_json answer = vocabulary(*trie);
  answer["setup_us"] = setup_us;
  std::cout << answer << std::endl;
  std::deque<nibble::grammar_matcher> matchers;
  for (std::string line; std::getline(std::cin, line);) {
    const auto asked = nlohmann::json::parse(line);
    if (asked.contains("kind")) {
      begin = clock::now();
      const auto grammar = compiled(asked["kind"], asked.at("text"));
      if (grammar) matchers.emplace_back(*grammar, trie);
      answer = {{"us", microseconds_since(begin)}};
      if (grammar) answer["grammar"] = matchers.size() - 1;
      if (!grammar) answer["failure"] = grammar.failure().what();
    } else if (asked.contains("encode")) {
      answer =
          words.encode(asked["encode"].get<std::string>(), {.special = false, .bos = false, .eos = false, .continues = true});
    } else {
      answer = follow(matchers.at(asked.at("grammar")), asked.at("ids"), asked.value("timed", false));
    }
    std::cout << answer << std::endl;
  }
}

}  // namespace bench
