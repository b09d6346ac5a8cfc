/// The definitions behind token_trie.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/token_code.hpp"
#include "nibble/grammar/token_trie.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
inline void allow(std::span<std::uint64_t> words, token id) noexcept {
  words[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << static_cast<std::size_t>(id) % 64;
}
inline void forbid(std::span<std::uint64_t> words, token id) noexcept {
  words[static_cast<std::size_t>(id) / 64] &= ~(std::uint64_t{1} << static_cast<std::size_t>(id) % 64);
}

/// Characters of a beginning of a JSON string's inside; one that is not whole counts.
inline std::uint32_t json_characters(std::string_view text) noexcept {
  std::uint32_t n = 0;
  for (std::size_t at = 0; at < text.size();) {
    ++n;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\\' && at + 1 < text.size() && text[at + 1] == 'u') {
      const bool pair =
          at + 3 < text.size() && (text[at + 2] | 0x20) == 'd' &&
          (text[at + 3] == '8' || text[at + 3] == '9' || (text[at + 3] | 0x20) == 'a' || (text[at + 3] | 0x20) == 'b');
      at += pair ? 12 : 6;
    } else {
      at += byte == '\\' ? 2 : byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    }
  }
  return n;
}

/// Where in a character bytes of UTF-8 stand.
/// @source  The Unicode Standard, table 3-7 (well-formed UTF-8 byte sequences)
struct utf8_place {
  unsigned char left = 0, low = 0, high = 0;  // bytes to come, and what the next one may be
  bool broken = false;
  bool is_whole() const noexcept { return left == 0 && !broken; }

  utf8_place behind(unsigned char byte) const noexcept {
    constexpr utf8_place none{0, 0, 0, true};
    if (broken) return none;
    if (left > 0) return byte < low || byte > high ? none : utf8_place{static_cast<unsigned char>(left - 1), 0x80, 0xBF};
    if (byte < 0x80) return {};
    if (byte < 0xC2 || byte > 0xF4) return none;
    if (byte < 0xE0) return {1, 0x80, 0xBF};
    if (byte < 0xF0)
      return {2, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
              static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF)};
    return {3, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80), static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF)};
  }
};
}  // namespace detail

token_trie::token_trie(const nibble::tokenizer& tokenizer)
    : tokenizer_(&tokenizer), same_(tokenizer.size(), no_token), spelled_(tokenizer.size()) {
  const vocab& words = tokenizer.vocabulary();
  const auto is_text = [&](token id, token_type type) {
    const std::string_view piece = words.piece(id);
    return type != token_type::control && type != token_type::unknown && type != token_type::unused && !piece.empty() &&
           piece.size() < (std::numeric_limits<std::uint16_t>::max)() &&
           piece.find_first_of("\xF5\xF6\xF7") == piece.npos;  // no text has these, but codes of tokens
  };
  std::vector<token> sorted, controls;
  for (std::size_t i = 0; i < tokenizer.size(); ++i) {
    const auto id = static_cast<token>(i);
    const token_type type = words.type(id);
    if (tokenizer.is_end(id)) {
      ends_.push_back(id);
    } else if (type == token_type::control && detail::has_token_code(id)) {
      controls.push_back(id);
    } else {
      sorted.push_back(id);
      spelled_[i] = is_text(id, type) ? words.piece(id) : std::string_view("\xFF");
    }
  }
  for (const token id : controls) detail::append_token_code(id, codes_);
  for (std::size_t i = 0; i < controls.size(); ++i) {
    sorted.push_back(controls[i]);
    spelled_[static_cast<std::size_t>(controls[i])] = std::string_view(codes_).substr(4 * i, 4);
  }
  std::sort(sorted.begin(), sorted.end(), [&](token a, token b) {
    const std::string_view x = text(a), y = text(b);
    return x != y ? x < y : a > b;
  });
  std::vector<std::uint32_t> open;  // the nodes on the way to the last token
  std::string_view last;
  for (const token id : sorted) {
    const std::string_view text = this->text(id);
    std::size_t shared = 0;
    while (shared < last.size() && shared < text.size() && last[shared] == text[shared]) ++shared;
    for (; open.size() > shared; open.pop_back()) nodes_[open.back()].behind = static_cast<std::uint32_t>(nodes_.size());
    for (std::size_t at = shared; at < text.size(); ++at) {
      open.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({0, no_token, static_cast<std::uint16_t>(at + 1), static_cast<unsigned char>(text[at])});
    }
    node& end = nodes_[open.back()];
    same_[static_cast<std::size_t>(id)] = end.first;
    end.shared = end.first != no_token;
    end.first = id;
    depth_ = (std::max)(depth_, text.size());
    last = text;
  }
  for (const std::uint32_t n : open) nodes_[n].behind = static_cast<std::uint32_t>(nodes_.size());
  find_nodes();
  find_lengths();
}

