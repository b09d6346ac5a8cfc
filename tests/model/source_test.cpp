/// Loading through a reader: the same model from wherever the bytes come, and every way in which a reader can fail.
#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "model/toys.hpp"
#include "nibble/quant/quantize_file.hpp"
#include "support/golden_models.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

constexpr const char* tiny = "../../examples/models/nibble-tiny-Q4_K_M.gguf";

/// What a reader was asked for.
struct requests {
  std::size_t calls = 0, largest = 0;
  std::uint64_t bytes = 0;
};

/// Bytes behind a reader, which gives at most so many at once and remembers what it was asked for.
byte_source source_of(const std::vector<std::byte>& bytes, requests& asked, std::size_t at_once = std::size_t(-1),
                      std::string name = {}) {
  const auto read = [&bytes, &asked, at_once](std::uint64_t offset, std::span<std::byte> out) {
    const std::size_t given = std::min(at_once, out.size());
    std::copy_n(bytes.data() + offset, given, out.data());
    asked.calls += 1, asked.largest = std::max(asked.largest, out.size()), asked.bytes += given;
    return given;
  };
  return {bytes.size(), read, std::move(name)};
}
byte_source source_of(const std::vector<std::byte>& bytes) {
  static requests nobody_asks;
  return source_of(bytes, nobody_asks);
}
floats logits_of(const any_model& m) { return fresh(m, some_tokens(20)); }
std::string refusal(byte_source source, errc code, const load_options& options = {.threads = 1}) {
  const auto loaded = any_model::try_load(std::move(source), options);
  REQUIRE(!loaded);
  CHECK(loaded.failure().code() == code);
  return loaded.failure().what();
}
}  // namespace

TEST_CASE("a reader gives the bits of a file, however few bytes it gives at once") {
  std::vector<std::filesystem::path> files{golden(tiny), golden("models/stories260K-q8_0.gguf")};
  for (const auto& g : golden_models(golden("models"))) files.push_back(g.file);
  for (const auto& path : files) {
    INFO(path.string());
    const auto bytes = read_all(path);
    const auto expected = logits_of(any_model::load(path, {.threads = 1}));
    for (const std::size_t at_once : {std::size_t(4099), std::size_t(-1)}) {
      requests asked;
      const auto read = any_model::load(source_of(bytes, asked, at_once), {.threads = 2});
      CHECK(logits_of(read) == expected);
      CHECK(asked.largest <= std::size_t{2} << 20);
    }
  }
  const auto bytes = read_all(golden("models/llama.gguf"));
  CHECK(logits_of(model<arch::llama>::load(source_of(bytes))) == logits_of(any_model::load(golden("models/llama.gguf"))));
  CHECK(logits_of(basic_any_model<type_list<arch::llama>>::load(source_of(bytes))) ==
        logits_of(any_model::load(golden("models/llama.gguf"))));
}

TEST_CASE("each byte is asked for once, but for the header and five lines of tensors") {
  const auto bytes = read_all(golden(tiny));
  requests asked;
  const auto file = gguf_file::open(source_of(bytes, asked));
  const std::uint64_t header = asked.bytes;
  CHECK(header <= std::uint64_t{1} << 20);
  REQUIRE(any_model::try_load(file, {.threads = 1}));
  CHECK(asked.bytes <= header + bytes.size() + file.tensors().size() * 5 * cache_line);
}

