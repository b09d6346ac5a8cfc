/// The definitions behind hybrid_dna.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "nibble/text/bpe-impl.hpp"
#include "nibble/text/hybrid_dna.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr std::string_view dna_begins = "<dna>", dna_ends = "</dna>", dna_unknown = "<oov>", dna_mark = "\xEE\x80\x80";

inline token token_named(const vocab& vocabulary, std::string_view name) {
  if (const token id = vocabulary.find(name); id >= 0) return id;
  const auto id = vocabulary.controls().find(name);
  return id ? *id : vocabulary.user_defined().find(name).value_or(no_token);
}

/// A token of bases has capitals, and is not the one that words find.
inline bool is_sequence(const vocab& vocabulary, token id) {
  const std::string_view piece = vocabulary.piece(id);
  return piece.size() == hybrid_dna::bases && vocabulary.type(id) == token_type::normal &&
         std::all_of(piece.begin(), piece.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) && vocabulary.find(piece) != id;
}

}  // namespace detail

result<vocab_rules> hybrid_dna::rules_of(const metadata& meta, const tokenizer_options& options) {
  auto rules = byte_level_bpe::rules_of(meta, options);
  if (rules) rules->mark = detail::dna_mark;
  return rules;
}

result<hybrid_dna> hybrid_dna::try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& options) {
  auto words = byte_level_bpe::try_load(meta, vocabulary, options);
  if (!words) return std::move(words).failure();
  hybrid_dna out;
  static_cast<byte_level_bpe&>(out) = *std::move(words);
  NIBBLE_TRY(out.try_read_sequences(vocabulary));
  return out;
}

result<void> hybrid_dna::try_read_sequences(const vocab& vocabulary) {
  begin_ = detail::token_named(vocabulary, detail::dna_begins);
  end_ = detail::token_named(vocabulary, detail::dna_ends);
  unknown_ = detail::token_named(vocabulary, detail::dna_unknown);
  std::vector<token> all;
  for (token id = 0; vocabulary.contains(id); ++id)
    if (detail::is_sequence(vocabulary, id)) all.push_back(id);
  sequences_.reset(all.size());
  for (const token id : all) {
    const std::string_view piece = vocabulary.piece(id);
    const auto same = [&](token other) { return vocabulary.piece(other) == piece; };
    if (sequences_.insert(detail::hash_bytes(piece), id, same) == piece_index::outcome::added) continue;
    return detail::tokenizer_error(errc::invalid_tokenizer, "tokens",
                                   "token " + std::to_string(id) + " " + detail::quoted(piece) + " of DNA stands there twice");
  }
  return {};
}

void hybrid_dna::encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room,
                        std::vector<token>& out) const {
  const bool knows_dna = begin_ >= 0 && end_ >= 0 && unknown_ >= 0;
  while (!text.empty()) {
    const std::size_t begin = knows_dna ? text.find(detail::dna_begins) : text.npos;
    byte_level_bpe::encode(vocabulary, text.substr(0, begin), fresh, room, out);
    if (begin == text.npos) return;
    out.push_back(begin_);
    text.remove_prefix(begin + detail::dna_begins.size());
    const std::size_t end = text.find(detail::dna_ends);
    encode_dna(vocabulary, text.substr(0, end), out);
    if (end == text.npos) return;
    out.push_back(end_);
    text.remove_prefix(end + detail::dna_ends.size());
  }
}

void hybrid_dna::encode_dna(const vocab& vocabulary, std::string_view sequence, std::vector<token>& out) const {
  for (std::size_t at = 0; at < sequence.size(); at += bases) {
    std::array<char, bases> six{};
    const std::string_view part = sequence.substr(at, bases);
    for (std::size_t i = 0; i < bases; ++i) {
      const char c = i < part.size() ? part[i] : 'A';
      six[i] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    const std::string_view piece(six.data(), six.size());
    const token id = sequences_.find(detail::hash_bytes(piece), [&](token t) { return vocabulary.piece(t) == piece; });
    out.push_back(id >= 0 ? id : unknown_);
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
