/// Vocabularies that nobody would train: whatever they say, they are refused in a sentence, or take any text.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/text/charsmap.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/tokenizer_models.hpp"
#include "text/vocabularies.hpp"

namespace {
using namespace nibble;

std::string random_bytes(rng& random, std::size_t most) {
  std::string out(static_cast<std::size_t>(random() % (most + 1)), '\0');
  for (char& c : out) c = static_cast<char>(static_cast<unsigned char>(random() >> 33));
  return out;
}

/// Whether a vocabulary is refused in a sentence, or takes texts of any bytes and gives ids of its own.
bool holds(const metadata& meta, rng& random) {
  const auto loaded = tokenizer::try_load(meta);
  if (!loaded) return std::string_view(loaded.failure().what()).size() > 10;
  std::vector<std::string> texts{"", " ", "a", "Hello world", std::string(3, '\0'), "\xEF\xBB\xBF", "\xE2\x96\x81\xE2\x96\x81"};
  for (int i = 0; i < 8; ++i) texts.push_back(random_bytes(random, 60));
  for (const std::string& text : texts) {
    for (const token id : loaded->encode(text)) {
      if (id < 0 || static_cast<std::size_t>(id) >= loaded->size()) return false;
    }
    static_cast<void>(loaded->decode(loaded->encode(text, {.special = true})));
  }
  return true;
}

/// The names of all tokenizer models.
std::vector<std::string> model_names() {
  std::vector<std::string> names;
  any_type(tokenizer_models{}, [&]<class Model>(std::type_identity<Model>) {
    names.emplace_back(Model::name);
    return false;
  });
  return names;
}
}  // namespace

TEST_CASE("a vocabulary of one token is refused or takes any text, whatever the token and the tokenizer model") {
  rng random(1);
  const std::array<std::string, 7> tokens{"", "a", " ", "\xE2\x96\x81", "<unk>", "<0x41>", "\xC4\xA0"};
  for (const std::string& model : model_names()) {
    for (const std::string& text : tokens) {
      for (std::int32_t type = 0; type <= 6; ++type) {
        metadata meta;
        meta.set("tokenizer.ggml.model", value(model));
        meta.set("tokenizer.ggml.pre", value("default"));
        meta.set("tokenizer.ggml.tokens", value(std::vector<std::string>{text}));
        meta.set("tokenizer.ggml.scores", value(std::vector<float>{-1}));
        meta.set("tokenizer.ggml.token_type", value(std::vector<std::int32_t>{type}));
        meta.set("tokenizer.ggml.merges", value(std::vector<std::string>{}));
        for (const char* key : {"bos", "eos", "unknown"}) {
          meta.set("tokenizer.ggml." + std::string(key) + "_token_id", value(0u));
        }
        INFO(model << " '" << text << "' " << type);
        CHECK(holds(meta, random));
      }
    }
  }
}

TEST_CASE("scores of any bits are refused where they are NaN, and otherwise taken or refused") {
  rng random(2);
  for (const char* name : {"stories260K", "unigram", "plamo"}) {
    const auto vocabulary = nibble_test::golden_vocabulary(name);
    const auto scores = vocabulary.numbers<float>("tokenizer.ggml.scores");
    for (int round = 0; round < 30; ++round) {
      auto changed = scores;
      bool is_nan = false;
      for (int i = 0; i <= round % 4; ++i) {
        float& score = changed[static_cast<std::size_t>(random() % changed.size())];
        score = std::bit_cast<float>(round % 3 == 0 ? 0x7FC00000u : static_cast<std::uint32_t>(random() >> 32));
        is_nan = is_nan || score != score;
      }
      metadata meta = vocabulary.meta;
      meta.set("tokenizer.ggml.scores", value(changed));
      CHECK(holds(meta, random));
      if (is_nan) CHECK(tokenizer::try_load(meta).failure().code() == errc::invalid_tokenizer);
    }
  }
}

TEST_CASE("maps of characters of random bytes, and the published one with bytes changed, find nothing outside of themselves") {
  rng random(3);
  const auto vocabulary = nibble_test::golden_vocabulary("unigram");
  const auto published = vocabulary.numbers<std::int32_t>("tokenizer.ggml.precompiled_charsmap");
  std::size_t taken = 0;
  for (int round = 0; round < 300; ++round) {
    std::string map;
    if (round % 2 == 0) {  // units and values of any bytes
      const std::string units = random_bytes(random, 100), values = random_bytes(random, 40);
      const auto size = static_cast<std::uint32_t>(units.size() / 4 * 4);
      for (int shift = 0; shift < 32; shift += 8) map += static_cast<char>(static_cast<unsigned char>(size >> shift));
      map += units.substr(0, size);
      for (const char c : values) map += round % 4 == 0 ? static_cast<char>(c & 0x7F) : c;
      map += '\0';
    } else {
      for (const std::int32_t n : published) map += static_cast<char>(static_cast<unsigned char>(n & 255));
      for (int i = 0; i <= round % 7; ++i) {
        map[4 + static_cast<std::size_t>(random() % (map.size() - 4))] =
            static_cast<char>(static_cast<unsigned char>(random() >> 40));
      }
    }
    std::vector<std::int32_t> numbers;
    for (const char c : map) numbers.push_back(static_cast<unsigned char>(c));
    metadata meta = vocabulary.meta;
    meta.set("tokenizer.ggml.precompiled_charsmap", value(numbers));
    CHECK(holds(meta, random));
    const auto parsed = charsmap::try_parse(map);
    if (!parsed) continue;
    taken += 1;
    for (int i = 0; i < 20; ++i) {
      const std::string text = random_bytes(random, 20);
      const auto found = parsed->longest(text);
      if (found) CHECK(found->size <= text.size());
    }
  }
  CHECK(taken > 50);
}