TEST_CASE("shards are given in their order, and must be all") {
  std::vector<std::vector<std::byte>> files;
  const model_parts whole(golden("models/llama.gguf"));
  for (const std::uint32_t part : {0u, 1u}) {
    model_parts p = whole;
    const auto middle = whole.tensors.begin() + 7;
    p.tensors.assign(part == 0 ? whole.tensors.begin() : middle, part == 0 ? middle : whole.tensors.end());
    if (part == 1) p.meta = metadata();
    p.meta.set("split.no", value(part)), p.meta.set("split.count", value(2u));
    p.meta.set("split.tensors.count", value(std::uint32_t(whole.tensors.size())));
    files.push_back(p.bytes());
  }
  requests asked;
  const auto shard = [&](std::size_t i) { return source_of(files[i], asked, std::size_t(-1), "shard " + std::to_string(i)); };
  const auto refused = [](std::vector<byte_source> shards, errc code) {
    const auto file = gguf_file::try_open(std::move(shards));
    REQUIRE(!file);
    CHECK(file.failure().code() == code);
    return std::string(file.failure().what());
  };
  CHECK(logits_of(any_model::load(gguf_file::open(std::vector{shard(0), shard(1)}), {.threads = 1})) ==
        logits_of(any_model::load(golden("models/llama.gguf"), {.threads = 1})));
  CHECK(refused({shard(0)}, errc::invalid_argument) == "expected all 2 shards of a split model, found 1");
  CHECK(refused({shard(0), shard(1), shard(1)}, errc::invalid_argument).find("found 3") != std::string::npos);
  CHECK(refused({}, errc::invalid_argument).find("found none") != std::string::npos);
  CHECK(refused({shard(1), shard(0)}, errc::bad_value).find("'split.no': expected 0, found 1") != std::string::npos);
  CHECK(refused({shard(0), shard(0)}, errc::bad_value) == "shard 0: key 'split.no': expected 1, found 0");
  const auto broken = byte_source(
      files[1].size(), [](auto, std::span<std::byte>) { return std::size_t{0}; }, "broken");
  CHECK(refused({shard(0), broken}, errc::truncated).starts_with("broken: offset 0: expected "));
}

TEST_CASE("a reader that fails at any of its calls is the end of loading, with its own error") {
  const auto bytes = read_all(golden("models/stories260K-q8_0.gguf"));
  requests asked;
  REQUIRE(any_model::try_load(source_of(bytes, asked), {.threads = 1}));
  for (std::size_t fails = 0; fails < asked.calls; fails += 7) {
    std::size_t calls = 0;
    const auto failing = [&](std::uint64_t offset, std::span<std::byte> out) -> result<std::size_t> {
      if (calls++ == fails) return error(errc::io, "the store is locked");
      std::copy_n(bytes.data() + offset, out.size(), out.data());
      return out.size();
    };
    CHECK(refusal({bytes.size(), failing, "vault"}, errc::io).ends_with("the store is locked"));
    CHECK(calls == fails + 1);
#if NIBBLE_EXCEPTIONS
    calls = 0;
    const auto throwing = [&](std::uint64_t offset, std::span<std::byte> out) -> std::size_t {
      if (calls++ == fails) throw std::runtime_error("mine");
      std::copy_n(bytes.data() + offset, out.size(), out.data());
      return out.size();
    };
    CHECK_THROWS_AS(static_cast<void>(any_model::try_load(byte_source(bytes.size(), throwing))), std::runtime_error);
#endif
  }
}

TEST_CASE("a size that is a lie is an error, whichever way it lies") {
  const auto bytes = read_all(golden("models/llama.gguf"));
  const auto lying = [&](std::uint64_t size) {
    return byte_source(
        size,
        [&](std::uint64_t offset, std::span<std::byte> out) {
          const std::size_t there = bytes.size() - std::min<std::size_t>(bytes.size(), static_cast<std::size_t>(offset));
          const std::size_t given = std::min(there, out.size());
          std::copy_n(bytes.data() + (bytes.size() - there), given, out.data());
          return given;
        },
        "lie");
  };
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{23}, std::uint64_t{1000}, std::uint64_t{bytes.size() - 1}}) {
    CHECK(refusal(lying(size), errc::truncated).starts_with("lie: "));
  }
  for (const std::uint64_t size : {std::uint64_t{bytes.size() + 1}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    CHECK(refusal(lying(size), errc::truncated).find("found the end, before the size") != std::string::npos);
  }
}

