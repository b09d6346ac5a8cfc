#include "nibble/gguf/writer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "file/temporary_folder.hpp"
#include "gguf/craft.hpp"
#include "nibble/file/mapped_file.hpp"
#include "nibble/gguf/reader.hpp"
#include "support/equal.hpp"
#include "support/files.hpp"
#include "support/full_disk.hpp"

using namespace nibble_test;
using nibble::errc;
using nibble::gguf_file;
using nibble::gguf_writer;
using nibble::metadata;
using nibble::tensor_type;
using nibble::value;

namespace {

std::vector<std::byte> filled(std::size_t size, int v) { return std::vector<std::byte>(size, static_cast<std::byte>(v)); }

/// A writer that repeats a file: its keys and tensors in their order.
gguf_writer copy_of(const gguf_file& file) {
  gguf_writer writer(file.meta());
  for (const auto& t : file.tensors()) writer.add(t.name, t.type, std::span(t.dims).first(t.n_dims), file.bytes(t));
  return writer;
}

std::string refusal(const gguf_writer& writer, errc code) {
  const auto outcome = writer.try_bytes();
  REQUIRE(!outcome);
  CHECK_MESSAGE(outcome.failure().code() == code, std::string(outcome.failure().what()));
  return outcome.failure().what();
}

}  // namespace

TEST_CASE("what is written is read again") {
  metadata meta;
  meta.set("general.architecture", value("llama"));
  meta.set("numbers", value(std::vector<int>{1, -2, 3}));
  meta.set("tokens", value(std::vector<std::string>{"a", "", "c"}));
  gguf_writer writer(meta);
  const auto a = filled(64 * 3 * 4, 1), b = filled(34 * 5, 2);
  writer.add("a", tensor_type::f32, {{64, 3}}, a);
  writer.add("b", tensor_type::q8_0, {{32, 5}}, [&](nibble::byte_sink& out) -> nibble::result<void> {
    for (int row = 0; row < 5; ++row) NIBBLE_TRY(out.try_write(std::span(b).subspan(std::size_t(row) * 34, 34)));
    return {};
  });
  const auto bytes = writer.try_bytes();
  REQUIRE_MESSAGE(bytes, std::string(bytes.failure().what()));
  CHECK(bytes->size() % 32 == 0);
  const auto file = gguf_file::try_parse(*bytes);
  REQUIRE_MESSAGE(file, std::string(file.failure().what()));
  CHECK(file->version() == 3);
  CHECK(*file->meta().try_get_array<int>("numbers") == std::vector{1, -2, 3});
  CHECK(*file->meta().try_get_array<std::string_view>("tokens") == std::vector<std::string_view>{"a", "", "c"});
  REQUIRE(file->tensors().size() == 2);
  CHECK(equal(file->bytes(*file->find("a")), a));
  CHECK(equal(file->bytes(*file->find("b")), b));
  CHECK(file->find("b")->shape() == "(32, 5)");
  CHECK(file->find("b")->offset % 32 == 0);
}

TEST_CASE("the alignment of the metadata is kept") {
  metadata meta;
  meta.set("general.alignment", value(std::uint32_t{256}));
  gguf_writer writer(meta);
  const auto one = filled(4, 1), two = filled(4, 2);
  writer.add("a", tensor_type::f32, {{1}}, one);
  writer.add("b", tensor_type::f32, {{1}}, two);
  const auto bytes = writer.try_bytes();
  REQUIRE(bytes);
  const auto file = gguf_file::try_parse(*bytes);
  REQUIRE(file);
  CHECK(file->tensors()[0].offset % 256 == 0);
  CHECK(file->tensors()[1].offset == file->tensors()[0].offset + 256);
  CHECK(bytes->size() == file->tensors()[1].offset + 256);
}

