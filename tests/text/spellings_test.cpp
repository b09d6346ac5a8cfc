#include "nibble/text/spellings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nibble/sample/sequence_breakers.hpp"
#include "text/vocabularies.hpp"

using nibble::token;

TEST_CASE("a text stands in the tokens that hold it, and in those that end with its beginning") {
  const auto tokenizer = nibble::tokenizer::load(nibble_test::golden("models/stories260K-q8_0.gguf"));
  for (const std::string text : {"\n", ",", ", ", "the", " the end", "."}) {
    CAPTURE(text);
    const auto found = nibble::tokens_with(tokenizer, text);
    CHECK(!found.empty());
    for (std::size_t i = 0; i < tokenizer.size(); ++i) {
      const std::string piece(tokenizer.piece(token(i)));
      const auto begins_with_it = [&](const std::vector<token>& s) { return s.front() == token(i); };
      const bool holds = piece.find(text) != piece.npos;
      if (holds) CHECK(std::count(found.begin(), found.end(), std::vector<token>{token(i)}) == 1);
      std::size_t ends = 0;
      for (std::size_t k = 1; k < text.size() && !holds; ++k) ends += piece.ends_with(text.substr(0, k));
      REQUIRE(std::size_t(std::count_if(found.begin(), found.end(), begins_with_it)) == (holds ? 1 : ends));
    }
    for (const std::vector<token>& sequence : found) {  // the text stands there
      std::string spelled;
      for (const token id : sequence) spelled += tokenizer.piece(id);
      CHECK(spelled.find(text) != spelled.npos);
    }
    std::vector<token> said = tokenizer.encode("Once upon a time, there was the end" + text + "One day");
    if (text != ", ")  // its space is a part of the next word
      CHECK(nibble::sequence_breakers(found).tokens_behind(said) < said.size() - 2);
  }
  CHECK(nibble::tokens_with(tokenizer, "").empty());
}
