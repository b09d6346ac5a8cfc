/// sentencepiece_bpe: text to tokens by the scores of pieces, as Llama 1 and 2, Gemma and Phi 3 do it.
#pragma once

#include <algorithm>
#include <bit>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/merge.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Merges the characters of a text: of all neighbours that together are a piece, those with the highest score first. What is in
/// no piece becomes its bytes' tokens, or the unknown token where there are none.
///
/// Pieces are kept with spaces where the file has U+2581, and so is the text: both are a space.
class sentencepiece_bpe {
 public:
  /// @errors  bad_value; invalid_tokenizer: neither byte tokens nor an unknown token
  static result<sentencepiece_bpe> try_load(const metadata& meta, const vocab& words);

  bool add_space_prefix() const noexcept { return add_space_prefix_; }

  /// Appends the tokens of `text`.
  /// @param prefix  put a space in front
  /// @cost          O(n log n) at worst, with n the longest stretch in which all neighbouring bytes occur in some piece
  void encode(const vocab& words, std::string_view text, bool prefix, merger& room, std::vector<token>& out) const {
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
      encode_stretch(words, stretch, room, begin, out);
      text.remove_prefix(stretch.size());
    }
  }

 private:
  static std::size_t pair_of(char a, char b) noexcept {
    return std::size_t{static_cast<unsigned char>(a)} << 8 | static_cast<unsigned char>(b);
  }

  /// Nothing can be merged across two bytes that stand beside each other in no piece: the text is cut there, with equal
  /// results.
  std::size_t stretch_end(std::string_view text) const noexcept {
    const std::size_t most = (std::min)(text.size(), longest_merge);
    for (std::size_t i = 1; i < most; ++i) {
      const bool continues_character = (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
      if (!continues_character && !neighbours_[pair_of(text[i - 1], text[i])]) return i;
    }
    return most;
  }

  void encode_stretch(const vocab& words, std::string_view text, merger& room, std::size_t begin,
                      std::vector<token>& out) const {
    room.clear();
    for (std::size_t at = 0; at < text.size();) {
      const std::uint8_t size = decode_utf8(text, at).size;
      room.add(static_cast<std::uint32_t>(at), size, -1);
      at += size;
    }
    room.run([&](const symbol& left, const symbol& right) -> merger::offer {
      const std::size_t size = std::size_t{left.size} + right.size;
      if (size > words.longest_piece()) return {0, -1};
      const token id = words.find(text.substr(left.begin, size));
      return {id < 0 ? 0 : rank_of(words.score(id)), id};
    });
    room.for_each([&](const symbol& s) {
      const std::string_view piece = text.substr(s.begin, s.size);
      const token id = s.id >= 0 ? s.id : words.find(piece);
      if (id >= 0) return out.push_back(id);
      if (std::all_of(piece.begin(), piece.end(), [&](char c) { return words.byte_token(c) >= 0; })) {
        for (const char c : piece) out.push_back(words.byte_token(c));
      } else if (out.size() == begin || out.back() != unknown_) {  // a run of unknown characters is one token
        out.push_back(unknown_);
      }
    });
  }

  /// Orders scores as unsigned numbers, the highest first.
  static std::uint32_t rank_of(float score) noexcept {
    const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f);  // -0 is 0
    return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
  }

  bool add_space_prefix_ = true;
  token unknown_ = -1;
  std::bitset<65536> neighbours_;
};

inline result<sentencepiece_bpe> sentencepiece_bpe::try_load(const metadata& meta, const vocab& words) {
  sentencepiece_bpe out;
  const auto prefix = meta.try_get<bool>("tokenizer.ggml.add_space_prefix", true);
  if (!prefix) return prefix.failure();
  out.add_space_prefix_ = *prefix;
  bool all_bytes = true;
  for (int b = 0; b < 256; ++b)
    all_bytes = all_bytes && words.byte_token(static_cast<char>(static_cast<unsigned char>(b))) >= 0;
  if (const auto unknown = words.special().unknown)
    out.unknown_ = *unknown;
  else if (!all_bytes)
    return detail::tokenizer_error(errc::invalid_tokenizer, "tokens", "neither 256 byte tokens nor an unknown token");
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view piece = words.piece(static_cast<token>(i));
    for (std::size_t n = 1; n < piece.size(); ++n) out.neighbours_[pair_of(piece[n - 1], piece[n])] = true;
  }
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
