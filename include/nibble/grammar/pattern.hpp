/// pattern: what a rule, an expression or a list of choices says, as a tree: before it becomes an automaton.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/char_set.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A node of the tree. Its parts stand in front of it in the same `patterns`.
struct pattern {
  enum class kind : std::uint8_t { characters, sequence, choice, repeat, call };
  static constexpr std::uint32_t unlimited = (std::numeric_limits<std::uint32_t>::max)();

  kind what = kind::sequence;  // without parts: the empty text
  char_set characters = {};
  std::vector<std::uint32_t> parts = {};  // of a sequence or a choice; one of a repeat
  std::uint32_t least = 0, most = 0;      // of a repeat
  std::uint32_t rule = 0;                 // that is called
};

/// The nodes of any number of trees, by their numbers.
class patterns {
 public:
  using id = std::uint32_t;

  id characters(char_set set) { return add({.what = pattern::kind::characters, .characters = std::move(set)}); }
  id character(char32_t code) { return characters(char_set(code, code)); }
  id sequence(std::vector<id> parts) { return add({.what = pattern::kind::sequence, .parts = std::move(parts)}); }
  /// Without parts: matches nothing.
  id choice(std::vector<id> parts) { return add({.what = pattern::kind::choice, .parts = std::move(parts)}); }
  id repeat(id part, std::uint32_t least, std::uint32_t most) {
    return add({.what = pattern::kind::repeat, .parts = {part}, .least = least, .most = most});
  }
  id call(std::uint32_t rule) { return add({.what = pattern::kind::call, .rule = rule}); }
  /// The characters of a text; what is no UTF-8 in it is U+FFFD.
  id literal(std::string_view text) {
    std::vector<id> parts;
    for (std::size_t at = 0; at < text.size();) {
      const utf8_character c = decode_utf8(text, at);
      parts.push_back(character(c.code));
      at += c.size;
    }
    return sequence(std::move(parts));
  }

  const pattern& operator[](id node) const noexcept { return nodes_[node]; }
  std::size_t size() const noexcept { return nodes_.size(); }

 private:
  id add(pattern node) {
    nodes_.push_back(std::move(node));
    return static_cast<id>(nodes_.size() - 1);
  }

  std::vector<pattern> nodes_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
