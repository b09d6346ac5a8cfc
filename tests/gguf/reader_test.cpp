#include "nibble/gguf/reader.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "gguf/craft.hpp"
#include "support/files.hpp"

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

using namespace nibble_test;
using nibble::errc;
using nibble::gguf_file;

static_assert(!std::is_copy_constructible_v<gguf_file> && std::is_nothrow_move_constructible_v<gguf_file>);

namespace {

/// Three shards of a model, each with a tensor of its own alignment, before anybody lies about them.
struct split_model {
  std::vector<craft> shards;
  std::size_t empty = 3;  // the shard to write without a byte
  std::vector<std::string> names{"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"};

  split_model() : shards(3) {
    for (std::uint16_t i = 0; i < 3; ++i) {
      auto& s = shards[i];
      s.alignment = i == 1 ? 128 : 64;
      s.keys = {entry("split.no", 2, le(i)), entry("split.count", 2, le(std::uint16_t{3})),
                entry("split.tensors.count", 5, le(std::int32_t{4})),
                entry("general.alignment", 4, u32(static_cast<std::uint32_t>(s.alignment)))};
      s.tensors = {tensor("blk." + std::to_string(i) + ".weight", {8u + i}, 0, 0)};
      s.data_bytes = 64;
    }
    shards[0].keys.push_back(entry("general.architecture", 8, text("llama")));
    shards[2].tensors.push_back(tensor("output.weight", {4}, 0, 64));
    shards[2].data_bytes = 80;
  }
  /// Writes all but the files without a name, and gives the path of the first.
  std::filesystem::path put(const temporary_folder& folder) const {
    for (std::size_t i = 0; i < names.size(); ++i)
      if (!names[i].empty()) folder.put(names[i], i == empty ? std::vector<std::byte>() : shards[i].bytes());
    return folder / names[0];
  }
};

struct lie {
  const char* name;
  std::function<void(split_model&)> change;
  errc code;
  const char* says;
};

std::string no(std::uint16_t n) { return entry("split.no", 2, le(n)); }
std::string count(std::uint16_t n) { return entry("split.count", 2, le(n)); }
std::string total(std::int32_t n) { return entry("split.tensors.count", 5, le(n)); }

const std::vector<lie>& lies() {
  static const std::vector<lie> table = {
      {"a shard is missing", [](auto& m) { m.names[1].clear(); }, errc::io, "m-00002-of-00003.gguf: cannot open: no such file"},
      {"the last shard is missing", [](auto& m) { m.names[2].clear(); }, errc::io, "m-00003-of-00003.gguf: cannot open"},
      {"a later shard is opened first", [](auto& m) { m.shards[0].keys[0] = no(1); }, errc::bad_value,
       "key 'split.no': expected 0, found 1: a split model is opened by its first file, whose name ends in "
       "-00001-of-00003.gguf"},
      {"a later shard has the number of another", [](auto& m) { m.shards[2].keys[0] = no(1); }, errc::bad_value,
       "m-00003-of-00003.gguf: key 'split.no': expected 2, found 1"},
      {"two shards change places", [](auto& m) { std::swap(m.names[1], m.names[2]); }, errc::bad_value,
       "m-00002-of-00003.gguf: key 'split.no': expected 1, found 2"},
      {"the first shard has no number", [](auto& m) { m.shards[0].keys.erase(m.shards[0].keys.begin()); }, errc::missing_key,
       "key 'split.no' is missing"},
      {"a later shard has no number", [](auto& m) { m.shards[1].keys.erase(m.shards[1].keys.begin()); }, errc::missing_key,
       "m-00002-of-00003.gguf: key 'split.no' is missing"},
      {"a shard number is a string", [](auto& m) { m.shards[1].keys[0] = entry("split.no", 8, text("1")); }, errc::bad_value,
       "key 'split.no': expected u32, found string"},
      {"the first shard counts two", [](auto& m) { m.shards[0].keys[1] = count(2); }, errc::invalid_argument,
       "the first of 2 shards: expected a name that ends in -00001-of-00002.gguf"},
      {"a later shard counts two", [](auto& m) { m.shards[1].keys[1] = count(2); }, errc::bad_value,
       "m-00002-of-00003.gguf: key 'split.count': expected 3, found 2"},
      {"a later shard does not count", [](auto& m) { m.shards[1].keys[1] = entry("x", 0, "1"); }, errc::missing_key,
       "m-00002-of-00003.gguf: key 'split.count' is missing"},
      {"the count is negative", [](auto& m) { m.shards[0].keys[1] = entry("split.count", 5, le(std::int32_t{-1})); },
       errc::bad_value, "key 'split.count': expected u32, found -1"},
      {"the count is a string", [](auto& m) { m.shards[0].keys[1] = entry("split.count", 8, text("3")); }, errc::bad_value,
       "key 'split.count': expected u32, found string"},
      {"the name has another count", [](auto& m) { m.names[0] = "m-00001-of-00004.gguf"; }, errc::invalid_argument,
       "m-00001-of-00004.gguf: the first of 3 shards: expected a name that ends in -00001-of-00003.gguf"},
      {"the name has no count", [](auto& m) { m.names[0] = "m.gguf"; }, errc::invalid_argument, "expected a name that ends in"},
      {"a tensor is in two shards", [](auto& m) { m.shards[1].tensors[0] = tensor("blk.0.weight", {8}, 0, 0); },
       errc::malformed, "tensor 'blk.0.weight' stands there twice"},
      {"a tensor too few is promised", [](auto& m) { m.shards[0].keys[2] = total(3); }, errc::bad_value,
       "key 'split.tensors.count': expected 4, as many as the shards hold, found 3"},
      {"a tensor too many is promised", [](auto& m) { m.shards[0].keys[2] = total(5); }, errc::bad_value, "found 5"},
      {"-1 tensors are promised", [](auto& m) { m.shards[0].keys[2] = total(-1); }, errc::bad_value, "expected u64, found -1"},
      {"no number of tensors is promised", [](auto& m) { m.shards[0].keys[2] = entry("x", 0, "1"); }, errc::missing_key,
       "key 'split.tensors.count' is missing"},
      {"a later shard is no GGUF file", [](auto& m) { m.shards[1].magic = "PK\3\4"; }, errc::not_gguf,
       "m-00002-of-00003.gguf: expected the bytes 'GGUF'"},
      {"a later shard is cut", [](auto& m) { m.shards[2].data_bytes = 79; }, errc::truncated,
       "m-00003-of-00003.gguf: 'output.weight': 16 bytes at offset 64"},
      {"a later shard is empty", [](auto& m) { m.empty = 1; }, errc::truncated,
       "m-00002-of-00003.gguf: offset 0: expected 4 bytes of magic, found 0"},
  };
  return table;
}

}  // namespace

