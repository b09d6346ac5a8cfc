/// charsmap: the table by which SentencePiece normalizes text: strings of bytes, and what they are written as.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A precompiled map of characters, as files have it in tokenizer.ggml.precompiled_charsmap: a trie of its keys as a double
/// array, then what they become. Without one, every character stays.
///
/// Nothing in it is trusted: what leads outside of it is no key, and neither is what grows too much.
/// @source  Kudo and Richardson 2018, SentencePiece; Yata, Darts-clone (the layout of the double array)
class charsmap {
 public:
  /// The longest key and value that are taken, in bytes; those of published maps have 18 and 33.
  static constexpr std::size_t longest_key = 64, longest_value = 64;
  /// How many times as long as a key its value may be, so that a text grows no more than that; published maps need 11.
  static constexpr std::size_t most_growth = 16;

  charsmap() = default;
  /// @errors  invalid_tokenizer: shorter than it says; values that do not end, are too long, or are no UTF-8
  static result<charsmap> try_parse(std::string_view bytes);
#if NIBBLE_EXCEPTIONS
  static charsmap parse(std::string_view bytes) { return try_parse(bytes).value(); }
#endif

  /// The longest key that a text begins with, and what it is written as.
  struct match {
    std::size_t size;
    std::string_view value;
  };
  std::optional<match> longest(std::string_view text) const noexcept;

  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(units_) + detail::heap_bytes(values_); }

 private:
  std::vector<std::uint32_t> units_;
  std::string values_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
