/// The definitions behind piece_trie.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "nibble/text/piece_trie.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

void piece_trie::build(std::vector<entry> pieces) {
  std::erase_if(pieces, [](const entry& e) { return e.bytes.empty() || e.bytes.size() > longest; });
  std::stable_sort(pieces.begin(), pieces.end(), [](const entry& a, const entry& b) { return a.bytes < b.bytes; });
  struct range {
    std::uint32_t from, to;  // the pieces that begin alike
  };
  children_.clear();
  bytes_.assign(1, 0);
  ids_.assign(1, -1);
  std::vector<range> level = {{0, static_cast<std::uint32_t>(pieces.size())}}, next;
  for (std::size_t depth = 0; !level.empty(); ++depth, level.swap(next)) {
    next.clear();
    for (range r : level) {
      children_.push_back(static_cast<std::uint32_t>(bytes_.size()));
      while (r.from < r.to && pieces[r.from].bytes.size() == depth) ++r.from;  // those that end here come first
      while (r.from < r.to) {
        const char byte = pieces[r.from].bytes[depth];
        range child{r.from, r.from};
        while (child.to < r.to && pieces[child.to].bytes[depth] == byte) ++child.to;
        const entry& first = pieces[child.from];
        bytes_.push_back(static_cast<unsigned char>(byte));
        ids_.push_back(first.bytes.size() == depth + 1 ? first.id : -1);
        next.push_back(child);
        r.from = child.to;
      }
    }
  }
  children_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  children_.shrink_to_fit();
  bytes_.shrink_to_fit();
  ids_.shrink_to_fit();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