TEST_CASE("tensors are found by name, their bytes where the file has them") {
  const auto raw_file = craft().bytes();
  const auto file = gguf_file::try_parse(raw_file);
  REQUIRE(file);
  for (const auto& t : file->tensors()) {
    CHECK(file->find(t.name) == &t);
    CHECK(file->bytes(t).data() == raw_file.data() + t.offset);
    CHECK(file->bytes(t).size() == t.bytes);
  }
  CHECK(file->find("blk.0.attn_q.weigh") == nullptr);
  CHECK(file->find("") == nullptr);
  CHECK(file->find("zzz") == nullptr);
  CHECK(file->shards() == 1);
  CHECK(file->file_bytes() == raw_file.size());
}

TEST_CASE("a mapped file says the same as the bytes in memory, also after it has moved") {
  const temporary_folder folder;
  const auto raw_file = craft().bytes();
  auto opened = gguf_file::try_open(folder.put("m.gguf", raw_file));
  REQUIRE(opened);
  const gguf_file file = *std::move(opened);
  const auto parsed = gguf_file::try_parse(raw_file);
  REQUIRE(file.tensors().size() == parsed->tensors().size());
  for (std::size_t i = 0; i < file.tensors().size(); ++i) {
    const auto a = file.bytes(file.tensors()[i]), b = parsed->bytes(parsed->tensors()[i]);
    CHECK(file.tensors()[i].name == parsed->tensors()[i].name);
    CHECK(std::vector(a.begin(), a.end()) == std::vector(b.begin(), b.end()));
  }
  CHECK(file.meta().get<std::string_view>("general.architecture") == "llama");
}

