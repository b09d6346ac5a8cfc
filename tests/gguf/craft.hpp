/// craft: GGUF files made field by field, so that a test can lie in any one of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/file/byte_reader.hpp"

namespace nibble_test {

/// Raw bytes of a number, little endian.
template <class T>
std::string le(T number) {
  const auto raw = nibble::store_little(number);
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}
inline std::string u32(std::uint32_t n) { return le(n); }
inline std::string u64(std::uint64_t n) { return le(n); }
/// A string with its length.
inline std::string text(std::string_view s) { return u64(s.size()) + std::string(s); }
/// A key with a value of type number `type`.
inline std::string entry(std::string_view key, std::uint32_t type, std::string_view value) {
  return text(key) + u32(type) + std::string(value);
}
inline std::string array(std::uint32_t type, std::uint64_t count, std::string_view elements) {
  return u32(type) + u64(count) + std::string(elements);
}
inline std::string tensor(std::string_view name, std::initializer_list<std::uint64_t> dims, std::uint32_t type,
                          std::uint64_t offset) {
  std::string out = text(name) + u32(static_cast<std::uint32_t>(dims.size()));
  for (const auto dim : dims) out += u64(dim);
  return out + u32(type) + u64(offset);
}

/// A file in parts. As it stands, it is a sound one, with a value of every type and four tensors.
struct craft {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count, key_count;  // what the file claims; the truth if empty
  std::vector<std::string> keys{
      entry("general.architecture", 8, text("llama")),
      entry("general.alignment", 4, u32(64)),
      entry("t.u8", 0, le(std::uint8_t{200})),
      entry("t.i8", 1, le(std::int8_t{-100})),
      entry("t.u16", 2, le(std::uint16_t{60000})),
      entry("t.i16", 3, le(std::int16_t{-30000})),
      entry("t.i32", 5, le(std::int32_t{-2000000000})),
      entry("t.f32", 6, le(0.5f)),
      entry("t.bool", 7, std::string(1, '\1')),
      entry("t.u64", 10, u64(std::uint64_t{1} << 63)),
      entry("t.i64", 11, le(std::int64_t{-5000000000})),
      entry("t.f64", 12, le(0.25)),
      entry("t.strings", 9, array(8, 3, text("one") + text("") + text("three"))),
      entry("t.bools", 9, array(7, 3, std::string("\1\0\1", 3))),
      entry("t.i32s", 9, array(5, 2, le(std::int32_t{-7}) + le(std::int32_t{8}))),
      entry("t.f32s", 9, array(6, 2, le(1.5f) + le(-2.5f))),
      entry("t.empty", 9, array(4, 0, "")),
      entry("t.nested", 9, array(9, 2, array(4, 1, u32(1)) + array(8, 2, text("a") + text("b")))),
  };
  std::vector<std::string> tensors{
      tensor("token_embd.weight", {64, 4}, 0, 0),
      tensor("blk.0.attn_q.weight", {32, 2, 1, 3}, 2, 1024),
      tensor("blk.0.attn_norm.weight", {5}, 0, 1152),
      tensor("blk.0.ffn_up.weight", {256, 3}, 12, 1216),
  };
  std::size_t alignment = 64;
  std::size_t data_bytes = 1216 + 432;
  std::string rest;  // after the tensors' descriptions, before the padding

  std::size_t header_bytes() const { return header().size(); }
  std::string header() const {
    std::string out = magic + u32(version) + u64(tensor_count.value_or(tensors.size())) + u64(key_count.value_or(keys.size()));
    for (const auto& key : keys) out += key;
    for (const auto& t : tensors) out += t;
    return out + rest;
  }
  std::vector<std::byte> bytes() const {
    std::string out = header();
    if (data_bytes > 0) out.resize((out.size() + alignment - 1) / alignment * alignment + data_bytes, '\x5a');
    std::vector<std::byte> raw(out.size());
    if (!out.empty()) std::memcpy(raw.data(), out.data(), out.size());
    return raw;
  }
};

inline std::vector<std::byte> raw(std::string_view s) {
  const auto* first = reinterpret_cast<const std::byte*>(s.data());
  return {first, first + s.size()};
}

}  // namespace nibble_test
