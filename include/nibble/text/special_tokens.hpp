/// special_tokens: the control and user-defined tokens, which are found in a text as they are written, before any merging.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A set of texts, each with its token, as an automaton that reads a text backwards: at each place it knows the longest special
/// token that begins there, whatever the tokens are made of.
///
/// @source  Aho and Corasick 1975, over reversed texts
class special_tokens {
 public:
  struct match {
    token id;
    std::size_t begin, size;
  };

  /// @errors  precondition: text is not empty, all texts have less than 2 GiB, and finish() was not called
  void add(std::string_view text, token id);

  /// Builds the automaton, of 13 bytes for each byte of the texts (see limits::special_bytes). To be called once.
  /// @return  a token whose text another one has too, or nothing
  /// @cost    O(bytes of all texts), and their sorting
  std::optional<token> finish();

  bool empty() const noexcept { return entries_.empty(); }
  std::size_t memory_bytes() const noexcept;

  /// The token that is written exactly so.
  std::optional<token> find(std::string_view text) const noexcept;

  /// The special tokens in a text: the leftmost, the longest one there, and so on behind it.
  /// @param out  their places, ascending; what it held is lost
  /// @cost       O(text.size())
  void find_all(std::string_view text, std::vector<match>& out) const;
  /// The same a window at a time, so that `out` stays small however long a text is: call it again with what it returned, until
  /// that is text.size().
  /// @param from  behind the special token found last, or 0
  /// @return      where to go on
  std::size_t find_some(std::string_view text, std::size_t from, std::vector<match>& out) const;

 private:
  using node = std::uint32_t;
  struct entry {
    std::uint32_t size;
    token id;
  };
  static constexpr node none = 0xFFFFFFFF;

  std::vector<std::uint32_t> sort();
  void grow(const std::vector<std::uint32_t>& begins);
  void link();

  /// The node behind `from` by one byte more, or 0.
  node child(node from, char byte) const noexcept;
  /// The node of the longest beginning of a (reversed) special token that the bytes read so far end with.
  node next(node from, char byte) const noexcept;

  std::size_t longest_text_ = 0;
  std::string arena_;           // the reversed texts, until finish()
  std::vector<entry> entries_;  // by reversed text, afterwards
  // The nodes, level by level: the children of a node stand together, by byte. Node 0 is the root.
  std::string byte_;                    // the last one of a node's reversed text
  std::vector<std::uint32_t> first_;    // child; the last one stands before the first of the next node
  std::vector<std::uint32_t> fail_;     // the longest other node whose text this one's ends with
  std::vector<std::uint32_t> longest_;  // of the entries that this one's text ends with; none: 0xFFFFFFFF
  std::array<node, 256> roots_{};       // the children of the root; 0: none
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
