#include "nibble/gguf/rewrite.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "gguf/craft.hpp"
#include "nibble/gguf/writer.hpp"
#include "support/equal.hpp"
#include "support/files.hpp"

#if !defined(_WIN32)
#include <sys/resource.h>
#endif

using namespace nibble_test;
using nibble::errc;
using nibble::gguf_file;
using nibble::metadata;
using nibble::shard_limits;
using nibble::tensor_type;
using nibble::value;

namespace {

constexpr const char* tiny = "../../examples/models/nibble-tiny-Q4_K_M.gguf";

/// Whether the system lets nobody replace or shorten a file that is open.
#if defined(_WIN32)
constexpr bool keeps_open_files = true;
#else
constexpr bool keeps_open_files = false;
#endif

std::filesystem::path stories() { return golden("models/stories260K-q8_0.gguf"); }

template <class T>
std::string refusal(const nibble::result<T>& outcome, errc code) {
  REQUIRE(!outcome);
  CHECK_MESSAGE(outcome.failure().code() == code, std::string(outcome.failure().what()));
  return outcome.failure().what();
}

/// A file of tensors of so many floats each, with a key of its own.
std::vector<std::byte> file_of(const std::vector<std::uint64_t>& floats, std::uint32_t alignment = 32) {
  metadata meta;
  meta.set("general.architecture", value("llama"));
  if (alignment != 32) meta.set("general.alignment", value(alignment));
  nibble::gguf_writer writer(std::move(meta));
  std::vector<std::vector<std::byte>> data;
  data.reserve(floats.size());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    data.emplace_back(static_cast<std::size_t>(floats[i]) * 4, static_cast<std::byte>(i + 1));
    writer.add("t" + std::to_string(i), tensor_type::f32, {{floats[i]}}, data.back());
  }
  return writer.bytes();
}

std::vector<std::size_t> plan(const std::vector<std::uint64_t>& floats, const shard_limits& each) {
  const auto bytes = file_of(floats);
  return nibble::plan_shards(gguf_file::parse(bytes), each);
}

}  // namespace

TEST_CASE("a copy has the metadata that it is given and the tensors of its source, to the byte") {
  const temporary_folder folder;
  for (const auto access : {nibble::file_access::mapped, nibble::file_access::read}) {
    const auto file = gguf_file::open(stories(), {}, access);
    nibble::copy_gguf(file, file.meta(), folder / "same.gguf");
    CHECK(read_all(folder / "same.gguf") == read_all(stories()));

    metadata meta = file.meta();
    meta.set("general.name", value("another name, which is longer than the one before"));
    meta.set("my.key", value(std::vector<int>{1, 2, 3}));
    meta.erase("general.file_type");
    nibble::copy_gguf(file, meta, folder / "other.gguf");
    const auto other = gguf_file::open(folder / "other.gguf");
    CHECK(other.meta().get<std::string_view>("general.name") == "another name, which is longer than the one before");
    CHECK(other.meta().get_array<int>("my.key") == std::vector{1, 2, 3});
    CHECK(other.meta().find("general.file_type") == nullptr);
    REQUIRE(other.tensors().size() == file.tensors().size());
    for (const auto& tensor : other.tensors()) {
      std::vector<std::byte> expected(static_cast<std::size_t>(tensor.bytes));
      file.read(*file.find(tensor.name), 0, expected);
      CHECK(equal(other.bytes(tensor), expected));
    }
  }
}

TEST_CASE("a file may be replaced by its own copy") {
  const temporary_folder folder;
  const auto path = folder.put("m.gguf", read_all(stories()));
  {
    const auto file = gguf_file::open(path);
    metadata meta = file.meta();
    meta.set("general.name", value("mine"));
    const auto copied = nibble::try_copy_gguf(file, meta, path);
    CHECK(bool(copied) == !keeps_open_files);
  }
  if (keeps_open_files) {
    CHECK(read_all(path) == read_all(stories()));
  } else {
    CHECK(gguf_file::open(path).meta().get<std::string_view>("general.name") == "mine");
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("a copy of what a reader would refuse, and one that is cancelled, leaves the old file") {
  const temporary_folder folder;
  const std::vector<std::byte> old(10, std::byte{7});
  const auto path = folder.put("out.gguf", old);
  const auto file = gguf_file::open(golden(tiny));
  metadata meta = file.meta();
  meta.set("general.alignment", value(13));
  CHECK(refusal(nibble::try_copy_gguf(file, meta, path), errc::bad_value).find("power of two") != std::string::npos);

  std::vector<nibble::copy_progress> seen;
  nibble::copy_options options;
  options.progress = [&](const nibble::copy_progress& at) { return seen.push_back(at), true; };
  nibble::copy_gguf(file, file.meta(), folder / "whole.gguf", options);
  REQUIRE(seen.size() >= file.tensors().size());
  CHECK(seen.back().done_bytes == seen.back().total_bytes);
  CHECK(seen.back().tensor == file.tensors().back().name);
  for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i - 1].done_bytes < seen[i].done_bytes);

  for (const std::size_t give_up : {std::size_t{0}, seen.size() / 2, seen.size() - 1}) {
    std::size_t calls = 0;
    options.progress = [&](const nibble::copy_progress&) { return calls++ < give_up; };
    CHECK(refusal(nibble::try_copy_gguf(file, file.meta(), path, options), errc::cancelled).ends_with("copying was cancelled"));
    CHECK(calls == give_up + 1);
    CHECK(read_all(path) == old);
  }
  CHECK(folder.files() == 2);
}

