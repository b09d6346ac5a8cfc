/// metadata: the keys and values of a GGUF file, in file order, found by name; also made and edited in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/value.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// Text from a file for a sentence: printable ASCII, everything else as \xNN, cut after 80 bytes.
inline std::string quoted(std::string_view text) {
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

/// One key with its value.
struct metadata_entry {
  std::string key;
  nibble::value value;
};

/// Keys with typed values. Values read from a file point into it: they live as long as its gguf_file.
///
/// @example  nibble::metadata meta;
///           meta.set("general.architecture", nibble::value("llama"));
///           auto layers = meta.try_get<std::uint32_t>("llama.block_count");   // an error: missing_key
class metadata {
 public:
  metadata() = default;
  /// @errors  malformed: a key that stands there twice
  static result<metadata> try_collect(std::vector<metadata_entry> entries);

  std::size_t size() const noexcept { return entries_.size(); }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }

  /// The value of a key, or null.
  /// @cost  O(log size)
  const value* find(std::string_view key) const noexcept {
    const std::size_t at = place_of(key);
    return at < sorted_.size() && entries_[sorted_[at]].key == key ? &entries_[sorted_[at]].value : nullptr;
  }

  /// The value as a T, or nothing: the key is missing or its value is no T.
  template <value_element T>
  std::optional<T> get(std::string_view key) const {
    if (auto found = try_get<T>(key)) return *found;
    return std::nullopt;
  }

  /// The value of a key that has to be there.
  /// @errors  missing_key, bad_value (see value::try_as); both name the key
  template <value_element T>
  result<T> try_get(std::string_view key) const {
    const value* found = find(key);
    if (!found) return missing(key);
    return named(key, found->try_as<T>());
  }

  /// The value of a key that may be missing.
  /// @errors  bad_value: it is there, but no T
  template <value_element T>
  result<T> try_get(std::string_view key, std::type_identity_t<T> fallback) const {
    const value* found = find(key);
    return found ? named(key, found->try_as<T>()) : fallback;
  }

  /// The elements of an array that has to be there. Strings point into the file.
  /// @errors  missing_key, bad_value (see value::try_as_array); both name the key
  /// @cost    O(elements), one allocation
  template <value_element T>
  result<std::vector<T>> try_get_array(std::string_view key) const {
    const value* found = find(key);
    if (!found) return missing(key);
    return named(key, found->try_as_array<T>());
  }

  /// Replaces the value of a key where it stands, or adds the key behind all others.
  void set(std::string_view key, value v) {
    const std::size_t at = place_of(key);
    if (at < sorted_.size() && entries_[sorted_[at]].key == key) {
      entries_[sorted_[at]].value = std::move(v);
      return;
    }
    if (sorted_.size() == sorted_.capacity()) sorted_.reserve(2 * sorted_.size() + 8);
    entries_.push_back({std::string(key), std::move(v)});
    sorted_.insert(sorted_.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint32_t>(entries_.size() - 1));
  }

  /// Removes a key; false if it was not there.
  bool erase(std::string_view key) {
    const std::size_t at = place_of(key);
    if (at == sorted_.size() || entries_[sorted_[at]].key != key) return false;
    const std::uint32_t index = sorted_[at];
    entries_.erase(entries_.begin() + index);
    sorted_.erase(sorted_.begin() + static_cast<std::ptrdiff_t>(at));
    for (auto& i : sorted_) i -= i > index ? 1u : 0u;
    return true;
  }

 private:
  /// Where the key stands, or belongs, in sorted_.
  std::size_t place_of(std::string_view key) const noexcept {
    const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), key,
                                     [this](std::uint32_t i, std::string_view wanted) { return entries_[i].key < wanted; });
    return static_cast<std::size_t>(at - sorted_.begin());
  }
  static error missing(std::string_view key) { return error(errc::missing_key, "key " + detail::quoted(key) + " is missing"); }
  template <class T>
  static result<T> named(std::string_view key, result<T> outcome) {
    if (!outcome) return std::move(outcome).failure().in("key " + detail::quoted(key));
    return outcome;
  }

  std::vector<metadata_entry> entries_;
  std::vector<std::uint32_t> sorted_;  // places in entries_, by key
};

inline result<metadata> metadata::try_collect(std::vector<metadata_entry> entries) {
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

}  // namespace NIBBLE_ABI
}  // namespace nibble
