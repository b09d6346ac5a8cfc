/// The definitions behind utf8.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstring>

#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (text.size() - at >= 8) std::memcpy(&eight, text.data() + at, 8);
    if (text.size() - at >= 8 && !(eight & 0x8080808080808080u)) {
      at += 8;
      continue;
    }
    const auto c = decode_utf8(text, at);
    if (c.kind != utf8_character::state::whole) return at;
    at += c.size;
  }
  return at;
}

void append_utf8(char32_t code, std::string& out) {
  NIBBLE_ASSERT(code < 0xD800 || (code > 0xDFFF && code <= 0x10FFFF));
  const auto byte = [](std::uint32_t bits) { return static_cast<char>(static_cast<unsigned char>(bits)); };
  const auto c = static_cast<std::uint32_t>(code);
  if (c < 0x80) {
    out += byte(c);
  } else if (c < 0x800) {
    out += {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  } else {
    out += {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  }
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  utf8_stream stream;
  stream.feed(bytes, out);
  stream.finish(out);
  return out;
}

void utf8_stream::feed(std::string_view bytes, std::string& out) {
  while (held_size_ > 0 && !bytes.empty()) {
    held_[held_size_] = bytes.front();
    const auto c = decode_utf8({held_.data(), held_size_ + 1u}, 0);
    if (c.kind == utf8_character::state::invalid) {  // the new byte does not continue it: it begins something else
      held_size_ = 0;
      out += replacement;
      break;
    }
    bytes.remove_prefix(1);
    if (c.kind == utf8_character::state::cut) {
      ++held_size_;
    } else {
      out.append(held_.data(), c.size);
      held_size_ = 0;
    }
  }
  while (!bytes.empty()) {
    const std::size_t valid = valid_utf8_prefix(bytes);
    out.append(bytes.substr(0, valid));
    bytes.remove_prefix(valid);
    if (bytes.empty()) return;
    const auto c = decode_utf8(bytes, 0);
    if (c.kind == utf8_character::state::cut) {
      held_size_ = c.size;
      std::memcpy(held_.data(), bytes.data(), c.size);
      return;
    }
    out += replacement;
    bytes.remove_prefix(c.size);
  }
}

void utf8_stream::finish(std::string& out) {
  if (held_size_ > 0) out += replacement;
  held_size_ = 0;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