TEST_CASE("a source that ends or fails in the middle is an error that leaves nothing") {
  const temporary_folder folder;
  const auto path = folder.put("m.gguf", read_all(stories()));
  const auto file = gguf_file::open(path, {}, nibble::file_access::read);
  if (keeps_open_files) return;
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  CHECK(refusal(nibble::try_copy_gguf(file, file.meta(), folder / "out.gguf"), errc::truncated).find("become shorter") !=
        std::string::npos);
  CHECK(refusal(nibble::try_split_gguf(file, folder / "out", {.tensors = 3}), errc::truncated).find("tensor '") !=
        std::string::npos);
  CHECK(folder.files() == 1);
}

TEST_CASE("shards hold as many tensors as they may, in file order") {
  CHECK(plan({8, 8, 8, 8, 8}, {.tensors = 2}) == std::vector<std::size_t>{2, 2, 1});
  CHECK(plan({8, 8}, {.tensors = 2}) == std::vector<std::size_t>{2});
  CHECK(plan({8, 8, 8}, {.tensors = 2, .metadata_alone = true}) == std::vector<std::size_t>{0, 2, 1});
  CHECK(plan({8, 8, 8, 8}, {.bytes = 64}) == std::vector<std::size_t>{2, 2});
  CHECK(plan({8, 8, 8, 8}, {.bytes = 95}) == std::vector<std::size_t>{2, 2});
  CHECK(plan({1, 1, 1}, {.bytes = 64}) == std::vector<std::size_t>{2, 1});         // each takes 32 bytes of a file
  CHECK(plan({100, 8, 100}, {.bytes = 64}) == std::vector<std::size_t>{1, 1, 1});  // larger ones stand alone
  CHECK(plan({8, 8, 8, 8}, {.tensors = 3, .bytes = 64}) == std::vector<std::size_t>{2, 2});
  CHECK(plan({}, {.tensors = 1}) == std::vector<std::size_t>{0});
  const auto bytes = file_of({8});
  const auto file = gguf_file::parse(bytes);
  CHECK(refusal(nibble::try_plan_shards(file, {}), errc::invalid_argument).find("found none") != std::string::npos);
  CHECK(nibble::plan_shards(file, {.bytes = ~std::uint64_t{0}}) == std::vector<std::size_t>{1});
}

