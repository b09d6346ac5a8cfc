/// Sentences about hostile files: whatever a file says, an error is short and printable.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/craft.hpp"
#include "model/toys.hpp"
#include "support/golden_models.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

std::string hostile_text(std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += "\x1b[31m\n\r\t\b\x07\x7f\xff\xc2\x9b" + std::string(1, '\0') + "ERROR";
  return out;
}
/// Whatever comes of these bytes. @returns whether they were refused
bool check(std::span<const std::byte> bytes) {
  for (const bool mapped : {false, true}) {
    const auto loaded = any_model::try_load(bytes, {.threads = 1, .mapped = mapped});
    if (loaded) return false;
    const std::string sentence = loaded.failure().what();
    INFO(sentence);
    CHECK(sentence.size() < 1024);
    CHECK(std::all_of(sentence.begin(), sentence.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
  }
  return true;
}
}  // namespace

TEST_CASE("whatever text stands in a key, the sentence about it is short and printable") {
  std::size_t refused = 0;
  for (const auto& g : golden_models(golden("models"))) {
    if (!g.registered() || g.name != g.architecture) continue;
    const model_parts sound(g.file);
    std::vector<std::string> keys{g.architecture + ".rope.scaling.type", g.architecture + ".attention.clamp_kqv",
                                  "tokenizer.ggml.pre", "tokenizer.chat_template", "split.count"};
    for (const auto& [key, v] : sound.meta) {
      if (key != "general.alignment") keys.push_back(key);  // which the writer looks at
    }
    for (const std::string& key : keys) {
      INFO(key);
      model_parts changed = sound;
      changed.meta.set(key, value(hostile_text(1 << 20)));
      refused += check(changed.bytes());
      changed.meta.set(key, value(std::vector<std::string>(3, hostile_text(1 << 16))));
      refused += check(changed.bytes());
    }
  }
  CHECK(refused > 200);
}

TEST_CASE("whatever names tensors and keys have, the sentence about them is short and printable") {
  for (const std::string& name :
       {std::string(255, 'n'), "\xff\xfe" + std::string(200, '\x80'), std::string("\xc2\x9b") + "31m"}) {
    model_parts parts(golden("models/llama.gguf"));
    parts.tensors.push_back(parts.tensors[3]);
    parts.tensors.back().name = name;
    CHECK(check(parts.bytes()));
    parts.remove(std::string(parts.tensors[3].name));
    CHECK(check(parts.bytes()));
  }
  for (const std::string& name : {hostile_text(200), hostile_text(60000), hostile_text(1 << 20), std::string(255, 'n')}) {
    craft c;
    c.keys.push_back(entry(name, 4, u32(1)));
    CHECK(check(c.bytes()));
    c.keys.push_back(c.keys.back());
    CHECK(check(c.bytes()));
    c = craft();
    c.keys.push_back(entry("llama.block_count", 77, hostile_text(100)));
    CHECK(check(c.bytes()));
    c = craft();
    c.keys[1] = entry("general.alignment", 8, text(name));
    CHECK(check(c.bytes()));
    c = craft();
    c.magic = name.substr(0, 4);
    CHECK(check(c.bytes()));
    c = craft();
    c.tensors.push_back(tensor(name, {4}, 99, 0));
    CHECK(check(c.bytes()));
  }
}