TEST_CASE("a reader whose bytes change between calls gives an error or a model, and no fault") {
  const auto whole = read_all(golden("models/stories260K-q8_0.gguf"));
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::size_t calls = 0;
    const auto read = [&](std::uint64_t offset, std::span<std::byte> out) {
      std::copy_n(whole.data() + offset, out.size(), out.data());
      if (calls++ >= seed % 4) {
        for (std::size_t i = seed % 13; i < out.size(); i += 97) out[i] ^= std::byte(seed + 1);
      }
      return out.size();
    };
    const auto loaded = any_model::try_load(byte_source(whole.size(), read), {.threads = 1});
    if (loaded) CHECK(logits_of(*loaded).size() > 0);
  }
}

TEST_CASE("weights cannot stay in a file that a reader gives") {
  const auto bytes = read_all(golden("models/llama.gguf"));
  CHECK(refusal(source_of(bytes), errc::invalid_argument, {.mapped = true}).find("load_options::mapped") != std::string::npos);
}

TEST_CASE("loading tells how far it is within a tensor, and can be given up there, however the file is given") {
  constexpr std::size_t hidden = 32'000;  // 8 MB a matrix
  model_parts parts(golden("models/llama.gguf"));
  parts.meta.set("llama.feed_forward_length", value(std::uint32_t{hidden}));
  for (auto& t : parts.tensors) {
    for (auto& d : t.dims) d = d == 128 ? hidden : d;
    t.data.resize(std::size_t(t.dims[0] * (t.dims.size() > 1 ? t.dims[1] : 1)) * sizeof(float));
  }
  const auto bytes = parts.bytes();
  const temporary_folder folder;
  const auto path = folder.put("m.gguf", bytes);
  const auto ways = std::to_array<std::function<result<any_model>(const load_options&)>>({
      [&](const load_options& o) { return any_model::try_load(path, o); },
      [&](load_options o) { return o.access = file_access::read, any_model::try_load(path, o); },
      [&](const load_options& o) { return any_model::try_load(std::span<const std::byte>(bytes), o); },
      [&](const load_options& o) { return any_model::try_load(source_of(bytes), o); },
      [&](const load_options& o) { return any_model::try_load(gguf_file::open(path), o); },
      [&](load_options o) { return o.mapped = true, any_model::try_load(path, o); },
  });
  for (const auto& load : ways) {
    std::vector<std::size_t> seen;
    std::size_t of_all = 0;
    REQUIRE(load({.threads = 1, .progress = [&](std::size_t done, std::size_t total) {
                    seen.push_back(done), of_all = total;
                    return true;
                  }}));
    CHECK(std::adjacent_find(seen.begin(), seen.end(), std::greater_equal<>()) == seen.end());
    CHECK(seen.back() == of_all);
    for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i] - seen[i - 1] <= (std::size_t{2} << 20) + 4096);
    for (const std::size_t give_up : {std::size_t{0}, seen.size() / 2, seen.size() - 1}) {
      std::size_t calls = 0;
      const auto cancelled = load({.threads = 1, .progress = [&](std::size_t, std::size_t) { return calls++ < give_up; }});
      REQUIRE(!cancelled);
      CHECK(cancelled.failure().code() == errc::cancelled);
      CHECK(std::string(cancelled.failure().what()).ends_with(": loading was cancelled"));
      CHECK(calls == give_up + 1);
    }
  }
}

TEST_CASE("a file that a reader gives is quantized as one that is mapped") {
  const temporary_folder folder;
  const auto path = golden("models/llama.gguf");
  const auto bytes = read_all(path);
  quantize_file(gguf_file::open(path), folder / "mapped.gguf", quantize_recipe::named("Q8_0"));
  quantize_file(gguf_file::open(source_of(bytes)), folder / "read.gguf", quantize_recipe::named("Q8_0"));
  CHECK(read_all(folder / "read.gguf") == read_all(folder / "mapped.gguf"));
}