TEST_CASE("released tensor bytes come back, ranges outside are ignored") {
  const temporary_folder folder;
  craft c;
  c.tensors = {tensor("t", {1 << 18}, 0, 0)};
  c.data_bytes = 1 << 20;
  const auto raw_file = c.bytes();
  const auto file = gguf_file::try_open(folder.put("m.gguf", raw_file));
  REQUIRE(file);
  const auto& t = *file->find("t");
  file->release(t, 0, 1 << 20);
  file->release(t, 5000, 100000);
  file->release(t, 0, (1 << 20) + 1);
  file->release(t, ~std::size_t{0}, 4096);
  const auto bytes = file->bytes(t);
  CHECK(std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0x5a}; }));
  const auto borrowed = gguf_file::try_parse(raw_file);
  borrowed->release(*borrowed->find("t"), 0, 1 << 20);
  CHECK(borrowed->bytes(*borrowed->find("t"))[5] == std::byte{0x5a});
}

TEST_CASE("a split model is opened by its first file and shows itself as whole") {
  const temporary_folder folder;
  const auto path = split_model().put(folder);
  const auto file = gguf_file::try_open(path);
  REQUIRE_MESSAGE(file, std::string(file.failure().what()));
  CHECK(file->shards() == 3);
  REQUIRE(file->tensors().size() == 4);
  CHECK(file->find("output.weight")->shard == 2);
  CHECK(file->find("blk.1.weight")->shard == 1);
  CHECK(file->find("blk.1.weight")->offset % 128 == 0);
  for (const auto& t : file->tensors()) CHECK(file->bytes(t)[0] == std::byte{0x5a});
  CHECK(file->meta().size() == 2);
  CHECK(file->meta().find("split.count") == nullptr);
  CHECK(file->meta().get<std::string_view>("general.architecture") == "llama");
}

TEST_CASE("every contradiction between shards is refused with the name of the file") {
  for (const auto& l : lies()) {
    CAPTURE(std::string(l.name));
    const temporary_folder folder;
    split_model m;
    l.change(m);
    const auto path = m.put(folder);
    const auto file = gguf_file::try_open(path);
    REQUIRE(!file);
    const std::string what = file.failure().what();
    CHECK_MESSAGE(file.failure().code() == l.code, what);
    CHECK_MESSAGE(what.find(l.says) != std::string::npos, what);
    CHECK(what.starts_with(path.string() + ": "));
  }
  MESSAGE(lies().size() << " malformed split models");
}

TEST_CASE("the limit of tensors counts all shards") {
  const temporary_folder folder;
  const auto path = split_model().put(folder);
  CHECK(gguf_file::try_open(path, {.tensors = 4}));
  const auto file = gguf_file::try_open(path, {.tensors = 3});
  REQUIRE(!file);
  CHECK(file.failure().code() == errc::limit_exceeded);
  CHECK(std::string(file.failure().what()).find("4 tensors in 3 shards, above the limit of 3") != std::string::npos);
}

TEST_CASE("shards come from beside the first file, whatever the path to it or the metadata says") {
  const temporary_folder folder;
  std::filesystem::create_directory(folder / "sub");
  split_model m;
  m.shards[0].keys.push_back(entry("split.path", 8, text("../../elsewhere")));
  for (auto& name : m.names) name = ".." + name;  // a name that begins like a path upwards
  m.put(folder);
  const auto file = gguf_file::try_open(folder / "sub" / ".." / m.names[0]);
  REQUIRE_MESSAGE(file, std::string(file.failure().what()));
  CHECK(file->shards() == 3);
  std::filesystem::rename(folder / m.names[1], folder / "sub" / m.names[1]);
  CHECK_FALSE(gguf_file::try_open(folder / m.names[0]));
}

TEST_CASE("a model whose split was undone is whole") {
  const temporary_folder folder;
  for (const auto n : {std::uint16_t{0}, std::uint16_t{1}}) {
    craft c;
    c.keys.push_back(count(n));
    const auto raw_file = c.bytes();
    CHECK(gguf_file::try_parse(raw_file));
    CHECK(gguf_file::try_open(folder.put("m.gguf", raw_file)));
  }
}

TEST_CASE("a shard in memory is refused, because the others cannot be found") {
  const auto raw_file = split_model().shards[0].bytes();
  const auto file = gguf_file::try_parse(raw_file);
  REQUIRE(!file);
  CHECK(file.failure().code() == errc::invalid_argument);
  CHECK(std::string(file.failure().what()) == "one of 3 shards: a split model is opened by the path of its first");
  auto m = split_model();
  m.shards[0].keys[1] = entry("split.count", 8, text("3"));
  const auto odd = m.shards[0].bytes();
  CHECK(std::string(gguf_file::try_parse(odd).failure().what()) == "key 'split.count': expected u32, found string");
}

