/// What a file controls takes time in proportion to its size: a million bytes of it take less than a second of this processor,
/// whichever function reads them. Those of texts and vocabularies are in text/time_test.cpp.
#include <doctest/doctest.h>

#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "gguf/craft.hpp"
#include "model/toys.hpp"
#include "nibble/quant/quantize_file.hpp"
#include "support/sanitized.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

constexpr std::size_t most_keys = 65'536, million = 1'000'000;

std::string numbered(std::size_t i) { return std::to_string(100'000 + i); }

/// A file of these keys and tensors, and enough data.
std::vector<std::byte> file_with(std::vector<std::string> keys, std::vector<std::string> tensors = {}) {
  craft c;
  c.data_bytes = tensors.size() * 64;
  c.keys = std::move(keys), c.tensors = std::move(tensors);
  c.keys.push_back(entry("general.alignment", 4, u32(64)));
  return c.bytes();
}
std::vector<std::string> many(std::size_t count, const std::function<std::string(std::size_t)>& make) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(make(i));
  return out;
}
std::vector<std::byte> many_tensors(std::size_t count, const std::function<std::string(std::size_t)>& name) {
  return file_with({}, many(count, [&](std::size_t i) { return tensor(name(i), {4, 4}, 0, i * 64); }));
}
std::string repeated(std::string_view part, std::size_t bytes = million) {
  std::string out;
  while (out.size() < bytes) out += part;
  return out;
}
std::string nested(std::size_t depth) {
  std::string out = array(0, 1, "x");
  while (depth-- > 0) out = array(9, 1, out);
  return out;
}

/// The golden llama with more keys and tensors.
std::vector<std::byte> llama(const std::function<void(model_parts&)>& change) {
  model_parts parts(golden("models/llama.gguf"));
  change(parts);
  return parts.bytes();
}

struct row {
  std::string what;
  std::vector<std::byte> file;
  std::function<void(const std::vector<std::byte>&)> read;
};

void parse(const std::vector<std::byte>& bytes) { static_cast<void>(gguf_file::try_parse(bytes)); }
void find_all(const std::vector<std::byte>& bytes) {
  const auto file = gguf_file::try_parse(bytes);
  REQUIRE(file);
  for (const auto& e : file->meta()) CHECK(file->meta().find(e.key));
  for (const auto& t : file->tensors()) CHECK(file->find(t.name));
}
void plan(const std::vector<std::byte>& bytes) { static_cast<void>(any_model::try_plan(gguf_file::parse(bytes))); }
void read_all_as(const std::vector<std::byte>& bytes) {
  const auto file = gguf_file::parse(bytes);
  for (const auto& e : file.meta()) {
    static_cast<void>(e.value.try_as_array<double>());
    static_cast<void>(e.value.try_as_array<std::uint64_t>());
    static_cast<void>(e.value.try_as_array<bool>());
    static_cast<void>(e.value.try_as_array<std::string_view>());
    static_cast<void>(e.value.owned());
  }
}
/// Recipes, with overrides that come close to every name.
void recipes(const std::vector<std::byte>& bytes) {
  const auto file = gguf_file::parse(bytes);
  auto recipe = *quantize_recipe::try_named("Q4_K_M");
  for (const std::string part : {"*a", "a*", "?", "*?", "a"}) REQUIRE(recipe.try_add_override(repeated(part, 100) + "b*=Q8_0"));
  CHECK(recipe.plan(file).size() == file.tensors().size());
  CHECK_FALSE(try_quantize_file(file, "out", recipe));  // the overrides match nothing: no file
}

std::vector<row> rows() {
  std::vector<row> out;
  const auto add = [&](std::string what, std::vector<std::byte> file, auto read) {
    out.push_back({what, std::move(file), read});
  };
  const auto keys = [](std::string before) {
    return file_with(many(most_keys - 1, [&](std::size_t i) { return entry(before + numbered(i), 0, "x"); }));
  };
  const auto arrays = file_with(many(30'000, [](std::size_t i) { return entry(numbered(i), 9, nested(2)); }));
  const auto strings = file_with({entry("a", 9, array(8, million / 8, repeated(std::string(8, '\0'))))});
  const auto bools = file_with({entry("a", 9, array(7, million, std::string(million, '\1')))});
  const auto names = [](std::string before, std::size_t size) {
    return many_tensors(million / 300, [=](std::size_t i) {
      std::string name = before + numbered(i);
      return name + std::string(size - name.size() - 7, 'a') + ".weight";
    });
  };
  add("65,536 keys", keys(""), parse), add("and find them", keys(""), find_all);
  add("65,536 keys that begin alike", keys(std::string(30, 'k')), find_all);
  add("a key that stands there twice", file_with(many(most_keys - 2, [](std::size_t) { return entry("k", 0, "x"); })), parse);
  add("30,000 arrays of arrays", arrays, parse), add("and read them", arrays, read_all_as);
  add("an array of empty strings", strings, parse), add("and read it", strings, read_all_as);
  add("an array of flags", bools, parse), add("and read it", bools, read_all_as);
  add("a string", file_with({entry("a", 8, text(std::string(million, '\xff')))}), parse);
  add("tensors", many_tensors(20'000, numbered), parse), add("and find them", many_tensors(20'000, numbered), find_all);
  add("recipes of long names", names("a", 255), recipes), add("recipes of layers", names("blk.1.attn_v", 255), recipes);
  add("a model with 60,000 keys", llama([](model_parts& m) {
        for (std::size_t i = 0; i < 60'000; ++i) m.meta.set("llama." + numbered(i), value(1u));
      }),
      plan);
  for (const char* key : {"attention.rope_pattern", "activation_sparsity_scale", "attention.head_count", "feed_forward_length",
                          "rope.freq_base_swa", "attention.sliding_window"})
    for (const value& v : {value(std::vector<bool>(million, true)), value(std::vector<std::uint8_t>(million, 1)),
                           value(std::vector<std::string>(million / 8)), value(std::string(million, 'x'))})
      add(std::string(key) + ": " + v.type_name(), llama([&](model_parts& m) { m.meta.set(std::string("llama.") + key, v); }),
          plan);
  add("a model with tensors of nobody", llama([](model_parts& m) {
        for (std::size_t i = 0; i < 20'000; ++i)
          m.tensors.push_back({numbered(i) + ".bias", tensor_type::f32, {1}, std::vector<std::byte>(4)});
      }),
      plan);
  return out;
}
}  // namespace

TEST_CASE("hostile files take linear time with every function that reads them") {
  if (NIBBLE_TEST_SANITIZED) return;
  for (const row& r : rows()) {
    CAPTURE(r.what);
    const std::clock_t begin = std::clock();  // time of this process: other programs do not count
    r.read(r.file);
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    const double millions = std::max(1.0, static_cast<double>(r.file.size()) / million);
    CHECK(seconds < millions);
  }
}
