/// The definitions behind plamo.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/merge.hpp"
#include "nibble/text/piece_trie-impl.hpp"
#include "nibble/text/plamo.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr std::int64_t byte_score = -10'000'000, least_piece_score = -19'999'999;

/// A score in ten-thousandths; one that is out of reach for a piece is less than least_piece_score.
inline std::int64_t plamo_score(float score) noexcept {
  if (!std::isfinite(score)) return least_piece_score - 1;
  const double scaled = std::round(double(score) * 1e4);
  return static_cast<std::int64_t>(std::clamp(scaled, double(least_piece_score - 1), 2e9));
}

/// A text whose bytes that are no UTF-8 are U+FFFD, each of them.
inline std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) out += take_character(text);
  return out;
}

}  // namespace detail

result<plamo_lattice> plamo_lattice::try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options&) {
  if (!meta.find("tokenizer.ggml.scores")) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "scores", "missing: pieces are chosen by them");
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (vocabulary.byte_token(static_cast<char>(static_cast<unsigned char>(byte))) < 0) {
      return detail::tokenizer_error(errc::invalid_tokenizer, "tokens", "no token is the byte " + std::to_string(byte));
    }
  }
  std::vector<piece_trie::entry> pieces;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<token>(i);
    const std::string_view piece = vocabulary.piece(id);
    if (vocabulary.find(piece) != id || detail::plamo_score(vocabulary.score(id)) < detail::least_piece_score) continue;
    if (piece.size() > piece_trie::longest) return detail::piece_too_long(id, piece);
    pieces.push_back({std::string(piece), id});
  }
  plamo_lattice out;
  out.pieces_.build(std::move(pieces));
  return out;
}

struct plamo_lattice::place {
  std::int64_t score = 0;
  std::uint32_t bytes = 0;  // to the next place; 0 inside of a character
  token id = -1;            // or bytes
};

void plamo_lattice::encode(const vocab& vocabulary, std::string_view text, bool /*fresh*/, merger& /*room*/,
                           std::vector<token>& out) const {
  const std::string valid = detail::valid_utf8(text);
  std::string_view rest = valid;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::vector<place> best;
  while (!rest.empty()) {
    const std::size_t end = detail::characters_within(rest, longest_merge);
    encode_part(vocabulary, rest.substr(0, end), best, out);
    rest.remove_prefix(end);
  }
}

void plamo_lattice::encode_part(const vocab& vocabulary, std::string_view part, std::vector<place>& best,
                                std::vector<token>& out) const {
  best.assign(part.size() + 1, place{});
  for (std::size_t begin = part.size(); begin-- > 0;) {
    if ((static_cast<unsigned char>(part[begin]) & 0xC0) == 0x80) continue;
    place& here = best[begin];
    here.score = (std::numeric_limits<std::int64_t>::min)();
    pieces_.each_prefix(part.substr(begin), [&](std::size_t bytes, token id) {
      const place& next = best[begin + bytes];  // pieces are UTF-8, so no character is cut
      const std::int64_t score = next.score + detail::plamo_score(vocabulary.score(id));
      if (score >= here.score) here = {score, static_cast<std::uint32_t>(bytes), id};
      return true;
    });
    const std::size_t size = decode_utf8(part, begin).size;
    const std::int64_t score = best[begin + size].score + detail::byte_score;
    if (score > here.score) here = {score, static_cast<std::uint32_t>(size), -1};
  }
  for (std::size_t at = 0; at < part.size(); at += best[at].bytes) {
    if (best[at].id >= 0) {
      out.push_back(best[at].id);
    } else {
      for (const char byte : part.substr(at, best[at].bytes)) out.push_back(vocabulary.byte_token(byte));
    }
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
