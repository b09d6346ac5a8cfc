// What a file or a text controls takes time in proportion to its size: a million bytes take less than a second of this
// processor.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/chat.hpp"
#include "nibble/text/piece_trie.hpp"
#include "nibble/text/pre_tokenizer.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/utf8.hpp"
#include "support/sanitized.hpp"
#include "vocabularies.hpp"

using nibble::token;
using nibble::value;

namespace {

constexpr std::size_t million = 1'000'000;
/// Seconds of a processor, a slow and busy one: what grows faster than a text takes minutes of a million bytes.
constexpr double linear = 4;

std::string repeated(std::string_view part, std::size_t bytes = million) {
  std::string text;
  while (text.size() < bytes) text += part;
  return text;
}

double seconds(const std::function<void()>& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

/// Every function of a tokenizer that reads a text or tokens.
void check(const nibble::tokenizer& t, std::string_view part) {
  const std::string text = repeated(part), shown(part.substr(0, 20));
  CAPTURE(shown);
  std::vector<token> ids;
  CHECK(seconds([&] { ids = t.encode(text); }) < linear);
  CHECK(seconds([&] { t.encode(text, {.special = true}); }) < linear);
  const std::vector<nibble::prompt_part> parts(100, {text.substr(0, text.size() / 100), true});
  CHECK(seconds([&] { t.encode(parts); }) < linear);
  std::string back;
  CHECK(seconds([&] { back = t.decode(ids); }) < linear);
  std::string spaced;
  nibble::detail::append_spaced(text, spaced);
  const bool same = back == (t.vocabulary().kind() == nibble::vocab_kind::sentencepiece ? spaced : text);
  CHECK(same);
  std::string piece, whole;
  CHECK(seconds([&] {
          nibble::utf8_stream stream;
          for (const token id : ids) {
            piece.clear();
            t.append_piece(id, piece);
            stream.feed(piece, whole);
          }
          stream.finish(whole);
        }) < linear);
  const bool ends_alike = whole.ends_with(nibble::to_valid_utf8(back));
  CHECK(ends_alike);
}

/// A vocabulary of all bytes and these pieces, the first of which (or the last) merge first.
nibble::tokenizer sentencepieces(const std::vector<std::string>& pieces, int type, bool first) {
  std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
  std::vector<std::int32_t> types = {2, 3, 3};
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (std::size_t b = 0; b < 256; ++b) texts.push_back(std::string("<0x") + digits[b / 16] + digits[b % 16] + ">");
  types.resize(texts.size(), 6);
  std::vector<float> scores(texts.size());
  for (const std::string& piece : pieces) {
    scores.push_back(static_cast<float>(texts.size()) * (first ? -1.0f : 1.0f));
    texts.push_back(piece);
    types.push_back(type);
  }
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", value("llama"));
  meta.set("tokenizer.ggml.tokens", value(texts));
  meta.set("tokenizer.ggml.token_type", value(types));
  meta.set("tokenizer.ggml.scores", value(scores));
  meta.set("tokenizer.ggml.add_space_prefix", value(false));
  auto made = nibble::tokenizer::try_load(meta, {.limits = {.special_bytes = 8u << 20}});
  if (!made) FAIL(std::string(made.failure().what()));
  return *std::move(made);
}

const std::string_view hostile_parts[] = {"a",
                                          " ",
                                          "\n",
                                          "\u0301",
                                          "ab",
                                          "<",
                                          "a ",
                                          " \n",
                                          "\n ",
                                          "1",
                                          "1a",
                                          "'",
                                          "'s",
                                          "A",
                                          "Aa",
                                          "\xFF",
                                          "\xE2\x96",
                                          "\u4e00",
                                          "\u3000",
                                          "\t",
                                          "\r\n",
                                          "!",
                                          "! ",
                                          "</s>",
                                          "<s",
                                          "\u2581",
                                          "aaaaaaaaaaaaaaab",
                                          "\u01C5\u0301",
                                          "/\n"};

}  // namespace

TEST_CASE("hostile texts take linear time with every pre-tokenizer and small vocabularies") {
  if (NIBBLE_TEST_SANITIZED) return;
  auto bytes = nibble_test::golden_vocabulary("bytes");
  for (const std::string& split : nibble_test::byte_level_splits()) {
    bytes.meta.set("tokenizer.ggml.pre", value(split));
    const auto t = bytes.load();
    CAPTURE(split);
    for (const std::string_view part : hostile_parts) {
      const std::string text = repeated(part, million / 5);  // there are many of both
      CAPTURE(part);
      CHECK(seconds([&] { t.encode(text); }) < linear / 4);
    }
  }
  for (const auto name : {"stories260K", "nibble-tiny", "bytes"}) {
    CAPTURE(name);
    const auto t = nibble_test::golden_vocabulary(name).load();
    for (const std::string_view part : hostile_parts) check(t, part);
  }
}

TEST_CASE(
    "hostile vocabularies take linear time: beginnings of each other, powers, giants, and normal, control or user-defined") {
  if (NIBBLE_TEST_SANITIZED) return;
  std::vector<std::string> chain, powers, giants = {"a", "b", std::string(65'536, 'a'), std::string(65'535, 'a') + 'b'};
  for (std::size_t n = 1; n <= 3000; ++n) chain.emplace_back(n, 'a');
  for (std::size_t n = 1; n <= 65'536; n *= 2) powers.emplace_back(n, 'a');
  for (const auto& pieces : {chain, powers, giants})
    for (const int type : {1, 3, 4})
      for (const bool first : {true, false}) {
        CAPTURE(type);
        CAPTURE(first);
        const auto t = sentencepieces(pieces, type, first);
        check(t, "a");
        check(t, std::string(2999, 'a') + 'b');
      }
}

TEST_CASE("hostile texts and vocabularies take linear time with pieces that are found in a trie") {
  if (NIBBLE_TEST_SANITIZED) return;
  std::vector<std::string> chain;
  for (std::size_t n = 1; n <= nibble::piece_trie::longest; ++n) chain.emplace_back(n, 'a');
  const std::vector<std::string> giants = {"a", std::string(255, 'a') + 'b'};
  for (const std::string_view model : {"t5", "rwkv"})
    for (const auto& pieces : {chain, giants}) {
      CAPTURE(model);
      std::vector<std::string> texts = {"<unk>"};
      texts.insert(texts.end(), pieces.begin(), pieces.end());
      std::vector<std::int32_t> types(texts.size(), 1);
      types[0] = 2;
      nibble::metadata meta;
      meta.set("tokenizer.ggml.model", value(model));
      meta.set("tokenizer.ggml.tokens", value(texts));
      meta.set("tokenizer.ggml.token_type", value(types));
      meta.set("tokenizer.ggml.scores", value(std::vector<float>(texts.size(), -1)));
      meta.set("tokenizer.ggml.add_eos_token", value(false));
      const auto t = nibble::tokenizer::load(meta);
      for (const std::string_view part : {"a", "b", "aaab"}) {
        CAPTURE(part);
        const std::string text = repeated(part);
        CHECK(seconds([&] { t.encode(text); }) < linear);
      }
    }
  const auto t = nibble_test::golden_vocabulary("unigram").load();
  for (const std::string_view part : hostile_parts) {
    CAPTURE(part);
    const std::string text = repeated(part);
    CHECK(seconds([&] { t.encode(text); }) < linear);
  }
}

TEST_CASE("hostile vocabularies load in linear time") {
  if (NIBBLE_TEST_SANITIZED) return;
  std::vector<std::string> chain, ends;
  for (std::size_t n = 1; n <= 1400; ++n) {  // a million bytes
    chain.emplace_back(n, 'a');
    ends.push_back(std::string(n, 'a') + 'b');
  }
  for (const auto& pieces : {chain, ends})
    for (const int type : {1, 3, 4, 5}) CHECK(seconds([&] { sentencepieces(pieces, type, true); }) < linear);

  auto bytes = nibble_test::golden_vocabulary("bytes");  // merges that extend one word letter by letter
  std::vector<std::string> texts = bytes.strings("tokenizer.ggml.tokens"), merges;
  texts.resize(256);
  std::string word = "a";
  while (word.size() < 1400) {
    merges.push_back(word + " a");
    texts.push_back(word += 'a');
  }
  bytes.meta.set("tokenizer.ggml.tokens", value(texts));
  bytes.meta.set("tokenizer.ggml.merges", value(merges));
  bytes.meta.set("tokenizer.ggml.token_type", value(std::vector<std::int32_t>(texts.size(), 1)));
  for (const auto name : {"bos_token_id", "eos_token_id"}) bytes.meta.erase("tokenizer.ggml." + std::string(name));
  CHECK(seconds([&] { bytes.load(); }) < linear);
  check(bytes.load(), "a");
}

TEST_CASE("conversations of a million bytes are written in linear time") {
  if (NIBBLE_TEST_SANITIZED) return;
  for (const std::string_view part : {" ", "\u3000", "\xE3\x80", "a", "<|im_end|>", "\n"}) {
    CAPTURE(part);
    const std::vector<nibble::chat_message> one = {{"user", repeated(part)}};
    for (const auto& form : {nibble::chat_template::chatml("Be brief."), nibble::chat_template::gemma()})
      CHECK(seconds([&] { CHECK(form.try_render(one)); }) < linear);
  }
  std::vector<nibble::chat_message> many;
  for (std::size_t i = 0; i < 50'000; ++i) many.push_back({i % 2 == 0 ? "user" : "assistant", " a "});
  for (const auto& form : {nibble::chat_template::chatml(), nibble::chat_template::gemma()})
    CHECK(seconds([&] { CHECK(form.try_render(many)); }) < linear);
}
