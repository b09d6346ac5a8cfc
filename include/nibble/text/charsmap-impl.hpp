/// The definitions behind charsmap.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "nibble/text/charsmap.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<charsmap> charsmap::try_parse(std::string_view bytes) {
  const auto wrong = [](const char* what) {
    return error(errc::invalid_tokenizer, std::string("the map of characters ") + what);
  };
  std::uint32_t size = 0;
  if (bytes.size() < sizeof size) return wrong("has no room for its size");
  std::memcpy(&size, bytes.data(), sizeof size);
  bytes.remove_prefix(sizeof size);
  if (size % sizeof(std::uint32_t) != 0 || size > bytes.size()) return wrong("is shorter than it says");
  charsmap out;
  out.units_.resize(size / sizeof(std::uint32_t));
  if (size > 0) std::memcpy(out.units_.data(), bytes.data(), size);
  out.values_.assign(bytes.substr(size));
  if (!out.values_.empty() && out.values_.back() != '\0') return wrong("has a value that does not end");
  for (std::string_view rest = out.values_; !rest.empty();) {
    const std::size_t end = rest.find('\0');
    if (end > longest_value) return wrong("has a value of more than 64 bytes");
    if (!is_utf8(rest.substr(0, end))) return wrong("has a value that is no UTF-8");
    rest.remove_prefix(end + 1);
  }
  return out;
}

/// A unit of the double array is a node: bits 0 to 7 are the byte that leads to it, bit 8 says that a key ends there, bits 9 to
/// 30 how far away its children stand. The child by the byte 0 of a node where a key ends holds the key's value, with bit 31
/// set.
std::optional<charsmap::match> charsmap::longest(std::string_view text) const noexcept {
  const auto children = [](std::uint32_t unit) { return unit >> 10 << ((unit & 0x200u) >> 6); };
  std::optional<match> found;
  if (units_.empty()) return found;
  std::size_t at = children(units_[0]);
  for (std::size_t i = 0; i < std::min(text.size(), longest_key); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    if (byte == 0 || at >= units_.size() || (units_[at] & 0x800000FFu) != byte) break;
    const std::uint32_t unit = units_[at];
    at ^= children(unit);
    if ((unit >> 8 & 1) == 0 || at >= units_.size()) continue;
    const std::size_t value = units_[at] & 0x7FFFFFFFu;
    if (value >= values_.size() || (value > 0 && (static_cast<unsigned char>(values_[value]) & 0xC0) == 0x80)) continue;
    const std::string_view written(values_.data() + value);  // which ends, see above
    if (written.size() <= most_growth * (i + 1)) found = match{i + 1, written};
  }
  return found;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
