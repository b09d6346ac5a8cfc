// The ids are those of llama.cpp v0.5.0 for this vocabulary.
#include "nibble/text/hybrid_dna.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/merge.hpp"
#include "nibble/text/tokenizer.hpp"

using nibble::token;
using nibble::value;
using ids = std::vector<token>;

namespace {

const std::vector<std::string> carbon = {"<unk>",
                                         "<s>",
                                         "A",
                                         "C",
                                         "G",
                                         "T",
                                         "a",
                                         "<",
                                         ">",
                                         "/",
                                         "d",
                                         "n",
                                         "AA",
                                         "CC",
                                         "<dna>",
                                         "</dna>",
                                         "<oov>",
                                         "AAAAAA\uE000",
                                         "CCCCCC\uE000",
                                         "ACGTAA\uE000",
                                         "TTTTTT\uE000",
                                         "CCCC",
                                         "CCCCCC",
                                         "\u0120"};

nibble::result<nibble::tokenizer> tokenizer_of(const std::vector<std::string>& pieces) {
  std::vector<std::int32_t> types(pieces.size(), 1);
  types[0] = 2, types[1] = 3;
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", value("hybriddna"));
  meta.set("tokenizer.ggml.pre", value("gpt-2"));
  meta.set("tokenizer.ggml.tokens", value(pieces));
  meta.set("tokenizer.ggml.token_type", value(types));
  meta.set("tokenizer.ggml.merges", value(std::vector<std::string>{"A A", "C C", "CC CC", "CCCC CC"}));
  meta.set("tokenizer.ggml.bos_token_id", value(1));
  meta.set("tokenizer.ggml.add_bos_token", value(false));
  return nibble::tokenizer::try_load(meta);
}

}  // namespace

TEST_CASE("DNA is cut into six bases a token, and other text into words") {
  const auto t = *tokenizer_of(carbon);
  CHECK(t.encode("CCCCCC") == ids{22});
  CHECK(t.encode("<dna>CCCCCC</dna>CCCCCC") == ids{14, 18, 15, 22});
  CHECK(t.encode("<dna>acgtaa") == ids{14, 19});
  CHECK(t.encode("<dna>ACGT</dna>") == ids{14, 19, 15});
  CHECK(t.encode("<dna>AAAAAACCCCCCT</dna>a") == ids{14, 17, 18, 16, 15, 6});
  CHECK(t.encode("<dna></dna>") == ids{14, 15});
  CHECK(t.encode("<dna>") == ids{14});
  CHECK(t.encode("a</dna>") == ids{6, 7, 9, 10, 11, 6, 8});
  CHECK(t.encode("<dna>NNNNNNAAAAAA") == ids{14, 16, 17});
  CHECK(t.encode("<dna>AAA AAA") == ids{14, 16, 17});
  CHECK(t.encode("<dna>\u00e9</dna>") == ids{14, 16, 15});
  CHECK(t.encode("CC<dna>tttttttt</dna> <dna>AC") == ids{13, 14, 20, 16, 15, 23, 14, 16});
  CHECK(t.encode("<dna><dna>AAAA</dna></dna>") == ids{14, 16, 17, 15, 7, 9, 10, 11, 6, 8});
  CHECK(t.decode(t.encode("AA<dna>aaaaaacccccc</dna>")) == "AA<dna>AAAAAACCCCCC</dna>");
}

TEST_CASE("without the tokens around DNA all text is words") {
  auto pieces = carbon;
  *std::find(pieces.begin(), pieces.end(), "<oov>") = "x";
  const auto t = *tokenizer_of(pieces);
  CHECK(t.encode("<dna>CCCCCC") == ids{7, 10, 11, 6, 8, 22});
}

TEST_CASE("six bases that are a token twice are refused") {
  auto pieces = carbon;
  pieces.emplace_back("ACGTAA\uE000");
  const auto refused = tokenizer_of(pieces);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code() == nibble::errc::invalid_tokenizer);
  CHECK(std::string(refused.failure().what()).find("token 24 'ACGTAA' of DNA stands there twice") != std::string::npos);
}
