#include "nibble/gguf/header.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "file/temporary_folder.hpp"
#include "gguf/craft.hpp"
#include "nibble/gguf/foreign_types.hpp"
#include "nibble/gguf/layer_of.hpp"
#include "nibble/gguf/reader.hpp"
#include "support/files.hpp"

using namespace nibble_test;
using nibble::errc;

namespace {

constexpr std::uint64_t huge = ~std::uint64_t{0};

/// One lie, what it is answered with, and a piece of the sentence.
struct hostile {
  const char* name;
  std::function<std::vector<std::byte>()> make;
  errc code;
  const char* says;
};

std::function<std::vector<std::byte>()> bytes(std::string s) {
  return [s] { return raw(s); };
}
/// The sound file with a change.
std::function<std::vector<std::byte>()> changed(std::function<void(craft&)> change) {
  return [change] {
    craft c;
    change(c);
    return c.bytes();
  };
}
/// The sound file with one more key.
std::function<std::vector<std::byte>()> key(std::string raw_entry) {
  return changed([raw_entry](craft& c) { c.keys.push_back(raw_entry); });
}
/// A file whose only keys are these, without tensors and without anything behind them.
std::function<std::vector<std::byte>()> keys_alone(std::vector<std::string> entries) {
  return changed([entries](craft& c) {
    c.keys = entries;
    c.tensors.clear();
    c.data_bytes = 0;
  });
}
/// The sound file with another alignment value.
std::function<std::vector<std::byte>()> alignment(std::uint32_t type, std::string value) {
  return changed([=](craft& c) { c.keys[1] = entry("general.alignment", type, value); });
}
/// The sound file with one more tensor, and room for 64 bytes of it at offset 1664.
std::function<std::vector<std::byte>()> with_tensor(std::string description) {
  return changed([description](craft& c) {
    c.tensors.push_back(description);
    c.data_bytes = 1728;
  });
}
/// A file that ends within the description of its only tensor.
std::function<std::vector<std::byte>()> tensor_alone(std::string description) {
  return changed([description](craft& c) {
    c.keys.clear();
    c.tensors = {description};
    c.data_bytes = 0;
  });
}
std::string nested(std::size_t depth) {
  std::string out;
  for (std::size_t i = 0; i < depth; ++i) out += u32(9) + u64(1);
  return out + array(0, 0, "");
}

const std::vector<hostile>& container() {
  static const std::vector<hostile> table = {
    {"nothing", bytes(""), errc::truncated, "offset 0: expected 4 bytes of magic, found 0"},
    {"one byte", bytes("G"), errc::truncated, "4 bytes of magic, found 1"},
    {"three bytes", bytes("GGU"), errc::truncated, "4 bytes of magic, found 3"},
    {"the magic alone", bytes("GGUF"), errc::truncated, "offset 4: expected 4 bytes of version, found 0"},
    {"half a version", bytes("GGUF\3"), errc::truncated, "4 bytes of version, found 1"},
    {"no tensor count", bytes("GGUF" + u32(3)), errc::truncated, "8 bytes of number of tensors, found 0"},
    {"half a tensor count", bytes("GGUF" + u32(3) + u32(0)), errc::truncated, "number of tensors, found 4"},
    {"no key count", bytes("GGUF" + u32(3) + u64(0)), errc::truncated, "8 bytes of number of keys, found 0"},
    {"23 bytes", bytes("GGUF" + u32(3) + u64(0) + "1234567"), errc::truncated, "number of keys, found 7"},
    {"a web page", bytes("<!DOCTYPE html><html></html>"), errc::not_gguf, "'<!DO', which begin a web page"},
    {"a web page without a doctype", bytes("<html><head></head></html>"), errc::not_gguf, "a web page"},
    {"a zip archive", bytes(std::string("PK\3\4\24\0\0\0\10\0", 10)), errc::not_gguf, "a zip archive"},
    {"safetensors", bytes(u64(100) + "{\"a\":{\"dtype\":\"F32\"}}"), errc::not_gguf,
     "'d\\x00\\x00\\x00', as in a safetensors file"},
    {"a Git LFS pointer", bytes("version https://git-lfs.github.com/spec/v1\n"), errc::not_gguf, "a Git LFS pointer"},
    {"a file of an older format", bytes("tjgg" + u32(3)), errc::not_gguf, "the formats before GGUF"},
    {"zeros", bytes(std::string(64, '\0')), errc::not_gguf, "expected the bytes 'GGUF'"},
    {"version 0", changed([](craft& c) { c.version = 0; }), errc::unsupported_version, "version 2 or 3, found 0"},
    {"version 1", changed([](craft& c) { c.version = 1; }), errc::unsupported_version, "version 2 or 3, found 1"},
    {"version 4", changed([](craft& c) { c.version = 4; }), errc::unsupported_version, "version 2 or 3, found 4"},
    {"version 2^32-1", changed([](craft& c) { c.version = 0xffffffff; }), errc::unsupported_version, "found 4294967295"},
    {"swapped bytes behind the magic", changed([](craft& c) { c.version = 0x03000000; }), errc::unsupported_version,
     "big-endian"},
    {"swapped bytes, the magic included", bytes("FUGG" + std::string("\0\0\0\3", 4)), errc::unsupported_version, "big-endian"},

    {"2^64-1 tensors", changed([](craft& c) { c.tensor_count = huge; }), errc::limit_exceeded,
     "18446744073709551615 tensors, above the limit of 65536"},
    {"65,537 tensors", changed([](craft& c) { c.tensor_count = 65537; }), errc::limit_exceeded, "65537 tensors, above"},
    {"more tensors than fit", changed([](craft& c) { c.tensor_count = 65536; }), errc::truncated, "65536 tensors in"},
    {"2^64-1 keys", changed([](craft& c) { c.key_count = huge; }), errc::limit_exceeded,
     "18446744073709551615 keys, above the limit of 65536"},
    {"65,537 keys", changed([](craft& c) { c.key_count = 65537; }), errc::limit_exceeded, "65537 keys, above"},
    {"more keys than fit", changed([](craft& c) { c.key_count = 65536; }), errc::truncated, "65536 keys in"},
    {"one key more than there is", changed([](craft& c) {
       c.keys = {entry("a", 8, text("a string that leaves room for the least of keys"))};
       c.key_count = 2;
       c.tensors.clear();
       c.data_bytes = 0;
     }),
     errc::truncated, "8 bytes of key, found 0"},

    {"an empty key", key(entry("", 0, "\1")), errc::malformed, "an empty key"},
    {"a key longer than 65,535 bytes", key(entry(std::string(65536, 'k'), 0, "\1")), errc::limit_exceeded,
     "at most 65535 bytes of key, found 65536"},
    {"a key that is not UTF-8", key(entry("a\xff", 0, "\1")), errc::malformed, "key 'a\\xff' is not printable ASCII"},
    {"a key with a NUL", key(entry(std::string_view("a\0b", 3), 0, "\1")), errc::malformed, "'a\\x00b' is not printable"},
    {"a key with a delete character", key(entry("a\x7f", 0, "\1")), errc::malformed, "'a\\x7f' is not printable"},
    {"a key that stands there twice", key(entry("general.architecture", 8, text("x"))), errc::malformed,
     "key 'general.architecture' stands there twice"},
    {"a key length of 2^64-1", key(u64(huge) + "key"), errc::limit_exceeded, "bytes of key, found 18446744073709551615"},
    {"a key that wraps the position", key(u64(huge - 7) + "key"), errc::limit_exceeded, "found 18446744073709551608"},
    {"a key beyond the end", keys_alone({u64(60000) + "key45678901234567890"}), errc::truncated,
     "60000 bytes of key, found 20"},
    {"a key without a value", keys_alone({entry("a.long.enough.key", 0, "")}), errc::truncated,
     "expected 1 bytes of u8, found 0"},
    {"a key without a type", keys_alone({text("a.long.enough.key")}), errc::truncated, "4 bytes of value type, found 0"},

    {"value type 13", key(entry("a", 13, u64(0))), errc::malformed, "key 'a': offset"},
    {"value type 13, in words", key(entry("a", 13, u64(0))), errc::malformed, "value type 13 is unknown"},
    {"value type -1", key(entry("a", 0xffffffff, u64(0))), errc::malformed, "value type 4294967295 is unknown"},
    {"a bool of 2", key(entry("a", 7, "\2")), errc::malformed, "a bool of 2"},
    {"a bool of 255", key(entry("a", 7, "\xff")), errc::malformed, "a bool of 255"},
    {"half a u64", keys_alone({entry("a.long.enough.key", 10, "1234")}), errc::truncated, "8 bytes of u64, found 4"},
    {"a string length of 2^64-1", key(entry("a", 8, u64(huge))), errc::limit_exceeded, "found 18446744073709551615"},
    {"a string length that wraps", key(entry("a", 8, u64(huge - 100) + "x")), errc::limit_exceeded, "16777216 bytes of string"},
    {"a string above 16 MiB", key(entry("a", 8, u64((16u << 20) + 1))), errc::limit_exceeded, "found 16777217"},
    {"a string beyond the end", key(entry("a", 8, u64(16u << 20))), errc::truncated, "16777216 bytes of string, found"},
    {"half a string length", keys_alone({entry("a.long.enough.key", 8, "1234")}), errc::truncated,
     "8 bytes of string, found 4"},

    {"an array of nothing", keys_alone({entry("a.long.enough.key", 9, "")}), errc::truncated, "element type, found 0"},
    {"an array without a length", keys_alone({entry("a.long.enough.key", 9, u32(4))}), errc::truncated,
     "array length, found 0"},
    {"element type 13", key(entry("a", 9, array(13, 1, u64(0)))), errc::malformed, "element type 13 is unknown"},
    {"element type -1", key(entry("a", 9, array(0xffffffff, 1, u64(0)))), errc::malformed, "element type 4294967295"},
    {"an array of 2^64-1", key(entry("a", 9, array(0, huge, ""))), errc::limit_exceeded, "18446744073709551615 elements"},
    {"an array whose size wraps", key(entry("a", 9, array(10, std::uint64_t{1} << 61, ""))), errc::limit_exceeded,
     "2305843009213693952 elements, above the limit of 4194304"},
    {"an array of 2^30 empty strings", key(entry("a", 9, array(8, 1u << 30, ""))), errc::limit_exceeded, "1073741824 elements"},
    {"more numbers than are left", key(entry("a", 9, array(4, 100000, ""))), errc::truncated, "an array of 100000 u32, with"},
    {"more strings than are left", key(entry("a", 9, array(8, 100000, ""))), errc::truncated,
     "an array of 100000 string, with"},
    {"one number more than is left", keys_alone({entry("a", 9, array(4, 3, u64(0)))}), errc::truncated,
     "3 u32, with 8 bytes left"},
    {"a string beyond the end in an array", key(entry("a", 9, array(8, 2, text("x") + u64(1u << 20)))), errc::truncated,
     "1048576 bytes of string"},
    {"a huge string in an array", key(entry("a", 9, array(8, 2, text("x") + u64(huge)))), errc::limit_exceeded, "of string"},
    {"a bool of 3 in an array", key(entry("a", 9, array(7, 2, std::string("\1\3", 2)))), errc::malformed,
     "a bool of 3 in an array"},
    {"arrays nested 9 deep", key(entry("a", 9, nested(9))), errc::limit_exceeded, "nested deeper than 8"},
    {"arrays nested 100,000 deep", key(entry("a", 9, nested(100000))), errc::limit_exceeded, "nested deeper than 8"},
    {"a bad element type in an inner array", key(entry("a", 9, array(9, 1, array(77, 1, "x")))), errc::malformed, "type 77"},
    {"an inner array beyond the end", keys_alone({entry("a", 9, array(9, 1, array(4, 1000, "123")))}), errc::truncated,
     "1000 u32"},
    {"more inner arrays than are left", keys_alone({entry("a", 9, array(9, 2, array(4, 0, "")))}), errc::truncated, "2 array"},

    {"an alignment that is a string", alignment(8, text("64")), errc::bad_value,
     "key 'general.alignment': expected u64, found string"},
    {"an alignment that is a float", alignment(6, le(64.0f)), errc::bad_value, "expected u64, found f32"},
    {"an alignment that is an array", alignment(9, array(4, 1, u32(64))), errc::bad_value, "found array of 1 u32"},
    {"an alignment of -64", alignment(5, le(std::int32_t{-64})), errc::bad_value, "expected u64, found -64 (i32)"},
    {"an alignment of 0", alignment(4, u32(0)), errc::bad_value, "expected a power of two from 8, found 0"},
    {"an alignment of 4", alignment(4, u32(4)), errc::bad_value, "expected a power of two from 8, found 4"},
    {"an alignment of 13", alignment(4, u32(13)), errc::bad_value, "expected a power of two from 8, found 13"},
    {"an alignment of 2^31", alignment(4, u32(1u << 31)), errc::limit_exceeded, "2147483648, above the limit of 65536"},

    {"a tensor without a name", with_tensor(tensor("", {1}, 0, 0)), errc::malformed, "tensor 4: offset"},
    {"a tensor without a name, in words", with_tensor(tensor("", {1}, 0, 0)), errc::malformed, "an empty tensor name"},
    {"a tensor name of 256 bytes", with_tensor(tensor(std::string(256, 'n'), {1}, 0, 0)), errc::limit_exceeded,
     "at most 255 bytes of tensor name, found 256"},
    {"a tensor name of 2^64-1 bytes", with_tensor(u64(huge) + std::string(40, 'n')), errc::limit_exceeded, "of tensor name"},
    {"a tensor name with a NUL", with_tensor(tensor(std::string_view("a\0b", 3), {1}, 0, 0)), errc::malformed,
     "a control character in a tensor name"},
    {"a tensor name with ..", with_tensor(tensor("../../etc/passwd", {1}, 0, 0)), errc::malformed, "'..' in a tensor name"},
    {"two tensors of one name", with_tensor(tensor("blk.0.attn_norm.weight", {1}, 0, 1664)), errc::malformed,
     "tensor 'blk.0.attn_norm.weight' stands there twice"},
    {"0 dimensions", with_tensor(tensor("t", {}, 0, 0)), errc::malformed, "tensor 't': offset"},
    {"0 dimensions, in words", with_tensor(tensor("t", {}, 0, 0)), errc::malformed, "1 to 4 dimensions, found 0"},
    {"5 dimensions", with_tensor(tensor("t", {1, 1, 1, 1, 1}, 0, 0)), errc::malformed, "1 to 4 dimensions, found 5"},
    {"2^32-1 dimensions", with_tensor(text("t") + u32(0xffffffff) + u64(1) + u64(1)), errc::malformed, "found 4294967295"},
    {"a dimension of 0", with_tensor(tensor("t", {0}, 0, 0)), errc::malformed, "a dimension of 0"},
    {"a last dimension of 0", with_tensor(tensor("t", {32, 0}, 2, 0)), errc::malformed, "a dimension of 0"},
    {"a dimension of -1", with_tensor(tensor("t", {huge}, 0, 0)), errc::malformed, "more than 2^63 elements"},
    {"a dimension of -2^63", with_tensor(tensor("t", {std::uint64_t{1} << 63}, 24, 0)), errc::malformed,
     "more than 2^63 elements"},
    {"dimensions whose product wraps to 0", with_tensor(tensor("t", {std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 24, 0)),
     errc::malformed, "more than 2^63 elements"},
    {"dimensions whose product wraps to little",
     with_tensor(tensor("t", {(std::uint64_t{1} << 42) + 1, std::uint64_t{1} << 22}, 24, 0)), errc::malformed,
     "more than 2^63 elements"},
    {"dimensions whose bytes wrap to 0", with_tensor(tensor("t", {std::uint64_t{1} << 62}, 0, 0)), errc::malformed,
     "more than 2^63 bytes"},
#if SIZE_MAX == UINT64_MAX
    {"5124095576030431008 columns of Q4_0", with_tensor(tensor("t", {5124095576030431008u}, 2, 0)), errc::truncated,
     "'t': 2882303761517117442 bytes at offset 0"},
#else
    {"2^32 columns of Q4_0", with_tensor(tensor("t", {std::uint64_t{1} << 32}, 2, 0)), errc::limit_exceeded,
     "larger than the address space"},
#endif
    {"tensor type 4", with_tensor(tensor("t", {32}, 4, 0)), errc::unknown_format, "tensor type 4 is unknown"},
    {"tensor type 5, by name", with_tensor(tensor("blk.7.odd", {32}, 5, 0)), errc::unknown_format,
     "tensor 'blk.7.odd': offset"},
    {"tensor type 31", with_tensor(tensor("t", {32}, 31, 0)), errc::unknown_format, "tensor type 31 is unknown"},
    {"a type of a fork", with_tensor(tensor("t", {32}, 139, 0)), errc::unknown_format,
     "tensor type 139 is unknown here: IQ4_K of ik_llama.cpp"},
    {"a type that may be a fork's", with_tensor(tensor("t", {32}, 300, 0)), errc::unknown_format,
     "tensor type 300 is unknown here: perhaps one of ik_llama.cpp"},
    {"tensor type 43", with_tensor(tensor("t", {32}, 43, 0)), errc::unknown_format, "tensor type 43 is unknown"},
    {"tensor type -1", with_tensor(tensor("t", {32}, 0xffffffff, 0)), errc::unknown_format, "type 4294967295 is unknown"},
    {"a row of Q4_0 one short", with_tensor(tensor("t", {31, 32}, 2, 0)), errc::malformed,
     "rows of 31, no multiple of the 32 elements in a block of Q4_0"},
    {"a row of Q4_K of 640", with_tensor(tensor("t", {640, 2}, 12, 0)), errc::malformed, "rows of 640, no multiple of the 256"},
    {"an offset beside the alignment", with_tensor(tensor("t", {1}, 0, 1216 + 432)), errc::malformed,
     "'t': offset 1648 is no multiple of the alignment 64"},
    {"an offset past the end", with_tensor(tensor("t", {1}, 0, 64 * 27)), errc::truncated, "'t': 4 bytes at offset 1728"},
    {"an offset of 2^64-64", with_tensor(tensor("t", {1}, 0, huge - 63)), errc::truncated, "at offset 18446744073709551552"},
    {"an offset that wraps over its size", with_tensor(tensor("t", {256}, 24, huge - 63)), errc::truncated, "'t': 256 bytes"},
    {"data one byte short", changed([](craft& c) { c.data_bytes -= 1; }), errc::truncated,
     "'blk.0.ffn_up.weight': 432 bytes at offset 1216 of the data, which has 1647 bytes"},
    {"no data", changed([](craft& c) { c.data_bytes = 0; }), errc::truncated, "of the data, which has 0 bytes"},
    {"two tensors in one place", with_tensor(tensor("t", {1}, 0, 1152)), errc::malformed, "overlaps"},
    {"a tensor that ends inside of the next", changed([](craft& c) { c.tensors[2] = tensor("t", {17}, 0, 1152); }),
     errc::malformed, "'blk.0.ffn_up.weight' overlaps 't'"},
    {"a tensor without dimensions", tensor_alone(text("a.long.enough.name.of.a.tensor")), errc::truncated,
     "4 bytes of number of dimensions, found 0"},
    {"a tensor with half its dimensions", tensor_alone(text("a.long.enough.name") + u32(2) + u64(1)), errc::truncated,
     "8 bytes of dimension, found 0"},
    {"a tensor without a type", tensor_alone(text("a.long.enough.name") + u32(1) + u64(1)), errc::truncated,
     "tensor 'a.long.enough.name': offset 62: expected 4 bytes of tensor type, found 0"},
    {"a tensor without an offset", tensor_alone(text("a.long.enough.name") + u32(1) + u64(1) + u32(0)), errc::truncated,
     "8 bytes of tensor offset, found 0"},
    {"a tensor name beyond the end", tensor_alone(u64(200) + std::string(30, 'n')), errc::truncated,
     "tensor 0: offset 32: expected 200 bytes of tensor name, found 30"},
  };
  return table;
}

/// Reads all that a parsed file offers.
std::uint64_t touch(const nibble::gguf_file& file) {
  std::uint64_t sum = 0;
  for (const auto& [k, value] : file.meta()) {
    sum += k.size() + value.type_name().size();
    for (const auto b : value.bytes()) sum += std::to_integer<unsigned>(b);
    if (auto strings = value.try_as_array<std::string_view>())
      for (const auto s : *strings) sum += s.size();
    if (auto numbers = value.try_as_array<double>()) sum += numbers->size();
    if (auto number = value.try_as<std::int64_t>()) sum += static_cast<std::uint64_t>(*number);
  }
  for (const auto& t : file.tensors())
    for (const auto b : file.bytes(t)) sum += std::to_integer<unsigned>(b);
  return sum;
}

}  // namespace

TEST_CASE("a sound file shows what was put into it") {
  const auto raw_file = craft().bytes();
  const auto file = nibble::gguf_file::try_parse(raw_file);
  REQUIRE_MESSAGE(file, std::string(file.failure().what()));
  CHECK(file->version() == 3);
  CHECK(file->meta().size() == 18);
  CHECK(file->meta().begin()->key == "general.architecture");
  REQUIRE(file->tensors().size() == 4);
  const auto& q = file->tensors()[1];
  CHECK(q.name == "blk.0.attn_q.weight");
  CHECK(q.type == nibble::tensor_type::q4_0);
  CHECK(q.n_dims == 4);
  CHECK(q.cols() == 32);
  CHECK(q.rows() == 6);
  CHECK(q.bytes == 6 * 18);
  CHECK(q.shape() == "(32, 2, 1, 3)");
  CHECK(file->bytes(q).data() == raw_file.data() + raw_file.size() - craft().data_bytes + 1024);
  CHECK(file->tensors()[2].dims == std::array<std::uint64_t, 4>{5, 1, 1, 1});
}

TEST_CASE("the memory of metadata stays within four times its bytes and 16 MiB") {
  // Values stay in the file; a key costs its text and its places in two tables.
  CHECK(nibble::limits().keys * (sizeof(nibble::metadata_entry) + sizeof(std::uint32_t)) < 16u << 20);
}

TEST_CASE("the seeds of the fuzz target are sound files, but for the lone shard") {
  const auto folder = golden("../fuzz/corpus/gguf");
  CHECK(read_all(folder / "every-type.gguf") == craft().bytes());
  for (const auto& item : std::filesystem::directory_iterator(folder)) {
    CAPTURE(item.path().string());
    CHECK(nibble::gguf_file::try_open(item.path()).has_value() == (item.path().filename() != "shard.gguf"));
  }
}

TEST_CASE("version 2 is read like version 3") {
  craft c;
  c.version = 2;
  const auto raw_file = c.bytes();
  const auto file = nibble::gguf_file::try_parse(raw_file);
  REQUIRE(file);
  CHECK(file->version() == 2);
  CHECK(file->tensors().size() == 4);
}

TEST_CASE("the alignment is 32 where no key says otherwise") {
  craft c;
  c.keys.erase(c.keys.begin() + 1);
  c.alignment = 32;
  const auto raw_file = c.bytes();
  const auto file = nibble::gguf_file::try_parse(raw_file);
  REQUIRE(file);
  CHECK(file->tensors()[0].offset % 32 == 0);
  CHECK(file->tensors()[0].offset == raw_file.size() - c.data_bytes);
}

TEST_CASE("a file without tensors needs no padding behind its keys") {
  craft c;
  c.tensors.clear();
  c.data_bytes = 0;
  const auto raw_file = c.bytes();
  CHECK(raw_file.size() % 64 != 0);
  CHECK(nibble::gguf_file::try_parse(raw_file));
}

TEST_CASE("the layer of a tensor is in its name, if all of a layer's name is") {
  CHECK(nibble::layer_of("blk.12.attn_v.weight") == 12);
  CHECK(nibble::layer_of("blk.4294967295.a") == 4294967295u);
  for (const char* name :
       {"blk.4294967296.a", "blk.-1.a", "blk.12", "blk.12a.b", "blk..a", "blk.", "blk", "v.blk.1.a", "output.weight"})
    CHECK_MESSAGE(!nibble::layer_of(name), std::string(name));
}

TEST_CASE("types of forks are told by name, once each, and none is one of the format") {
  std::uint32_t before = 0;
  for (const auto& type : nibble::detail::foreign_types) {
    CHECK_MESSAGE(type.id > before, std::string(type.name));
    CHECK_FALSE(nibble::find_tensor_type(type.id));
    before = type.id;
  }
  CHECK(nibble::detail::foreign_type_name(337) == "IQ2_K_R4 of ik_llama.cpp");
  CHECK(nibble::detail::foreign_type_name(216) == "IQ2_XXS_R4 of ik_llama.cpp");
  CHECK(nibble::detail::foreign_type_name(399) == "Q8_K_R8 of ik_llama.cpp");
}

TEST_CASE("every type id of the format is sized, every other one refused") {
  for (std::uint32_t id = 0; id < 64; ++id) {
    craft c;
    c.tensors = {tensor("t", {256, 2}, id, 0)};
    c.data_bytes = 4096;
    const auto raw_file = c.bytes();
    const auto file = nibble::gguf_file::try_parse(raw_file);
    const auto info = nibble::find_tensor_type(id);
    CHECK(file.has_value() == info.has_value());
    if (info) CHECK(file->tensors()[0].bytes == 512 / info->block_size * info->block_bytes);
  }
}

TEST_CASE("every malformed file is refused in one sentence, quickly, and by path as well") {
  const temporary_folder folder;
  for (const auto& h : container()) {
    CAPTURE(std::string(h.name));
    const auto raw_file = h.make();
    const std::clock_t begin = std::clock();  // time of this process: other programs do not count
    const auto file = nibble::gguf_file::try_parse(raw_file);
    const double seconds = double(std::clock() - begin) / CLOCKS_PER_SEC;
    REQUIRE(!file);
    const std::string what = file.failure().what();
    CHECK(file.failure().code() == h.code);
    CHECK_MESSAGE(what.find(h.says) != std::string::npos, what);
    CHECK(what.size() < 400);
    CHECK(seconds < 0.1);

    const auto path = folder.put("hostile.gguf", raw_file);
    const auto opened = nibble::gguf_file::try_open(path);
    REQUIRE(!opened);
    CHECK(opened.failure().code() == h.code);
    CHECK(std::string(opened.failure().what()) == path.string() + ": " + what);
  }
  MESSAGE(container().size() << " malformed files");
}

TEST_CASE("every limit of the container is the caller's to lower") {
  const auto raw_file = craft().bytes();
  REQUIRE(nibble::gguf_file::try_parse(raw_file));
  const auto refused = [&](const nibble::limits& most, const char* says) {
    const auto file = nibble::gguf_file::try_parse(raw_file, most);
    REQUIRE(!file);
    CHECK(file.failure().code() == errc::limit_exceeded);
    CHECK_MESSAGE(std::string(file.failure().what()).find(says) != std::string::npos, std::string(file.failure().what()));
  };
  refused({.header_bytes = 300}, "beyond the limit of 300 bytes for the header");
  refused({.keys = 17}, "18 keys, above the limit of 17");
  refused({.key_bytes = 19}, "at most 19 bytes of key, found 20");
  refused({.string_bytes = 4}, "at most 4 bytes of string, found 5");
  refused({.array_elements = 2}, "an array of 3 elements, above the limit of 2");
  refused({.array_depth = 0}, "nested deeper than 0");
  refused({.alignment = 32}, "64, above the limit of 32");
  refused({.tensors = 3}, "4 tensors, above the limit of 3");
  refused({.tensor_name_bytes = 10}, "at most 10 bytes of tensor name");
}

TEST_CASE("every limit of the container is the caller's to raise") {
  craft c;
  c.keys.push_back(entry("deep", 9, nested(100)));
  c.keys.push_back(entry(std::string(70000, 'k'), 0, "\1"));
  c.tensors.push_back(tensor(std::string(300, 't'), {1}, 0, 1664));
  c.data_bytes = 1728;
  const auto raw_file = c.bytes();
  CHECK_FALSE(nibble::gguf_file::try_parse(raw_file, {.key_bytes = 70000, .tensor_name_bytes = 300}));
  CHECK_FALSE(nibble::gguf_file::try_parse(raw_file, {.array_depth = 100, .tensor_name_bytes = 300}));
  CHECK_FALSE(nibble::gguf_file::try_parse(raw_file, {.key_bytes = 70000, .array_depth = 100}));
  CHECK(nibble::gguf_file::try_parse(raw_file, {.key_bytes = 70000, .array_depth = 100, .tensor_name_bytes = 300}));
}

TEST_CASE("2^30 empty strings in a sparse file cost nothing") {
  const temporary_folder folder;
  craft c;
  c.keys = {entry("a", 9, array(8, 1u << 30, ""))};
  c.tensors.clear();
  c.data_bytes = 0;
  const auto path = folder.put("sparse.gguf", c.bytes());
  std::error_code refused;
  std::filesystem::resize_file(path, (std::uintmax_t{1} << 33) + 4096, refused);
  if (refused) {
    MESSAGE("skipped: no sparse files here");
    return;
  }
  const std::clock_t begin = std::clock();
  const auto file = nibble::gguf_file::try_open(path);
  REQUIRE(!file);
  CHECK(file.failure().code() == (sizeof(std::size_t) < 8 ? errc::io : errc::limit_exceeded));  // too large to open, or to read
  CHECK(double(std::clock() - begin) / CLOCKS_PER_SEC < 0.1);
}

TEST_CASE("a file cut anywhere in its header or data is refused") {
  std::vector<std::vector<std::byte>> models{craft().bytes()};
  std::vector<std::size_t> headers{craft().header_bytes()};
  models.push_back(read_all(golden("models/llama.gguf")));
  const auto published = nibble::gguf_file::try_parse(models.back());
  REQUIRE(published);
  headers.push_back(std::size_t(published->tensors()[0].offset));
  for (std::size_t m = 0; m < models.size(); ++m) {
    const auto file = nibble::gguf_file::try_parse(models[m]);
    REQUIRE(file);
    std::size_t end = 0;
    for (const auto& t : file->tensors()) end = (std::max)(end, std::size_t(t.offset + t.bytes));
    std::size_t accepted = 0;
    const auto cut = [&](std::size_t size) {
      const std::vector<std::byte> part(models[m].begin(),
                                        models[m].begin() + std::ptrdiff_t(size));  // its end is guarded by ASan
      accepted += nibble::gguf_file::try_parse(part) ? 1 : 0;
    };
    for (std::size_t size = 0; size < headers[m]; ++size) cut(size);
    for (std::size_t i = 0; i < 1000; ++i) cut(headers[m] + (end - headers[m]) * i / 1000);
    CHECK(accepted == 0);
  }
}

TEST_CASE("a file with any one bit of its header flipped is refused or can be read to its end") {
  const auto sound = craft().bytes();
  const std::size_t header = craft().header_bytes();
  std::size_t refused = 0, accepted = 0;
  for (std::size_t bit = 0; bit < header * 8; ++bit) {
    auto flipped = sound;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    if (const auto file = nibble::gguf_file::try_parse(flipped)) {
      ++accepted;
      CHECK(touch(*file) != 0);
    } else {
      ++refused;
      CHECK(std::string_view(file.failure().what()).size() > 10);
    }
  }
  MESSAGE(refused << " refused, " << accepted << " readable");
  CHECK(refused > 1000);
  CHECK(accepted > 1000);
}
