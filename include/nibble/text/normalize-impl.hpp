/// The definitions behind normalize.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/normalize.hpp"
#include "nibble/text/normalize_tables.hpp"
#include "nibble/text/unicode.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Where a character stands in a composed text.
struct normal_kind {
  std::uint8_t combining_class;  // 0: a letter, or anything else that marks do not move in front of
  bool stays;                    // it never is composed with what stands before it, nor replaced

  /// Nothing that stands before it can matter to it or to what follows.
  constexpr bool is_boundary() const noexcept { return combining_class == 0 && stays; }
};

inline constexpr auto normal_blocks = run_blocks<0x20000>(normal_runs, 10);

constexpr normal_kind normal_kind_of(char32_t code) noexcept {
  const std::uint32_t kind = find_run(normal_runs, normal_blocks, 10, code);
  return {static_cast<std::uint8_t>(kind >> 2), (kind & 3u) == 0};
}

/// The bytes that begin boundaries alone, whatever follows; those that begin no character, too.
inline constexpr auto boundary_bytes = [] {
  std::array<bool, 256> all{};
  all.fill(true);
  for (std::size_t i = 0; i < normal_runs.size(); ++i) {
    const char32_t from = normal_runs[i] >> 10, to = i + 1 < normal_runs.size() ? normal_runs[i + 1] >> 10 : 0x110000u;
    if (normal_kind_of(from).is_boundary()) continue;
    const auto lead = [](char32_t c) { return c < 0x800 ? 0xC0 | c >> 6 : c < 0x10000 ? 0xE0 | c >> 12 : 0xF0 | c >> 18; };
    for (std::size_t byte = lead(from); byte <= lead(to - 1); ++byte) all[byte] = false;
  }
  return all;
}();

/// A part of a text that may not be composed, from a boundary to the next.
struct doubtful {
  std::size_t begin, end;
};

/// The beginning of the character before `at`, or `at` if that is none.
inline std::size_t character_before(std::string_view text, std::size_t at) noexcept {
  for (std::size_t size = 1; size <= 4 && size <= at; ++size) {
    const auto c = decode_utf8(text.substr(0, at), at - size);
    if (c.kind == utf8_character::state::whole) return c.size == size ? at - size : at;
  }
  return at;
}

/// The first doubtful part from `at` on, by the quick check of UAX #15; an empty one at the end of the text if there is none.
inline doubtful next_doubtful(std::string_view text, std::size_t at) noexcept {
  while (true) {
    while (at < text.size() && boundary_bytes[static_cast<unsigned char>(text[at])]) ++at;
    const std::size_t first = at;
    bool doubt = false;
    for (std::uint8_t last = 0; at < text.size();) {
      const auto c = decode_utf8(text, at);
      const normal_kind kind = normal_kind_of(c.code);
      if (kind.is_boundary()) break;  // and so is what is no UTF-8: it counts as U+FFFD
      if (!kind.stays || (kind.combining_class != 0 && kind.combining_class < last)) doubt = true;
      last = kind.combining_class;
      at += c.size;
    }
    if (doubt) return {character_before(text, first), at};
    if (at == text.size()) return {at, at};
    if (at == first) at += decode_utf8(text, at).size;
  }
}

constexpr std::uint64_t parts_mask = (std::uint64_t{1} << 42) - 1;

/// A letter that two are composed to, or 0.
inline char32_t composed(char32_t first, char32_t second) noexcept {
  constexpr char32_t syllables = 0xAC00, leads = 0x1100, vowels = 0x1161, tails = 0x11A7;
  if (first - leads < 19 && second - vowels < 21) return syllables + ((first - leads) * 21 + (second - vowels)) * 28;
  if (first - syllables < 19 * 21 * 28 && (first - syllables) % 28 == 0 && second - tails - 1 < 27)
    return first + second - tails;
  const std::uint64_t parts = std::uint64_t{first} << 21 | second;
  const auto found =
      std::lower_bound(compositions.begin(), compositions.end(), parts,
                       [](std::uint16_t place, std::uint64_t wanted) { return (decompositions[place] & parts_mask) < wanted; });
  if (found == compositions.end() || (decompositions[*found] & parts_mask) != parts) return 0;
  return static_cast<char32_t>(decompositions[*found] >> 42);
}

/// Composes parts of a text, one after another.
class composer {
 public:
  /// `text` composed, until the next call.
  std::string_view operator()(std::string_view text) {
    characters_.clear();
    for (std::size_t at = 0; at < text.size();) {
      const auto c = decode_utf8(text, at);
      decompose(c.code);
      at += c.size;
    }
    order();
    compose();
    out_.clear();
    for (const character c : characters_) append_utf8(c.code, out_);
    return out_;
  }

 private:
  struct character {
    char32_t code;
    std::uint8_t combining_class;
  };

  /// Syllables of Hangul stay: they are composed from the left, as they would be again.
  void decompose(char32_t code) {
    std::array<char32_t, 3> behind{};
    std::size_t waiting = 0;
    while (true) {
      const auto found = std::lower_bound(decompositions.begin(), decompositions.end(), std::uint64_t{code} << 42);
      if (found == decompositions.end() || *found >> 42 != code) break;
      if (const auto second = static_cast<char32_t>(*found & 0x1FFFFF)) behind[waiting++] = second;
      code = static_cast<char32_t>(*found >> 21 & 0x1FFFFF);
    }
    characters_.push_back({code, normal_kind_of(code).combining_class});
    while (waiting > 0) {
      code = behind[--waiting];
      characters_.push_back({code, normal_kind_of(code).combining_class});
    }
  }

  /// Marks in ascending order of their classes, those of one class as they stood.
  void order() {
    const auto is_mark = [](character c) { return c.combining_class != 0; };
    for (auto from = characters_.begin(); from != characters_.end();) {
      from = std::find_if(from, characters_.end(), is_mark);
      const auto to = std::find_if_not(from, characters_.end(), is_mark);
      std::stable_sort(from, to, [](character a, character b) { return a.combining_class < b.combining_class; });
      from = to;
    }
  }

  /// Joins each letter with what follows, unless a mark of the same class or a letter stands between. A text may begin with a
  /// mark in place of a letter: no two marks are joined.
  void compose() {
    std::size_t kept = 0, letter = 0;
    for (const character c : characters_) {
      if (kept > 0 && (kept == letter + 1 || characters_[kept - 1].combining_class < c.combining_class)) {
        if (const char32_t joined = composed(characters_[letter].code, c.code)) {
          characters_[letter].code = joined;
          continue;
        }
      }
      if (c.combining_class == 0) letter = kept;
      characters_[kept++] = c;
    }
    characters_.resize(kept);
  }

  std::vector<character> characters_;
  std::string out_;
};

}  // namespace detail

std::string_view to_nfc(std::string_view text, std::string& room) {
  detail::composer compose;
  std::size_t copied = 0;
  room.clear();
  for (auto part = detail::next_doubtful(text, 0); part.begin < text.size(); part = detail::next_doubtful(text, part.end)) {
    const std::string_view before = text.substr(part.begin, part.end - part.begin), after = compose(before);
    if (after == before) continue;
    room.append(text, copied, part.begin - copied).append(after);
    copied = part.end;
  }
  if (copied == 0) return text;
  return room.append(text, copied);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