TEST_CASE("a file read and written again is the same, byte for byte") {
  auto check = [](std::span<const std::byte> original) {
    const auto file = gguf_file::try_parse(original);
    REQUIRE(file);
    const auto again = copy_of(*file).try_bytes();
    REQUIRE_MESSAGE(again, std::string(again.failure().what()));
    CHECK(equal(*again, original));
  };
  craft c;
  c.data_bytes = 1216 + 448;  // padded, as this library writes
  auto original = c.bytes();
  const auto parsed = gguf_file::try_parse(original);
  REQUIRE(parsed);
  for (std::size_t i = original.size() - c.data_bytes, t = 0; i < original.size(); ++i) {  // zeros between tensors
    while (t < 4 && i >= parsed->tensors()[t].offset + parsed->tensors()[t].bytes) ++t;
    if (t == 4 || i < parsed->tensors()[t].offset) original[i] = std::byte{0};
  }
  for (std::size_t i = c.header_bytes(); i < original.size() - c.data_bytes; ++i) original[i] = std::byte{0};
  check(original);

  const auto folder = shared("models");
  NIBBLE_NEEDS(folder);
  std::size_t files = 0;
  for (const auto& place : {folder, shared("tokenizer")})
    for (const auto& item : std::filesystem::recursive_directory_iterator(place)) {
      // This one was rebuilt with another tool, which pads behind the keys of a file without tensors.
      if (item.path().extension() != ".gguf" || item.path().filename() == "ggml-vocab-qwen2.gguf") continue;
      CAPTURE(item.path().string());
      const auto map = nibble::mapped_file::try_open(item.path());
      REQUIRE(map);
      check(map->bytes());
      ++files;
    }
  MESSAGE(files << " files");
}

TEST_CASE("a file on disk has the bytes of the file in memory, and replaces an old one") {
  const temporary_folder folder;
  const auto raw_file = craft().bytes();
  const auto file = gguf_file::try_parse(raw_file);
  REQUIRE(file);
  const auto path = folder.put("out.gguf", filled(10, 7));
  const auto writer = copy_of(*file);
  REQUIRE(writer.try_write(path));
  CHECK(read_all(path) == *writer.try_bytes());
  CHECK(folder.files() == 1);
  CHECK(gguf_file::try_open(path));
}

TEST_CASE("a split model is written as one whole file") {
  const temporary_folder folder;
  for (std::uint16_t i = 0; i < 2; ++i) {
    craft c;
    c.keys = {entry("split.no", 2, le(i)), entry("split.count", 2, le(std::uint16_t{2})),
              entry("split.tensors.count", 5, le(std::int32_t{2}))};
    c.tensors = {tensor("t" + std::to_string(i), {8}, 0, 0)};
    c.data_bytes = 32;
    folder.put("m-0000" + std::to_string(i + 1) + "-of-00002.gguf", c.bytes());
  }
  const auto file = gguf_file::try_open(folder / "m-00001-of-00002.gguf");
  REQUIRE_MESSAGE(file, std::string(file.failure().what()));
  const auto bytes = copy_of(*file).try_bytes();
  REQUIRE(bytes);
  const auto whole = gguf_file::try_parse(*bytes);
  REQUIRE(whole);
  CHECK(whole->tensors().size() == 2);
}

TEST_CASE("what the reader would refuse is not written") {
  const temporary_folder folder;
  const auto bytes = filled(4096, 1);
  const auto with = [&](std::string_view name, tensor_type type, std::span<const std::uint64_t> dims) {
    gguf_writer writer{metadata()};
    writer.add("first", tensor_type::f32, {{1}}, std::span(bytes).first(4));
    writer.add(name, type, dims, std::span(bytes).first(4));
    return writer;
  };
  CHECK(refusal(with("", tensor_type::f32, {{1}}), errc::malformed).find("empty tensor name") != std::string::npos);
  CHECK(refusal(with("first", tensor_type::f32, {{1}}), errc::malformed) == "tensor 'first' stands there twice");
  CHECK(refusal(with("a..b", tensor_type::f32, {{1}}), errc::malformed).find("'..'") != std::string::npos);
  CHECK(refusal(with("t", tensor_type::f32, {}), errc::malformed) == "tensor 't': no dimensions");
  CHECK(refusal(with("t", tensor_type::f32, {{1, 1, 1, 1, 1}}), errc::malformed).find("1 to 4") != std::string::npos);
  CHECK(refusal(with("t", tensor_type::f32, {{0}}), errc::malformed) == "tensor 't': a dimension of 0");
  CHECK(refusal(with("t", tensor_type::q4_k, {{640}}), errc::malformed).find("no multiple of the 256") != std::string::npos);
  CHECK(refusal(with("t", tensor_type(4), {{32}}), errc::unknown_format) ==
        "tensor 't': tensor type 4 is unknown here: Q4_2, which was given up");
  CHECK(refusal(with(std::string(256, 'n'), tensor_type::f32, {{1}}), errc::limit_exceeded).find("255") != std::string::npos);
  const std::uint64_t half = std::uint64_t{1} << 60;
  gguf_writer vast{metadata()};
  for (const char* name : {"a", "b", "c", "d", "e"}) vast.add(name, tensor_type::f32, {{half}}, bytes);
#if SIZE_MAX == UINT64_MAX
  CHECK(refusal(vast, errc::truncated).find("bytes at offset") != std::string::npos);
#else
  CHECK(refusal(vast, errc::limit_exceeded).find("larger than the address space") != std::string::npos);
#endif

  const auto of_key = [](std::string_view key, value v) {
    metadata meta;
    meta.set(key, std::move(v));
    return gguf_writer(meta);
  };
  CHECK(refusal(of_key("", value(1)), errc::malformed).find("an empty key") != std::string::npos);
  CHECK(refusal(of_key("\n", value(1)), errc::malformed).find("not printable ASCII") != std::string::npos);
  CHECK(refusal(of_key("general.alignment", value(13)), errc::bad_value).find("power of two") != std::string::npos);
  CHECK(refusal(of_key("general.alignment", value(0)), errc::bad_value).find("power of two") != std::string::npos);
  CHECK(refusal(of_key("general.alignment", value("32")), errc::bad_value).find("found string") != std::string::npos);
  CHECK(refusal(of_key("s", value(std::string((16u << 20) + 1, 's'))), errc::limit_exceeded).find("string") !=
        std::string::npos);

  CHECK_FALSE(with("", tensor_type::f32, {{1}}).try_write(folder / "out.gguf"));
  CHECK(folder.files() == 0);
}

