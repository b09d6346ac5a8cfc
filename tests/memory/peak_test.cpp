/// The most that is held at once beside what stays.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "file/temporary_folder.hpp"
#include "memory/planned.hpp"
#include "nibble/nibble.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"

#if NIBBLE_TEST_COUNTS_HEAP
using namespace nibble_test;

TEST_CASE("a file that is read, by the system or by a reader, takes no more than a twentieth beside what stays") {
  const temporary_folder folder;
  const auto path = [&] {
    constexpr std::size_t hidden = 32768;
    model_parts parts(golden("models/llama.gguf"));
    parts.meta.set("llama.feed_forward_length", nibble::value(std::uint32_t{hidden}));
    for (auto& t : parts.tensors) {
      for (auto& d : t.dims) d = d == 128 ? hidden : d;
      t.data.resize(std::size_t(t.dims[0] * (t.dims.size() > 1 ? t.dims[1] : 1)) * sizeof(float));
    }
    return folder.put("large.gguf", parts.bytes());
  }();
  const auto options = options_of(false, nibble::file_access::read);
  const auto plan = nibble::any_model::plan(nibble::gguf_file::open(path), {}, options);
  REQUIRE(plan.weights > 50'000'000);
  const std::size_t before = live_bytes;
  most_live_bytes = before;
  REQUIRE(nibble::any_model::try_load(path, options));
  CHECK(most_live_bytes - before < plan.weights * 21 / 20 + plan.tokenizer);
  most_live_bytes = live_bytes.load();
  REQUIRE(nibble::any_model::try_load(nibble::byte_source(nibble::readable_file::open(path)), options_of()));
  CHECK(most_live_bytes - before < plan.weights * 21 / 20 + plan.tokenizer);
}

TEST_CASE("a vector that is not read is looked into a little at a time, and no further than its first number that counts") {
  const temporary_folder folder;
  struct row {
    const char* what;
    nibble::tensor_type type;
    std::uint64_t numbers;
    std::size_t bytes;
    char filling;
    bool harmless;
  };
  const row rows[] = {
      {"of no plain format", static_cast<nibble::tensor_type>(19), 1u << 26, (1u << 26) / 256 * 50, 0, false},
      {"above every limit", nibble::tensor_type::f16, (4u << 20) + 1, (8u << 20) + 2, 0, false},
      {"not of zeros", nibble::tensor_type::f32, 4u << 20, 16u << 20, 1, false},
      {"of zeros", nibble::tensor_type::f32, 4u << 20, 16u << 20, 0, true},
  };
  for (const row& r : rows) {
    INFO(r.what);
    model_parts parts(golden("models/llama.gguf"));
    parts.tensors.push_back({"output_norm.bias", r.type, {r.numbers}, std::vector<std::byte>(r.bytes, std::byte(r.filling))});
    const auto path = folder.put("bias.gguf", parts.bytes());
    for (const auto access : {nibble::file_access::mapped, nibble::file_access::read}) {
      const auto file = nibble::gguf_file::open(path, {}, access);
      const std::size_t before = live_bytes;
      most_live_bytes = before;
      const bool planned = bool(nibble::any_model::try_plan(file, {}, options_of(false, access)));
      const std::size_t most = most_live_bytes - before;
      CHECK(planned == r.harmless);
      CHECK(most < 2'000'000);
    }
  }
}

TEST_CASE("a long text of special tokens takes no memory for the places where they stand") {
  const auto file = nibble::gguf_file::open(golden("models/stories260K-q8_0.gguf"));
  const auto tokenizer = nibble::tokenizer::load(file.meta());
  constexpr std::size_t count = 1'000'000;
  std::string text;
  while (text.size() < 3 * count) text += "<s>";
  std::vector<nibble::token> ids;
  ids.reserve(count + 1);
  const std::size_t before = live_bytes;
  most_live_bytes = before;
  tokenizer.encode(text, ids, {.special = true, .bos = false});
  const std::size_t most = most_live_bytes - before;
  CHECK(ids.size() == count);
  CHECK(most < 200'000);
}
#endif
