/// The definitions behind bpe.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "nibble/text/bpe.hpp"
#include "nibble/text/merge.hpp"
#include "nibble/text/normalize.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

void byte_level_bpe::encode(const vocab& vocabulary, std::string_view text, merger& room, std::vector<token>& out) const {
  std::string composed;
  if (split_->composes) text = to_nfc(text, composed);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = (std::min)(split_->word_end(text, at), at + longest_merge);
    encode_word(vocabulary, text.substr(at, end - at), room, out);
    at = end;
  }
}

void byte_level_bpe::encode_word(const vocab& vocabulary, std::string_view word, merger& room, std::vector<token>& out) const {
  if (split_->whole_words)
    if (const token id = vocabulary.find(word); id >= 0) return out.push_back(id);
  room.clear();
  for (std::size_t i = 0; i < word.size(); ++i) room.add(static_cast<std::uint32_t>(i), 1, vocabulary.byte_token(word[i]));
  room.run([this](const symbol& left, const symbol& right) {
    const token place = find(left.id, right.id);
    return place < 0 ? merger::offer{0, -1}
                     : merger::offer{static_cast<std::uint32_t>(place), merges_[static_cast<std::size_t>(place)].merged};
  });
  room.for_each([&](const symbol& s) {
    if (s.id >= 0) out.push_back(s.id);
  });
}

token byte_level_bpe::find(token left, token right) const noexcept {
  return index_.find(detail::hash_pair(left, right), [&](token place) { return is(place, left, right); });
}

bool byte_level_bpe::is(token place, token left, token right) const noexcept {
  const pair_merge& m = merges_[static_cast<std::size_t>(place)];
  return m.left == left && m.right == right;
}

result<byte_level_bpe> byte_level_bpe::try_load(const metadata& meta, const vocab& vocabulary) {
  byte_level_bpe out;
  const auto pre = meta.try_get<std::string_view>("tokenizer.ggml.pre");
  if (!pre) return pre.failure();
  out.split_ = find_pre_tokenizer(*pre);
  if (!out.split_) {
    std::string known;
    for (const auto& split : pre_tokenizers) known.append(known.empty() ? " '" : ", '").append(split.name).append("'");
    return detail::tokenizer_error(errc::unknown_tokenizer, "pre", detail::quoted(*pre) + " is not known; known are" + known);
  }
  const auto merges = meta.try_get_array<std::string_view>("tokenizer.ggml.merges");
  if (!merges) return merges.failure();
  out.merges_.reserve(merges->size());
  out.index_.reset(merges->size());
  std::string bytes;
  for (std::size_t i = 0; i < merges->size(); ++i) {
    const std::string_view text = (*merges)[i];
    const auto bad = [&](const std::string& what) {
      return detail::tokenizer_error(errc::invalid_tokenizer, "merges",
                                     "merge " + std::to_string(i) + " " + detail::quoted(text) + " " + what);
    };
    const std::size_t space = text.find(' ');
    if (space == text.npos || text.find(' ', space + 1) != text.npos) return bad("is not two pieces with a space between");
    if (!is_utf8(text)) return bad("is not UTF-8");
    bytes.clear();
    const bool left_known = detail::append_byte_level(text.substr(0, space), bytes);
    const std::size_t middle = bytes.size();
    if (!left_known || !detail::append_byte_level(text.substr(space + 1), bytes)) return bad("has a character that is no byte");
    const std::string_view whole = bytes;
    const pair_merge merge{vocabulary.find(whole.substr(0, middle)), vocabulary.find(whole.substr(middle)),
                           vocabulary.find(whole)};
    if (merge.left < 0) return bad("has a left part that is no token");
    if (merge.right < 0) return bad("has a right part that is no token");
    if (merge.merged < 0) return bad("gives what is no token");
    out.merges_.push_back(merge);
    const auto same = [&](token place) { return out.is(place, merge.left, merge.right); };
    switch (out.index_.insert(detail::hash_pair(merge.left, merge.right), static_cast<token>(i), same)) {
      case piece_index::outcome::added:
        break;
      case piece_index::outcome::duplicate:
        return bad("stands there twice");
      case piece_index::outcome::crowded:
        return bad("and others are made so that their hashes collide");
    }
  }
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
