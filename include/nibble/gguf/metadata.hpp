/// metadata: the keys and values of a GGUF file, in file order, found by name; also made and edited in memory.
#pragma once

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
std::string quoted(std::string_view text);
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
#if NIBBLE_EXCEPTIONS
  static metadata collect(std::vector<metadata_entry> entries) { return try_collect(std::move(entries)).value(); }
#endif

  std::size_t size() const noexcept { return entries_.size(); }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }

  /// The value of a key, or null.
  /// @cost  O(log size)
  const value* find(std::string_view key) const noexcept;

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
    auto out = found->try_as<T>();
    if (!out) return named(key, std::move(out).failure());
    return out;
  }

  /// The value of a key that may be missing.
  /// @errors  bad_value: it is there, but no T
  template <value_element T>
  result<T> try_get(std::string_view key, std::type_identity_t<T> fallback) const {
    return find(key) ? try_get<T>(key) : fallback;
  }

  /// The elements of an array that has to be there. Strings point into the file.
  /// @errors  missing_key, bad_value (see value::try_as_array); both name the key
  /// @cost    O(elements), one allocation
  template <value_element T>
  result<std::vector<T>> try_get_array(std::string_view key) const {
    const value* found = find(key);
    if (!found) return missing(key);
    auto out = found->try_as_array<T>();
    if (!out) return named(key, std::move(out).failure());
    return out;
  }

#if NIBBLE_EXCEPTIONS
  template <value_element T>
  /// Throws what try_get_array returns.
  std::vector<T> get_array(std::string_view key) const {
    return try_get_array<T>(key).value();
  }
#endif

  /// A copy that refers to no memory but its own.
  metadata owned() const {
    metadata copy = *this;
    for (metadata_entry& entry : copy.entries_) entry.value = entry.value.owned();
    return copy;
  }

  /// Replaces the value of a key where it stands, or adds the key behind all others.
  void set(std::string_view key, value v);

  /// Removes a key; false if it was not there.
  bool erase(std::string_view key);

 private:
  /// Where the key stands, or belongs, in sorted_.
  std::size_t place_of(std::string_view key) const noexcept;
  static error missing(std::string_view key);
  static error named(std::string_view key, error why);

  std::vector<metadata_entry> entries_;
  std::vector<std::uint32_t> sorted_;  // places in entries_, by key
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