TEST_CASE("a producer that gives too much, too little, or fails leaves the old file") {
  const temporary_folder folder;
  const auto path = folder.put("out.gguf", filled(10, 7));
  const auto refused = [&](gguf_writer::producer produce, errc code) {
    gguf_writer writer{metadata()};
    writer.add("blk.0.weight", tensor_type::f32, {{4}}, std::move(produce));
    const auto outcome = writer.try_write(path);
    REQUIRE(!outcome);
    CHECK(outcome.failure().code() == code);
    CHECK(read_all(path) == filled(10, 7));
    CHECK(folder.files() == 1);
    return std::string(outcome.failure().what()).substr(path.string().size());
  };
  const auto gives = [](std::size_t bytes) {
    return [bytes](nibble::byte_sink& out) { return out.try_write(filled(bytes, 1)); };
  };
  CHECK(refused(gives(17), errc::invalid_argument) == ": tensor 'blk.0.weight': more bytes than its type and shape have");
  CHECK(refused(gives(15), errc::invalid_argument) == ": tensor 'blk.0.weight': 1 bytes fewer than its type and shape have");
  CHECK(refused([](nibble::byte_sink&) { return nibble::result<void>(nibble::error(errc::out_of_memory, "no room")); },
                errc::out_of_memory) == ": tensor 'blk.0.weight': no room");
}

#if !defined(_WIN32)
TEST_CASE("a full disk is an error that leaves the old file intact") {
  const temporary_folder folder;
  const auto path = folder.put("out.gguf", filled(10, 7));
  std::vector<std::string> sentences;
  for (const std::size_t size : {200'000u, 2'000'000u}) {  // fails at the commit; fails within a tensor
    const auto data = filled(size, 1);
    gguf_writer writer{metadata()};
    writer.add("t", tensor_type::f32, {{size / 4}}, data);
    const full_disk full(100'000);
    const auto outcome = writer.try_write(path);
    sentences.push_back(outcome ? "written" : outcome.failure().what());
  }
  for (const auto& s : sentences) CHECK(s.ends_with("cannot write: file too large"));
  CHECK(read_all(path) == filled(10, 7));
  CHECK(folder.files() == 1);
}
#endif

#if NIBBLE_EXCEPTIONS
TEST_CASE("write and bytes throw the error that their twins return") {
  gguf_writer writer{metadata()};
  CHECK(writer.bytes().size() == 24);
  CHECK_THROWS_AS(writer.write("/no/such/folder/out.gguf"), nibble::error);
  writer.add("", tensor_type::f32, {{1}}, std::span<const std::byte>());
  CHECK_THROWS_AS(static_cast<void>(writer.bytes()), nibble::error);
}
#endif
