/// piece_trie: finds every piece that a place of a text begins with, byte by byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/heap_bytes.hpp"
#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Pieces by their beginnings. A node's children stand together, in the order of their bytes.
///
/// @cost  9 bytes a node, of which there are at most as many as the pieces have bytes, and one
class piece_trie {
 public:
  /// The longest piece: it bounds how far a search looks ahead, so what a text costs.
  static constexpr std::size_t longest = 256;

  struct entry {
    std::string bytes;
    token id;
  };
  /// Of pieces that are alike, the first is kept; those that are empty or too long are never found. Files hold less than 4 GiB
  /// of pieces.
  void build(std::vector<entry> pieces);

  /// Calls f(size, id) for each piece that `text` begins with, the shortest first, until f returns false.
  template <class F>
  void each_prefix(std::string_view text, F&& f) const {
    std::uint32_t node = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
      const std::uint32_t child = step(node, text[at]);
      if (child == 0) return;
      node = child;
      if (ids_[node] >= 0 && !f(at + 1, ids_[node])) return;
    }
  }

  std::size_t memory_bytes() const noexcept {
    return detail::heap_bytes(children_) + detail::heap_bytes(bytes_) + detail::heap_bytes(ids_);
  }

 private:
  /// The child of a node by a byte, or 0.
  std::uint32_t step(std::uint32_t node, char byte) const noexcept {
    if (node + std::size_t{1} >= children_.size()) return 0;
    const auto wanted = static_cast<unsigned char>(byte);
    const auto from = bytes_.begin() + children_[node], to = bytes_.begin() + children_[node + 1];
    const auto found = to - from > 8 ? std::lower_bound(from, to, wanted)
                                     : std::find_if(from, to, [wanted](unsigned char b) { return b >= wanted; });
    return found != to && *found == wanted ? static_cast<std::uint32_t>(found - bytes_.begin()) : 0;
  }

  std::vector<std::uint32_t> children_;  // where those of a node begin; one more at the end
  std::vector<unsigned char> bytes_;     // by which a node is reached
  std::vector<token> ids_;               // of the piece that ends there, or -1
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