TEST_CASE("more shards than their number can say are refused") {
  nibble::gguf_writer writer{metadata()};
  const std::vector<std::byte> one(4);
  for (int i = 0; i < 65'536; ++i) writer.add("t" + std::to_string(i), tensor_type::f32, {{1}}, one);
  const auto bytes = writer.bytes();
  const auto file = gguf_file::parse(bytes);
  CHECK(refusal(nibble::try_plan_shards(file, {.tensors = 1}), errc::limit_exceeded).find("65535") != std::string::npos);
  CHECK(nibble::plan_shards(file, {.tensors = 2}).size() == 32'768);
}

TEST_CASE("what was split opens as the whole, and is merged to the file that it was, to the byte") {
  for (const auto& each : {shard_limits{.tensors = 5}, shard_limits{.bytes = 200'000}, shard_limits{.tensors = 1'000},
                           shard_limits{.tensors = 7, .metadata_alone = true}}) {
    for (const auto access : {nibble::file_access::mapped, nibble::file_access::read}) {
      const temporary_folder folder;
      const auto file = gguf_file::open(golden(tiny), {}, access);
      const auto paths = nibble::split_gguf(file, folder / "m", each);
      CHECK(paths.size() == nibble::plan_shards(file, each).size());
      CHECK(folder.files() == paths.size());
      const auto shards = gguf_file::open(paths.front(), {}, access);
      CHECK(shards.shards() == paths.size());
      CHECK(shards.tensors().size() == file.tensors().size());
      nibble::merge_gguf(shards, folder / "merged.gguf");
      CHECK(read_all(folder / "merged.gguf") == read_all(golden(tiny)));
    }
  }
}

TEST_CASE("the first shard has all metadata, each has the keys of splitting, as llama-gguf-split writes them") {
  const temporary_folder folder;
  const auto bytes = file_of({8, 8, 8}, 64);
  const auto paths = nibble::split_gguf(gguf_file::parse(bytes), folder / "m", {.tensors = 2});
  REQUIRE(paths.size() == 2);
  CHECK(paths[0] == folder / "m-00001-of-00002.gguf");
  CHECK(paths[1] == folder / "m-00002-of-00002.gguf");
  for (std::uint16_t i = 0; i < 2; ++i) {
    craft c;
    c.keys = {entry("split.no", 2, le(i)), entry("split.tensors.count", 5, le(std::int32_t{3})),
              entry("split.count", 2, le(std::uint16_t{2}))};
    c.tensors = {tensor("t" + std::to_string(2 * i), {8}, 0, 0)};
    if (i == 0) {
      c.keys.insert(c.keys.begin(),
                    {entry("general.architecture", 8, text("llama")), entry("general.alignment", 4, le(std::uint32_t{64}))});
      c.tensors.push_back(tensor("t1", {8}, 0, 64));
    }
    const auto written = read_all(paths[i]);
    const auto expected = c.bytes();
    REQUIRE(written.size() >= c.header_bytes());
    CHECK(std::equal(written.begin(), written.begin() + std::ptrdiff_t(c.header_bytes()), expected.begin()));
  }
  // Splitting what was one shard of one again writes the keys once.
  const auto one = nibble::split_gguf(gguf_file::parse(bytes), folder / "one", {.tensors = 3});
  const auto again = nibble::split_gguf(gguf_file::open(one.front()), folder / "again", {.tensors = 3});
  CHECK(read_all(again.front()) == read_all(one.front()));
  nibble::merge_gguf(gguf_file::open(one.front()), folder / "merged.gguf");
  CHECK(read_all(folder / "merged.gguf") == bytes);
}

TEST_CASE("no shard is written where one is there, and none is left where one fails or splitting is cancelled") {
  const temporary_folder folder;
  const auto file = gguf_file::open(golden(tiny));
  const auto count = nibble::plan_shards(file, {.tensors = 9}).size();
  REQUIRE(count > 2);
  for (std::size_t shard = 0; shard < count; ++shard) {
    std::size_t calls = 0;
    nibble::copy_options options;
    options.progress = [&](const nibble::copy_progress&) { return calls++ < shard * 9; };
    CHECK(refusal(nibble::try_split_gguf(file, folder / "m", {.tensors = 9}, options), errc::cancelled).find("cancelled") !=
          std::string::npos);
    CHECK(folder.files() == 0);
  }
  const auto there = folder.put("m-00002-of-0000" + std::to_string(count) + ".gguf", std::vector<std::byte>(3));
  CHECK(refusal(nibble::try_split_gguf(file, folder / "m", {.tensors = 9}), errc::invalid_argument) ==
        there.string() + ": a file of this name is there already");
  CHECK(folder.files() == 1);
  CHECK(read_all(there) == std::vector<std::byte>(3));
  CHECK(refusal(nibble::try_split_gguf(file, folder / "none" / "m", {.tensors = 9}), errc::io).find("no such file") !=
        std::string::npos);
}

TEST_CASE("metadata is edited in a file itself where the tensors need not move") {
  const temporary_folder folder;
  const auto path = folder.put("m.gguf", read_all(stories()));
  const auto set = [](const char* key, value v) {
    return [key, v](metadata& meta) -> nibble::result<void> { return meta.set(key, v), nibble::result<void>(); };
  };
  const auto before = gguf_file::open(stories());
  const std::string name(*before.meta().get<std::string_view>("general.architecture"));
  nibble::edit_gguf(path, set("llama.rope.freq_base", value(12345.0f)));
  {
    const auto file = gguf_file::open(path);
    CHECK(file.meta().get<float>("llama.rope.freq_base") == 12345.0f);
    CHECK(file.file_bytes() == before.file_bytes());
    for (const auto& t : file.tensors()) CHECK(equal(file.bytes(t), before.bytes(*before.find(t.name))));
  }
  nibble::edit_gguf(path, set("llama.rope.freq_base", *before.meta().find("llama.rope.freq_base")));
  CHECK(read_all(path) == read_all(stories()));

  CHECK(refusal(nibble::try_edit_gguf(path, set("my.key", value(std::string(100, 'x')))), errc::invalid_argument)
            .find("would have to move to") != std::string::npos);
  CHECK_FALSE(nibble::try_edit_gguf(path, set("general.alignment", value(64))));
  CHECK(refusal(
            nibble::try_edit_gguf(path, [](metadata&) -> nibble::result<void> { return nibble::error(errc::bad_value, "no"); }),
            errc::bad_value) == "no");
  CHECK(read_all(path) == read_all(stories()));
  CHECK(refusal(nibble::try_edit_gguf(folder / "none", set("a", value(1))), errc::io).find("no such file") !=
        std::string::npos);
  const auto bad = folder.put("bad", std::vector<std::byte>(40));
  CHECK(refusal(nibble::try_edit_gguf(bad, set("a", value(1))), errc::not_gguf).starts_with(bad.string()));
}

TEST_CASE("a vocabulary alone, which has no tensors, is edited in place up to its end") {
  const temporary_folder folder;
  metadata meta;
  meta.set("a", value("12"));
  const auto path = folder.put("v.gguf", nibble::gguf_writer(meta).bytes());
  nibble::edit_gguf(path, [](metadata& m) -> nibble::result<void> { return m.set("a", value("123")), nibble::result<void>(); });
  CHECK(gguf_file::open(path).meta().get<std::string_view>("a") == "123");
}
