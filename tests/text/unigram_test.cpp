/// The best cut of a text into pieces, and the map of characters in front of it.
#include "nibble/text/unigram.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/gguf/metadata.hpp"
#include "nibble/text/charsmap.hpp"
#include "nibble/text/tokenizer.hpp"

namespace {
using namespace nibble;
using ids = std::vector<token>;
using scored = std::vector<std::pair<std::string, float>>;

/// A file's keys: <pad> </s> <unk> are 0 to 2; "_" in a piece is U+2581.
metadata keys(const scored& pieces) {
  std::vector<std::string> tokens{"<pad>", "</s>", "<unk>"};
  std::vector<float> scores(3);
  std::vector<std::int32_t> types{3, 3, 2};
  for (const auto& [piece, score] : pieces) {
    std::string marked;
    for (const char c : piece) marked += c == '_' ? std::string("\xE2\x96\x81") : std::string(1, c);
    tokens.push_back(marked), scores.push_back(score), types.push_back(1);
  }
  metadata meta;
  meta.set("tokenizer.ggml.model", value("t5"));
  meta.set("tokenizer.ggml.tokens", value(tokens));
  meta.set("tokenizer.ggml.scores", value(scores));
  meta.set("tokenizer.ggml.token_type", value(types));
  meta.set("tokenizer.ggml.unknown_token_id", value(2u));
  return meta;
}
ids plain(const metadata& meta, std::string_view text) {
  return tokenizer::load(meta).encode(text, {.bos = false, .eos = false});
}
std::string refusal(const metadata& meta) {
  const auto loaded = tokenizer::try_load(meta);
  return loaded ? "loaded" : loaded.failure().what();
}
bool says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// A map of a few keys of one byte or two, each with its value.
std::string map_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::vector<std::uint32_t> units(4096);
  std::string values(1, '\0');
  const auto offset = [](std::uint32_t by) { return by << 10; };
  units[0] = offset(0x100);  // children of the root stand at 0x100 ^ byte
  std::uint32_t next = 0x200;
  for (const auto& [key, text] : entries) {
    std::uint32_t at = 0x100;
    for (std::size_t i = 0; i < key.size(); ++i) {
      const auto byte = static_cast<unsigned char>(key[i]);
      at ^= byte;
      if ((units[at] & 0xFF) == 0) units[at] = byte | offset(at ^ next), next += 0x100;
      if (i + 1 == key.size()) {
        units[at] |= 0x100;
        units[at ^ (units[at] >> 10)] = 0x80000000u | static_cast<std::uint32_t>(values.size());
        values += text + '\0';
      }
      at ^= units[at] >> 10;
    }
  }
  std::string out(4 + units.size() * 4, '\0');
  const auto size = static_cast<std::uint32_t>(units.size() * 4);
  std::memcpy(out.data(), &size, 4);
  std::memcpy(out.data() + 4, units.data(), size);
  return out + values;
}
value numbers_of(std::string_view bytes) {
  std::vector<std::int8_t> out;
  for (const char c : bytes) out.push_back(static_cast<std::int8_t>(c));
  return value(out);
}
}  // namespace

TEST_CASE("of all ways to cut a text the one with the highest sum of scores is taken") {
  const auto meta = keys({{"_a", -1}, {"_ab", -5}, {"b", -2}, {"bc", -1.5f}, {"c", -3}});  // 3 to 7
  CHECK(plain(meta, "a") == ids{3});
  CHECK(plain(meta, "ab") == ids{3, 5});
  CHECK(plain(meta, "abc") == ids{3, 6});
  CHECK(plain(keys({{"_ab", -1}, {"_a", -1}, {"b", -1}}), "ab") == ids{3});
  CHECK(tokenizer::load(meta).encode("a") == ids{3, 1});  // it ends with </s>
}

TEST_CASE("characters of no piece are unknown, and a run of them is one unknown token") {
  const auto meta = keys({{"_a", -1}, {"b", -2}});
  CHECK(plain(meta, "axyb\xE4\xB8\xAD") == ids{3, 2, 4, 2});
  CHECK(plain(meta, "\xFF\xFE") == ids{2});
  CHECK(plain(meta, "ax ab") == ids{3, 2, 3, 4});
}

TEST_CASE("a text takes linear time, however long the pieces are") {
  const auto t = tokenizer::load(keys({{"_a", -1}, {"a", -1}, {std::string(60000, 'a'), -1}}));
  const std::clock_t begin = std::clock();
  CHECK(t.encode(std::string(100000, 'a')).size() == 100001);
  CHECK(double(std::clock() - begin) / CLOCKS_PER_SEC < 3);
}

TEST_CASE("spaces are put in front and left out as the file says") {
  auto meta = keys({{"_", -1}, {"_a", -1}, {"a", -1}});  // 3 to 5
  CHECK(plain(meta, "  a   a  ") == ids{4, 4});
  CHECK(plain(meta, "").empty());
  CHECK(plain(meta, "   ").empty());
  meta.set("tokenizer.ggml.add_space_prefix", value(false));
  CHECK(plain(meta, " a a") == ids{5, 4});
  meta.set("tokenizer.ggml.remove_extra_whitespaces", value(false));
  CHECK(plain(meta, "a  a ") == ids{5, 3, 4, 3});
  CHECK(plain(meta, " ") == ids{3});
}

