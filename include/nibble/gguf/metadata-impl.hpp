/// The definitions behind metadata.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/gguf/metadata.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

std::string quoted(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, 80)) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code < 0x7f)
      out += c;
    else
      (out += "\\x") += {digits[code >> 4], digits[code & 15]};
  }
  return out += text.size() > 80 ? "...'" : "'";
}

}  // namespace detail

const value* metadata::find(std::string_view key) const noexcept {
  const std::size_t at = place_of(key);
  return at < sorted_.size() && entries_[sorted_[at]].key == key ? &entries_[sorted_[at]].value : nullptr;
}

void metadata::set(std::string_view key, value v) {
  const std::size_t at = place_of(key);
  if (at < sorted_.size() && entries_[sorted_[at]].key == key) {
    entries_[sorted_[at]].value = std::move(v);
    return;
  }
  if (sorted_.size() == sorted_.capacity()) sorted_.reserve(sorted_.size() + sorted_.size() + 8);
  entries_.push_back({std::string(key), std::move(v)});
  sorted_.insert(sorted_.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint32_t>(entries_.size() - 1));
}

bool metadata::erase(std::string_view key) {
  const std::size_t at = place_of(key);
  if (at == sorted_.size() || entries_[sorted_[at]].key != key) return false;
  const std::uint32_t index = sorted_[at];
  entries_.erase(entries_.begin() + index);
  sorted_.erase(sorted_.begin() + static_cast<std::ptrdiff_t>(at));
  for (auto& i : sorted_) i -= i > index ? 1u : 0u;
  return true;
}

std::size_t metadata::place_of(std::string_view key) const noexcept {
  const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), key,
                                   [this](std::uint32_t i, std::string_view wanted) { return entries_[i].key < wanted; });
  return static_cast<std::size_t>(at - sorted_.begin());
}

result<metadata> metadata::try_collect(std::vector<metadata_entry> entries) {
  metadata out;
  out.entries_ = std::move(entries);
  out.sorted_.resize(out.entries_.size());
  for (std::size_t i = 0; i < out.sorted_.size(); ++i) out.sorted_[i] = static_cast<std::uint32_t>(i);
  const auto key = [&](std::uint32_t i) -> const std::string& { return out.entries_[i].key; };
  std::sort(out.sorted_.begin(), out.sorted_.end(), [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  for (std::size_t i = 1; i < out.sorted_.size(); ++i)
    if (key(out.sorted_[i]) == key(out.sorted_[i - 1]))
      return error(errc::malformed, "key " + detail::quoted(key(out.sorted_[i])) + " stands there twice");
  return out;
}

error metadata::missing(std::string_view key) { return error(errc::missing_key, "key " + detail::quoted(key) + " is missing"); }
error metadata::named(std::string_view key, error why) { return std::move(why).in("key " + detail::quoted(key)); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
