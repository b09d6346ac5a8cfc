/// The definitions behind byte_reader.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "nibble/file/byte_reader.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<void> byte_reader::need(std::uint64_t n, std::string_view what) const {
  if (n > remaining()) return error(errc::truncated, shortage(n, what));
  return {};
}

result<void> byte_reader::read(std::span<const std::byte>& out, std::uint64_t n, std::string_view what) {
  NIBBLE_TRY(need(n, what));
  out = bytes_.subspan(position_, static_cast<std::size_t>(n));
  position_ += out.size();
  return {};
}

result<void> byte_reader::read(std::string_view& out, std::uint64_t most, std::string_view what) {
  NIBBLE_TRY(need(8, what));
  const auto length = load_little<std::uint64_t>(bytes_.data() + position_);
  if (length > most) return error(errc::limit_exceeded, excess(length, most, what));
  if (length > remaining() - 8) return error(errc::truncated, shortage(length, what, 8));
  out = {reinterpret_cast<const char*>(bytes_.data() + position_ + 8), static_cast<std::size_t>(length)};
  position_ += 8 + out.size();
  return {};
}

result<void> byte_reader::skip(std::uint64_t n, std::string_view what) {
  NIBBLE_TRY(need(n, what));
  position_ += static_cast<std::size_t>(n);
  return {};
}

std::string byte_reader::place() const { return "offset " + std::to_string(position_); }

std::string byte_reader::shortage(std::uint64_t n, std::string_view what, std::size_t after) const {
  return "offset " + std::to_string(position_ + after) + ": expected " + std::to_string(n) + " bytes of " + std::string(what) +
         ", found " + std::to_string(remaining() - after);
}

std::string byte_reader::excess(std::uint64_t n, std::uint64_t most, std::string_view what) const {
  return place() + ": expected at most " + std::to_string(most) + " bytes of " + std::string(what) + ", found " +
         std::to_string(n);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
