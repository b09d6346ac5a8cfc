// The ids are those of llama.cpp v0.5.0 for this vocabulary.
#include "nibble/text/whitespace_bpe.hpp"

#include <doctest/doctest.h>

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

nibble::metadata vocabulary(std::string_view model) {
  const std::vector<std::string> pieces = {
      "<unk>",        "<s>",    "a", "b",      "ab", "A",      "\u00e9", "\u4e2d", "\u56fd",
      "\u4e2d\u56fd", "\u2581", "c", "\u0120", "!",  "\u00e4", "ab!",    " ",      "\n"};
  std::vector<std::int32_t> types(pieces.size(), 1);
  types[0] = 2, types[1] = 3;
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", value(std::string(model)));
  meta.set("tokenizer.ggml.pre", value("whitespace"));
  meta.set("tokenizer.ggml.tokens", value(pieces));
  meta.set("tokenizer.ggml.token_type", value(types));
  meta.set("tokenizer.ggml.merges", value(std::vector<std::string>{"a b", "\u4e2d \u56fd", "ab !"}));
  meta.set("tokenizer.ggml.bos_token_id", value(1));
  meta.set("tokenizer.ggml.add_bos_token", value(false));
  return meta;
}

}  // namespace

TEST_CASE("words between whitespace are merged by their characters, and whitespace is left out") {
  const auto t = nibble::tokenizer::load(vocabulary("whitespace"));
  CHECK(t.encode("ab ab") == ids{4, 4});
  CHECK(t.encode("AB c") == ids{5, 11});
  CHECK(t.encode("\u00c4 \u00e9") == ids{6});
  CHECK(t.encode("a  b") == ids{2, 3});
  CHECK(t.encode(" a\n") == ids{2});
  CHECK(t.encode("\u0120a") == ids{12, 2});
  CHECK(t.encode("<s>a") == ids{2});
  CHECK(t.encode("\u4e2d\u56fd\u4e2d \u56fd") == ids{9, 7, 8});
  CHECK(t.encode("a\u3000\u00a0b\xC2\x85"
                 "c") == ids{2, 3, 11});
  CHECK(t.encode("ab!ab !") == ids{15, 4, 13});
  CHECK(t.encode("\u2581ab") == ids{10, 4});
  CHECK(t.encode("").empty());
  CHECK(t.encode(" \n\u3000").empty());
  CHECK(t.encode("\xFF"
                 "a\xC3 \x80"
                 "b") == ids{2, 3});
  CHECK(t.decode(t.encode("\u4e2d\u56fd ab")) ==
        "\u4e2d\u56fd"
        "ab");
}

TEST_CASE("words are in lower case where the file says so") {
  auto meta = vocabulary("whitespace");
  meta.set("tokenizer.ggml.normalizer.lowercase", value(true));
  const auto t = nibble::tokenizer::load(meta);
  CHECK(t.encode("AB c") == ids{4, 11});
  CHECK(t.encode("\u00c4 \u00e9\u00c9") == ids{14, 6, 6});
  CHECK(t.encode("ab\u00c4\u4e2d\u56fd") == ids{4, 14, 9});
  CHECK(t.encode("\xFF"
                 "A\xC3") == ids{2});
  meta.set("tokenizer.ggml.normalizer.lowercase", value("yes"));
  const auto refused = nibble::tokenizer::try_load(meta);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code() == nibble::errc::bad_value);
}

TEST_CASE("byte-level BPE with this pre-tokenizer keeps whitespace, in words of its own") {
  const auto t = nibble::tokenizer::load(vocabulary("gpt2"));
  CHECK(t.encode("ab ab") == ids{4, 16, 4});
  CHECK(t.encode("AB c") == ids{5, 16, 11});
  CHECK(t.encode("a\nb") == ids{2, 17, 3});
  CHECK(t.encode(" a ") == ids{16, 2, 16});
  CHECK(t.encode("\u4e2d\u56fd\u4e2d \u56fd") == ids{9, 7, 16, 8});
  CHECK(t.encode("a  b") == ids{2, 16, 16, 3});
  CHECK(t.decode(t.encode("ab \u4e2d\u56fd\n")) == "ab \u4e2d\u56fd\n");
}

TEST_CASE("bytes that are tokens stand for characters that are none") {
  auto meta = vocabulary("whitespace");
  auto pieces = *meta.try_get_array<std::string_view>("tokenizer.ggml.tokens");
  std::vector<std::string> texts(pieces.begin(), pieces.end());
  texts.insert(texts.end(), {"<0xC3>", "<0x84>"});
  std::vector<std::int32_t> types(texts.size(), 1);
  types[texts.size() - 2] = types[texts.size() - 1] = 6;
  meta.set("tokenizer.ggml.tokens", value(texts));
  meta.set("tokenizer.ggml.token_type", value(types));
  const auto t = nibble::tokenizer::load(meta);
  CHECK(t.encode("a\u00c4") == ids{2, 18, 19});
  CHECK(t.decode(t.encode("a\u00c4")) == "a\u00c4");
}