/// Which tokens are texts, and where in them each byte of ASCII stands behind whole characters.
void token_trie::find_nodes() {
  texts_.resize(sum_of_sizes(size() / 64, 1));
  all_.resize(texts_.size());
  std::vector<detail::utf8_place> before(sum_of_sizes(depth_, 1));  // by depth
  std::vector<unsigned char> index(nodes_.size(), node_bytes);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const node& n = nodes_[i];
    const detail::utf8_place from = before[n.depth - 1u];
    const bool is_code = n.byte >= 0xF5 && n.byte <= 0xF7;
    each_token(n, [&](token id) { detail::allow(all_, id); });
    if (!from.is_whole() && (n.byte < 0x80 || is_code)) broken_nodes_.push_back(static_cast<std::uint32_t>(i));
    if (from.is_whole() && (n.byte < 0x80 || is_code)) {
      index[i] = static_cast<unsigned char>(is_code ? 0x80u + (n.byte - 0xF5u) : n.byte);
      ++first_of_[index[i] + 1u];
    }
    before[n.depth] = from.behind(n.byte);
    if (before[n.depth].broken) continue;
    each_token(n, [&](token id) { detail::allow(texts_, id); });
  }
  for (std::size_t b = 0; b < node_bytes; ++b) first_of_[b + 1] += first_of_[b];
  nodes_of_.resize(first_of_[node_bytes]);
  std::array<std::uint32_t, node_bytes + 1> next = first_of_;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (index[i] != node_bytes) nodes_of_[next[index[i]]++] = static_cast<std::uint32_t>(i);
}

void token_trie::find_lengths() {
  up_to_.resize(product_of_sizes(lengths, texts_.size()));
  for (std::size_t i = 0; i < size(); ++i) {
    const auto id = static_cast<token>(i);
    if (text(id).empty()) continue;
    const std::uint32_t n = detail::json_characters(text(id));
    if (n >= lengths) {
      longer_.push_back({id, n});
    } else {
      up_to_[n * texts_.size() + i / 64] |= std::uint64_t{1} << i % 64;
    }
  }
  for (std::size_t w = texts_.size(); w < up_to_.size(); ++w) up_to_[w] |= up_to_[w - texts_.size()];
}

std::string_view token_trie::text(token id) const noexcept {
  const auto i = static_cast<std::size_t>(id);
  return i < spelled_.size() ? spelled_[i] : std::string_view();
}

std::size_t token_trie::memory_bytes() const noexcept {
  return sum_of_sizes(
      sum_of_sizes(product_of_sizes(nodes_.capacity(), sizeof(node)),
                   product_of_sizes(sum_of_sizes(same_.capacity(), ends_.capacity()), sizeof(token))),
      sum_of_sizes(
          sum_of_sizes(product_of_sizes(spelled_.capacity(), sizeof(std::string_view)), codes_.capacity()),
          sum_of_sizes(product_of_sizes(sum_of_sizes(sum_of_sizes(texts_.capacity(), all_.capacity()), up_to_.capacity()),
                                        sizeof(std::uint64_t)),
                       sum_of_sizes(product_of_sizes(sum_of_sizes(nodes_of_.capacity(), broken_nodes_.capacity()),
                                                     sizeof(std::uint32_t)),
                                    product_of_sizes(longer_.capacity(), sizeof(long_token))))));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
