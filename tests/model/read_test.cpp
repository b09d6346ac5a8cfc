/// Loading by reads instead of a mapping: the same model, whatever happens to the file meanwhile.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "file/temporary_folder.hpp"
#include "model/toys.hpp"
#include "support/golden_models.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

constexpr const char* tiny = "../../examples/models/nibble-tiny-Q4_K_M.gguf";

/// The golden llama in two files: the tensors from `from` on are in the second.
std::filesystem::path split(const temporary_folder& folder, std::size_t from) {
  const model_parts whole(golden("models/llama.gguf"));
  for (const std::uint32_t part : {0u, 1u}) {
    model_parts p = whole;
    p.tensors.assign(whole.tensors.begin() + std::ptrdiff_t(part == 0 ? 0 : from),
                     part == 0 ? whole.tensors.begin() + std::ptrdiff_t(from) : whole.tensors.end());
    if (part == 1) p.meta = metadata();
    p.meta.set("split.no", value(part)), p.meta.set("split.count", value(2u));
    p.meta.set("split.tensors.count", value(std::uint32_t(whole.tensors.size())));
    folder.put(part == 0 ? "m-00001-of-00002.gguf" : "m-00002-of-00002.gguf", p.bytes());
  }
  return folder / "m-00001-of-00002.gguf";
}
floats logits_of(const any_model& m) { return fresh(m, some_tokens(20)); }
}  // namespace

TEST_CASE("a file that is read gives the bits of one that is mapped") {
  std::vector<std::filesystem::path> files{golden(tiny), golden("models/stories260K-q8_0.gguf")};
  for (const auto& g : golden_models(golden("models"))) files.push_back(g.file);
  for (const auto& path : files) {
    INFO(path.string());
    const auto mapped = any_model::load(path, {.threads = 1});
    for (const std::size_t threads : {1, 3}) {
      const auto read = any_model::load(path, {.threads = threads, .access = file_access::read});
      CHECK(read.weight_bytes() == mapped.weight_bytes());
      CHECK(logits_of(read) == logits_of(mapped));
    }
    const auto plan = any_model::try_plan(gguf_file::open(path, {}, file_access::read));
    REQUIRE(plan);
    CHECK(plan->total() == any_model::try_plan(gguf_file::open(path))->total());
  }
}

TEST_CASE("matrices of several steps, and stacks of them, are read as they are mapped") {
  model_parts parts(golden("models/llama.gguf"));
  make_experts(parts);
  parts.meta.set("llama.expert_count", value(4u)), parts.meta.set("llama.expert_used_count", value(2u));
  const temporary_folder folder;
  const auto path = folder.put("experts.gguf", parts.bytes());
  CHECK(logits_of(any_model::load(path, {.threads = 2, .access = file_access::read})) ==
        logits_of(any_model::load(path, {.threads = 2})));
}

TEST_CASE("all shards are read") {
  const temporary_folder folder;
  const auto path = split(folder, 7);
  CHECK(logits_of(any_model::load(path, {.threads = 1, .access = file_access::read})) ==
        logits_of(any_model::load(golden("models/llama.gguf"), {.threads = 1})));
}

TEST_CASE("a file, or a shard, that becomes shorter between opening and loading is an error") {
  const temporary_folder folder;
  const auto path = folder.put("whole.gguf", read_all(golden("models/llama.gguf")));
  auto file = gguf_file::open(path, {}, file_access::read);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const auto cut = any_model::try_load(file, {.threads = 2});
  REQUIRE(!cut);
  CHECK(cut.failure().code() == errc::truncated);
  CHECK(std::string(cut.failure().what()).find("the file has become shorter") != std::string::npos);
  CHECK(any_model::try_plan(file));  // the header is in memory
  std::vector<std::byte> bytes(16);
  CHECK(!file.try_read(file.tensors().back(), 0, bytes));

  const auto first = split(folder, 7);
  const auto shards = gguf_file::open(first, {}, file_access::read);
  std::filesystem::resize_file(folder / "m-00002-of-00002.gguf", 1000);
  const auto half = any_model::try_load(shards, {.threads = 2});
  REQUIRE(!half);
  CHECK(half.failure().code() == errc::truncated);
  CHECK(std::string(half.failure().what()).starts_with("m-00002-of-00002.gguf: '"));
}

TEST_CASE("every point at which a file that is read may end gives an error, and none a fault") {
  const auto whole = read_all(golden("models/stories260K-q8_0.gguf"));
  const temporary_folder folder;
  const auto path = folder.put("cut.gguf", whole);
  for (std::size_t step = 997, size = whole.size() - 1; size > step; size -= step) {
    std::filesystem::resize_file(path, size);
    const auto loaded = any_model::try_load(path, {.threads = 1, .access = file_access::read});
    REQUIRE(!loaded);
    CHECK(std::string(loaded.failure().what()).starts_with(path.string() + ": "));
  }
}

TEST_CASE("a file is opened by reading as by mapping, to the same metadata, tensors, bytes and errors") {
  for (const auto& path : {golden(tiny), golden("models/gemma3.gguf")}) {
    const auto mapped = gguf_file::open(path), read = gguf_file::open(path, {}, file_access::read);
    CHECK(read.access() == file_access::read);
    CHECK(read.file_bytes() == mapped.file_bytes());
    CHECK(read.version() == mapped.version());
    REQUIRE(read.tensors().size() == mapped.tensors().size());
    for (std::size_t i = 0; i < read.tensors().size(); ++i) {
      const auto& a = read.tensors()[i];
      CHECK(a.name == mapped.tensors()[i].name);
      CHECK(read.bytes(a).empty());
      std::vector<std::byte> bytes(static_cast<std::size_t>(a.bytes));
      read.read(a, 0, bytes);
      const auto expected = mapped.bytes(mapped.tensors()[i]);
      CHECK(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end()));
      CHECK(!read.try_read(a, 1, bytes));
      CHECK(!mapped.try_read(mapped.tensors()[i], 1, bytes));
      CHECK(read.try_read(a, a.bytes, std::span(bytes).first(0)));
    }
  }
  const temporary_folder folder;
  const auto bad = folder.put("bad.gguf", std::vector<std::byte>(100));
  CHECK(std::string(gguf_file::try_open(bad, {}, file_access::read).failure().what()) ==
        gguf_file::try_open(bad).failure().what());
}

TEST_CASE("a header that is longer than the first read is whole, and one beyond the limit is refused") {
  model_parts parts(golden("models/llama.gguf"));
  parts.meta.set("general.long", value(std::string(5 << 20, 'x')));
  const temporary_folder folder;
  const auto path = folder.put("long.gguf", parts.bytes());
  const auto file = gguf_file::open(path, {}, file_access::read);
  CHECK(file.meta().get<std::string_view>("general.long")->size() == 5 << 20);
  CHECK(logits_of(any_model::load(path, {.threads = 1, .access = file_access::read})) ==
        logits_of(any_model::load(golden("models/llama.gguf"), {.threads = 1})));
  limits most;
  most.header_bytes = 1 << 20;
  const auto refused = gguf_file::try_open(path, most, file_access::read);
  REQUIRE(!refused);
  CHECK(refused.failure().code() == errc::limit_exceeded);
}

TEST_CASE("weights cannot stay in a file that is read") {
  const auto path = golden("models/llama.gguf");
  for (const auto& refused : {any_model::try_load(path, {.mapped = true, .access = file_access::read}),
                              any_model::try_load(gguf_file::open(path, {}, file_access::read), {.mapped = true})}) {
    REQUIRE(!refused);
    CHECK(refused.failure().code() == errc::invalid_argument);
  }
}
