#include "nibble/gguf/metadata.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using nibble::errc;
using nibble::metadata;
using nibble::value;

namespace {
metadata sample() {
  metadata meta;
  meta.set("general.architecture", value("llama"));
  meta.set("llama.block_count", value(std::uint32_t{22}));
  meta.set("llama.rope.freq_base", value(10000.0f));
  meta.set("tokenizer.ggml.tokens", value(std::vector<std::string>{"<unk>", "a"}));
  return meta;
}
template <class T>
std::string refusal(const nibble::result<T>& outcome, errc code) {
  REQUIRE(!outcome);
  CHECK(outcome.failure().code() == code);
  return outcome.failure().what();
}
}  // namespace

TEST_CASE("keys are found by name and listed in order") {
  const metadata meta = sample();
  REQUIRE(meta.find("llama.block_count"));
  CHECK(meta.find("llama.block_count")->type_name() == "u32");
  CHECK(meta.find("llama.block_coun") == nullptr);
  CHECK(meta.find("zzz") == nullptr);
  CHECK(metadata().find("a") == nullptr);
  std::vector<std::string> keys;
  for (const auto& [key, v] : meta) keys.push_back(key);
  CHECK(keys ==
        std::vector<std::string>{"general.architecture", "llama.block_count", "llama.rope.freq_base", "tokenizer.ggml.tokens"});
}

TEST_CASE("get answers with a value or nothing") {
  const metadata meta = sample();
  CHECK(meta.get<int>("llama.block_count") == 22);
  CHECK(meta.get<std::uint8_t>("llama.block_count") == std::uint8_t{22});
  CHECK(meta.get<double>("llama.rope.freq_base") == 10000.0);
  CHECK(meta.get<std::string_view>("general.architecture") == "llama");
  CHECK(meta.get<int>("missing") == std::nullopt);
  CHECK(meta.get<int>("general.architecture") == std::nullopt);
}

TEST_CASE("try_get names the key that is missing or wrong") {
  const metadata meta = sample();
  CHECK(*meta.try_get<std::uint32_t>("llama.block_count") == 22);
  CHECK(refusal(meta.try_get<int>("llama.expert_count"), errc::missing_key) == "key 'llama.expert_count' is missing");
  CHECK(refusal(meta.try_get<float>("llama.block_count"), errc::bad_value) ==
        "key 'llama.block_count': expected f32, found u32");
  CHECK(meta.try_get_array<std::string_view>("tokenizer.ggml.tokens")->at(1) == "a");
  CHECK(refusal(meta.try_get_array<int>("tokenizer.ggml.merges"), errc::missing_key) ==
        "key 'tokenizer.ggml.merges' is missing");
  CHECK(refusal(meta.try_get_array<int>("tokenizer.ggml.tokens"), errc::bad_value) ==
        "key 'tokenizer.ggml.tokens': element 0: expected i32, found string");
  CHECK(refusal(meta.try_get_array<int>("llama.block_count"), errc::bad_value) ==
        "key 'llama.block_count': expected an array, found u32");
}

TEST_CASE("a fallback stands in for a missing key, never for a wrong one") {
  const metadata meta = sample();
  CHECK(*meta.try_get<float>("llama.rope.freq_base", 1.0f) == 10000.0f);
  CHECK(*meta.try_get<float>("missing", 1.5f) == 1.5f);
  CHECK(*meta.try_get<std::string_view>("missing", "fallback") == "fallback");
  CHECK(refusal(meta.try_get<int>("general.architecture", 5), errc::bad_value) ==
        "key 'general.architecture': expected i32, found string");
}

TEST_CASE("set replaces in place and appends behind") {
  metadata meta = sample();
  meta.set("general.architecture", value("gemma3"));
  meta.set("a.new.key", value(1));
  CHECK(meta.size() == 5);
  CHECK(meta.begin()->key == "general.architecture");
  CHECK(meta.get<std::string_view>("general.architecture") == "gemma3");
  CHECK((meta.end() - 1)->key == "a.new.key");
}

TEST_CASE("random edits agree with a map") {
  std::mt19937 random(1);
  metadata meta;
  std::map<std::string, int> truth;
  for (int step = 0; step < 4000; ++step) {
    const std::string key = "key." + std::to_string(random() % 50);
    if (random() % 3 == 0) {
      CHECK(meta.erase(key) == (truth.erase(key) == 1));
    } else {
      meta.set(key, value(step));
      truth[key] = step;
    }
    REQUIRE(meta.size() == truth.size());
    const std::string probe = "key." + std::to_string(random() % 50);
    const auto found = truth.find(probe);
    CHECK(meta.get<int>(probe) == (found == truth.end() ? std::nullopt : std::optional<int>(found->second)));
  }
}

TEST_CASE("a collection with a key twice is refused") {
  std::vector<nibble::metadata_entry> entries{{"b", value(1)}, {"a", value(2)}, {"b", value(3)}};
  CHECK(refusal(metadata::try_collect(entries), errc::malformed) == "key 'b' stands there twice");
  entries.pop_back();
  const auto meta = metadata::try_collect(entries);
  REQUIRE(meta);
  CHECK(meta->begin()->key == "b");
  CHECK(meta->get<int>("a") == 2);
}

TEST_CASE("text from a file is quoted so that it cannot mislead") {
  CHECK(nibble::detail::quoted("a.b") == "'a.b'");
  CHECK(nibble::detail::quoted(std::string_view("\0\x1b\n\xff", 4)) == "'\\x00\\x1b\\x0a\\xff'");
  CHECK(nibble::detail::quoted(std::string(80, 'x')) == "'" + std::string(80, 'x') + "'");
  CHECK(nibble::detail::quoted(std::string(81, 'x')) == "'" + std::string(80, 'x') + "...'");
}