TEST_CASE("a map of characters is read by its longest key") {
  const auto map = charsmap::parse(map_of({{"A", "a"}, {"AB", "xyz"}, {"\xC3\xA4", "ae"}, {"-", ""}}));
  const auto found = [&](std::string_view text) {
    const auto m = map.longest(text);
    return m ? std::to_string(m->size) + " " + std::string(m->value) : "none";
  };
  CHECK(found("A") == "1 a");
  CHECK(found("AC") == "1 a");
  CHECK(found("ABA") == "2 xyz");
  CHECK(found("\xC3\xA4\xC3") == "2 ae");
  CHECK(found("\xC3") == "none");
  CHECK(found("-") == "1 ");
  CHECK(found("B") == "none");
  CHECK(found("") == "none");
  CHECK(found(std::string_view("\0", 1)) == "none");

  auto meta = keys({{"_a", -1}, {"xyz", -1}, {"ae", -1}});
  meta.set("tokenizer.ggml.precompiled_charsmap",
           numbers_of(map_of({{"A", "a"}, {"AB", "xyz"}, {"\xC3\xA4", "ae"}, {"-", ""}})));
  CHECK(plain(meta, "A-AB\xC3\xA4") == ids{3, 4, 5});
}

TEST_CASE("a map that contradicts itself is refused, and one that leads outside of itself has no such key") {
  const std::string good = map_of({{"A", "a"}});
  const auto refused = [](std::string bytes) {
    auto meta = keys({{"_a", -1}});
    meta.set("tokenizer.ggml.precompiled_charsmap", numbers_of(bytes));
    return refusal(meta);
  };
  CHECK(refused(good) == "loaded");
  CHECK(says(refused("abc"), "'tokenizer.ggml.precompiled_charsmap': the map of characters has no room for its size"));
  CHECK(says(refused(good.substr(0, 400)), "is shorter than it says"));
  CHECK(says(refused(std::string("\x03\0\0\0abc", 7)), "is shorter than it says"));
  CHECK(says(refused(good + "b"), "has a value that does not end"));
  CHECK(says(refused(good + std::string(65, 'b') + '\0'), "more than 64 bytes"));
  CHECK(says(refused(good + std::string("\xFF\0", 2)), "no UTF-8"));
  for (const std::uint32_t unit : {0u, 0xFFFFFFFFu, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFDFFu}) {
    for (const std::size_t place : {std::size_t{0}, std::size_t{0x141}, std::size_t{0x200}}) {
      std::string bent = good;
      std::memcpy(bent.data() + 4 + place * 4, &unit, 4);
      const auto map = charsmap::parse(bent);
      for (int byte = 0; byte < 256; ++byte) static_cast<void>(map.longest(std::string(80, static_cast<char>(byte))));
    }
  }
  CHECK(!charsmap().longest("A"));
}

TEST_CASE("a map of characters makes a text at most sixteen times as long") {
  const auto map = charsmap::parse(map_of(
      {{"A", std::string(16, 'a')}, {"B", std::string(17, 'a')}, {"CC", std::string(32, 'a')}, {"DD", std::string(33, 'a')}}));
  CHECK(map.longest("A"));
  CHECK_FALSE(map.longest("B"));
  CHECK(map.longest("CC"));
  CHECK_FALSE(map.longest("DD"));
}

TEST_CASE("a word longer than any is cut between characters") {
  const auto most = unigram::longest_word;
  const auto tokens = [](const std::string& text) {
    return plain(keys({{"_a", -1}, {"a", -2}, {"aaa", -2}, {"\xC3\xA4", -2}}), text).size();
  };
  const std::size_t first = most - 2;  // of what is within the first cut, behind the space and an "a"
  CHECK(tokens(std::string(1 + first, 'a')) == 1 + first / 3 + first % 3);
  CHECK(tokens(std::string(1 + first + 3, 'a')) == 1 + first / 3 + first % 3 + 1);
  CHECK(tokens(std::string(1 + first - 1, 'a') + "\xC3\xA4") == 1 + (first - 1) / 3 + (first - 1) % 3 + 1);
}

TEST_CASE("a vocabulary without scores or an unknown token is refused in a sentence") {
  auto meta = keys({{"_a", -1}});
  meta.erase("tokenizer.ggml.scores");
  CHECK(says(refusal(meta), "'tokenizer.ggml.scores': missing"));
  meta = keys({{"_a", -1}, {"b", -std::numeric_limits<float>::infinity()}});
  CHECK(says(refusal(meta), "'tokenizer.ggml.scores': that of token 4 is not finite"));
  meta = keys({{"_a", -1}});
  meta.set("tokenizer.ggml.remove_extra_whitespaces", value("no"));
  CHECK(says(refusal(meta), "remove_extra_whitespaces"));
  meta = keys({{"_a", -1}});
  meta.set("tokenizer.ggml.eos_token_id", value(9u));
  CHECK(says(refusal(meta), "eos_token_id"));
}