TEST_CASE("a file whose tensors are cut off costs its header alone") {
  craft c;
  c.tensors = {tensor("t", {std::uint64_t{1} << 27}, 0, 0)};
  const std::string head = c.header();
  const std::uint64_t size = std::uint64_t{1} << 28;  // half of what it promises
  std::uint64_t asked = 0;
  const nibble::byte_source source(size, [&](std::uint64_t offset, std::span<std::byte> out) -> nibble::result<std::size_t> {
    asked += out.size();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint64_t at = offset + i;
      out[i] = at < head.size() ? static_cast<std::byte>(head[static_cast<std::size_t>(at)]) : std::byte{0};
    }
    return out.size();
  });
  const auto file = gguf_file::try_open(source);
  REQUIRE(!file);
  CHECK(file.failure().code() == errc::truncated);
  CHECK(std::string(file.failure().what()).starts_with("'t': "));
  CHECK(asked <= (1u << 20));
}

TEST_CASE("what is no file is refused by name") {
  const temporary_folder folder;
  const auto refused = [](const std::filesystem::path& path) {
    const auto file = gguf_file::try_open(path);
    REQUIRE(!file);
    CHECK(file.failure().code() == errc::io);
    CHECK(std::string(file.failure().what()).starts_with(path.string()));
  };
  refused(folder / "missing.gguf");
  refused(folder / ".");
#if !defined(_WIN32)
  REQUIRE(::mkfifo((folder / "pipe.gguf").c_str(), 0600) == 0);
  refused(folder / "pipe.gguf");
  refused("/dev/zero");
#endif
}

TEST_CASE("the metadata of a temporary file is a copy that does not point into it") {
  std::vector<nibble::metadata> all;
  {
    auto raw_file = craft().bytes();
    all.push_back((*gguf_file::try_parse(raw_file)).meta());
    std::fill(raw_file.begin(), raw_file.end(), std::byte{0});
  }
  REQUIRE(all[0].size() > 0);
  for (const auto& entry : all[0]) CHECK(!entry.value.bytes().empty());
  CHECK(all[0].try_get<std::string_view>("general.architecture"));
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("open and parse throw the error that their twins return") {
  CHECK_THROWS_AS(gguf_file::open("/no/such/file.gguf"), nibble::error);
  CHECK_THROWS_AS(gguf_file::parse({}), nibble::error);
  const auto raw_file = craft().bytes();
  const auto file = gguf_file::parse(raw_file);
  CHECK(file.tensors().size() == 4);
}
#endif

TEST_CASE("the largest limits are limits, however a file is read") {
  const auto path = golden("models/llama.gguf");
  constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t bytes : {largest, largest - (64u << 20) + 100}) {
    for (const auto access : {nibble::file_access::mapped, nibble::file_access::read}) {
      const auto file = gguf_file::try_open(path, {.header_bytes = bytes}, access);
      REQUIRE(file);
      CHECK(file->tensors().size() > 10);
    }
  }
}

TEST_CASE("the tiny model is read as it was made") {
  const auto path = shared("models/nibble-tiny-f32.gguf");
  NIBBLE_NEEDS(path);
  const auto file = gguf_file::try_open(path);
  REQUIRE(file);
  CHECK(file->meta().get<std::string_view>("general.architecture") == "gemma3");
  CHECK(file->meta().get<int>("gemma3.block_count") == 6);
  CHECK(file->meta().try_get_array<std::string_view>("tokenizer.ggml.tokens")->size() == 2048);
  CHECK(file->tensors().size() == 80);
  REQUIRE(file->find("token_embd.weight"));
  CHECK(file->find("token_embd.weight")->shape() == "(256, 2048)");
}

TEST_CASE("every published file at hand is read, its tensors inside of it") {
  const auto folder = shared("models");
  NIBBLE_NEEDS(folder);
  std::size_t files = 0;
  for (const auto& place : {folder, shared("tokenizer")})
    for (const auto& item : std::filesystem::recursive_directory_iterator(place)) {
      if (item.path().extension() != ".gguf") continue;
      CAPTURE(item.path().string());
      const auto file = gguf_file::try_open(item.path());
      REQUIRE_MESSAGE(file, std::string(file.failure().what()));
      CHECK(file->meta().get<std::string_view>("general.architecture"));
      for (const auto& t : file->tensors()) CHECK(t.offset + t.bytes <= file->file_bytes());
      ++files;
    }
  CHECK(files > 50);
}
