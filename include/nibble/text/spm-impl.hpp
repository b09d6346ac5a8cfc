/// The definitions behind spm.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "nibble/text/merge.hpp"
#include "nibble/text/spm.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The place of two bytes in a table of all pairs.
inline std::size_t pair_of(char a, char b) noexcept {
  return std::size_t{static_cast<unsigned char>(a)} << 8 | static_cast<unsigned char>(b);
}

/// Orders scores as unsigned numbers, the highest first.
inline std::uint32_t rank_of(float score) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f);  // -0 is 0
  return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

}  // namespace detail

void sentencepiece_bpe::encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room,
                               std::vector<token>& out) const {
  const bool prefix = fresh && add_space_prefix_;
  std::string spaced;
  if (prefix || text.find("\xE2\x96\x81") != text.npos) {
    spaced.reserve(text.size() + 1);
    if (prefix) spaced += ' ';
    detail::append_spaced(text, spaced);
    text = spaced;
  }
  const std::size_t begin = out.size();
  while (!text.empty()) {
    const std::string_view stretch = text.substr(0, stretch_end(text));
    encode_stretch(vocabulary, stretch, room, begin, out);
    text.remove_prefix(stretch.size());
  }
}

std::size_t sentencepiece_bpe::stretch_end(std::string_view text) const noexcept {
  const std::size_t most = (std::min)(text.size(), longest_merge);
  for (std::size_t i = 1; i < most; ++i) {
    const bool continues_character = (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
    if (!continues_character && !neighbours_[detail::pair_of(text[i - 1], text[i])]) return i;
  }
  return most;
}

void sentencepiece_bpe::encode_stretch(const vocab& vocabulary, std::string_view text, merger& room, std::size_t begin,
                                       std::vector<token>& out) const {
  room.clear();
  for (std::size_t at = 0; at < text.size();) {
    const std::uint8_t size = decode_utf8(text, at).size;
    room.add(static_cast<std::uint32_t>(at), size, -1);
    at += size;
  }
  auto& sums = room.sums;
  sums.assign(1, 0);
  for (const char c : text) sums.push_back(detail::hash_add(sums.back(), c));
  room.run([&](const symbol& left, const symbol& right) -> merger::offer {
    const std::size_t size = std::size_t{left.size} + right.size;
    if (size >= powers_.size()) return {0, -1};  // longer than any piece
    const std::uint64_t hash = detail::hash_end(sums[left.begin + size] - sums[left.begin] * powers_[size]);
    const token id = vocabulary.find(text.substr(left.begin, size), hash);
    return {id < 0 ? 0 : detail::rank_of(vocabulary.score(id)), id};
  });
  room.for_each([&](const symbol& s) {
    const std::string_view piece = text.substr(s.begin, s.size);
    const token id = s.id >= 0 ? s.id : vocabulary.find(piece);
    if (id >= 0) return out.push_back(id);
    if (std::all_of(piece.begin(), piece.end(), [&](char c) { return vocabulary.byte_token(c) >= 0; })) {
      for (const char c : piece) out.push_back(vocabulary.byte_token(c));
    } else if (out.size() == begin || out.back() != unknown_) {  // a run of unknown characters is one token
      out.push_back(unknown_);
    }
  });
}

result<sentencepiece_bpe> sentencepiece_bpe::try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options&) {
  sentencepiece_bpe out;
  const auto prefix = meta.try_get<bool>("tokenizer.ggml.add_space_prefix", true);
  if (!prefix) return prefix.failure();
  out.add_space_prefix_ = *prefix;
  if (const auto unknown = vocabulary.special().unknown)
    out.unknown_ = *unknown;
  else if (!vocabulary.says_all())
    return detail::tokenizer_error(errc::invalid_tokenizer, "tokens", "neither 256 byte tokens nor an unknown token");
  out.powers_.reserve(vocabulary.longest_piece() + 1);
  out.powers_.push_back(1);
  while (out.powers_.size() <= vocabulary.longest_piece()) out.powers_.push_back(out.powers_.back() * detail::hash_base);
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const std::string_view piece = vocabulary.piece(static_cast<token>(i));
    for (std::size_t n = 1; n < piece.size(); ++n) out.neighbours_[detail::pair_of(piece[n - 1], piece[n])] = true;
  }
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
