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
namespace detail {

/// The pre-tokenizer that is asked for, or the file's.
inline result<const pre_tokenizer*> choose_pre_tokenizer(const metadata& meta, const tokenizer_options& options) {
  const std::string way_out =
      "; if the model's own tokenizer cuts words as one that is known, name that one as tokenizer_options::pre_tokenizer, or "
      "load_options::pre_tokenizer";
  std::string_view name = options.pre_tokenizer;
  if (name.empty()) {
    if (!meta.find("tokenizer.ggml.pre")) return tokenizer_error(errc::missing_key, "pre", "missing" + way_out);
    const auto pre = meta.try_get<std::string_view>("tokenizer.ggml.pre");
    if (!pre) return pre.failure();
    name = *pre;
  }
  if (const pre_tokenizer* found = find_pre_tokenizer(name)) return found;
  return tokenizer_error(errc::unknown_tokenizer, "pre", quoted(name) + " is not known" + way_out);
}

}  // namespace detail

tokenizer_habits byte_level_bpe::habits() const noexcept {
  using enum pre_tokenizer_flags;
  return {.adds_bos = split_->has(adds_bos), .always_adds_bos = split_->has(always_adds_bos)};
}

void byte_level_bpe::encode(const vocab& vocabulary, std::string_view text, bool /*fresh*/, merger& room,
                            std::vector<token>& out) const {
  std::string changed;
  if (split_->has(pre_tokenizer_flags::composes)) text = to_nfc(text, changed);
  if (split_->has(pre_tokenizer_flags::spaced) && text.find("\xE2\x96\x81") != text.npos) {
    detail::append_spaced(text, changed);
    text = changed;
  }
  word_cursor words(*split_, text);
  for (std::string_view word = words.next(); !word.empty(); word = words.next())
    for (std::size_t at = 0; at < word.size(); at += longest_merge)
      encode_word(vocabulary, word.substr(at, longest_merge), room, out);
}

void byte_level_bpe::encode_word(const vocab& vocabulary, std::string_view word, merger& room, std::vector<token>& out) const {
  const bool whole =
      split_->has(pre_tokenizer_flags::whole_words) || (split_->has(pre_tokenizer_flags::whole_lines) && word.front() == '\n');
  if (whole)
    if (const token id = vocabulary.find(word); id >= 0) return out.push_back(id);
  room.clear();
  const bool characters = split_->has(pre_tokenizer_flags::characters);
  for (std::size_t at = 0; at < word.size();) {
    const std::uint8_t size = characters ? decode_utf8(word, at).size : std::uint8_t{1};
    room.add(static_cast<std::uint32_t>(at), size,
             characters ? vocabulary.find(word.substr(at, size)) : vocabulary.byte_token(word[at]));
    at += size;
  }
  room.run([this](const symbol& left, const symbol& right) {
    const token place = find(left.id, right.id);
    return place < 0 ? merger::offer{0, -1}
                     : merger::offer{static_cast<std::uint32_t>(place), merges_[static_cast<std::size_t>(place)].merged};
  });
  room.for_each([&](const symbol& s) { append(vocabulary, s.id, word.substr(s.begin, s.size), out); });
}

void byte_level_bpe::append(const vocab& vocabulary, token id, std::string_view piece, std::vector<token>& out) const {
  if (id >= 0) return out.push_back(id);
  for (const char c : piece)
    if (const token byte = vocabulary.byte_token(c); byte >= 0) out.push_back(byte);
}

token byte_level_bpe::find(token left, token right) const noexcept {
  return index_.find(detail::hash_pair(left, right), [&](token place) { return is(place, left, right); });
}

bool byte_level_bpe::is(token place, token left, token right) const noexcept {
  const pair_merge& m = merges_[static_cast<std::size_t>(place)];
  return m.left == left && m.right == right;
}

result<vocab_rules> byte_level_bpe::rules_of(const metadata& meta, const tokenizer_options& options) {
  const auto split = detail::choose_pre_tokenizer(meta, options);
  if (!split) return split.failure();
  if ((*split)->has(pre_tokenizer_flags::spaced)) return vocab_rules{vocab_kind::sentencepiece};
  return vocab_rules{(*split)->has(pre_tokenizer_flags::characters) ? vocab_kind::plain : vocab_kind::byte_level};
}

result<byte_level_bpe> byte_level_bpe::try_load(const metadata& meta, const vocab& vocabulary,
                                                const tokenizer_options& options) {
  byte_level_bpe out;
  const auto split = detail::choose_pre_tokenizer(meta, options);
  if (!split) return split.failure();
  out.split_ = *split;
  NIBBLE_TRY(out.try_read_merges(meta, vocabulary));
  return out;
}

result<gemma4_bpe> gemma4_bpe::try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options&) {
  gemma4_bpe out;
  out.split_ = find_pre_tokenizer(name);
  NIBBLE_TRY(out.try_read_merges(meta, vocabulary));
  return out;
}

result<void> byte_level_bpe::try_read_merges(const metadata& meta, const vocab& vocabulary) {
  const auto merges = meta.try_get_array<std::string_view>("tokenizer.ggml.merges");
  if (!merges) return merges.failure();
  merges_.reserve(merges->size());
  index_.reset(merges->size());
  for (std::size_t i = 0; i < merges->size(); ++i) {
    const auto merge = try_read_merge(vocabulary, (*merges)[i], i);
    if (!merge) return merge.failure();
    merges_.push_back(*merge);
    const auto same = [&](token place) { return is(place, merge->left, merge->right); };
    const auto outcome = index_.insert(detail::hash_pair(merge->left, merge->right), static_cast<token>(i), same);
    if (outcome == piece_index::outcome::added) continue;
    return detail::tokenizer_error(
        errc::invalid_tokenizer, "merges",
        "merge " + std::to_string(i) + " " + detail::quoted((*merges)[i]) +
            (outcome == piece_index::outcome::duplicate ? " stands there twice"
                                                        : " and others are made so that their hashes collide"));
  }
  return {};
}

result<byte_level_bpe::pair_merge> byte_level_bpe::try_read_merge(const vocab& vocabulary, std::string_view text,
                                                                  std::size_t place) const {
  const auto bad = [&](const std::string& what) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "merges",
                                   "merge " + std::to_string(place) + " " + detail::quoted(text) + " " + what);
  };
  const auto append_piece = [&](std::string_view piece, std::string& out) {
    if (!split_->has(pre_tokenizer_flags::characters)) return detail::append_byte_level(piece, out);
    if (split_->has(pre_tokenizer_flags::spaced))
      detail::append_spaced(piece, out);
    else
      out += piece;
    return true;
  };
  const std::size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos) return bad("is not two pieces with a space between");
  if (!is_utf8(text)) return bad("is not UTF-8");
  std::string bytes;
  const bool left_known = append_piece(text.substr(0, space), bytes);
  const std::size_t middle = bytes.size();
  if (!left_known || !append_piece(text.substr(space + 1), bytes)) return bad("has a character that is no byte");
  const std::string_view whole = bytes;
  const pair_merge merge{vocabulary.find(whole.substr(0, middle)), vocabulary.find(whole.substr(middle)),
                         vocabulary.find(whole)};
  if (merge.left < 0) return bad("has a left part that is no token");
  if (merge.right < 0) return bad("has a right part that is no token");
  if (merge.merged < 0) return bad("gives what is no token");
  return merge;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
