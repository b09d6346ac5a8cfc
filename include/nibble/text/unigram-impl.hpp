/// The definitions behind unigram.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/charsmap-impl.hpp"
#include "nibble/text/merge.hpp"
#include "nibble/text/piece_trie-impl.hpp"
#include "nibble/text/unigram.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<unigram> unigram::try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options&) {
  unigram out;
  if (!vocabulary.special().unknown) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "unknown_token_id",
                                   "missing: characters of no piece have no token");
  }
  out.unknown_ = *vocabulary.special().unknown;
  if (!meta.find("tokenizer.ggml.scores")) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "scores", "missing: pieces are chosen by them");
  }
  for (const auto& [flag_name, flag] : {std::pair{"add_space_prefix", &unigram::add_space_prefix_},
                                        std::pair{"remove_extra_whitespaces", &unigram::removes_spaces_}}) {
    const auto found = meta.try_get<bool>("tokenizer.ggml." + std::string(flag_name), true);
    if (!found) return found.failure();
    out.*flag = *found;
  }
  std::vector<piece_trie::entry> pieces;
  float least = 0;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<token>(i);
    const float score = vocabulary.score(id);
    if (!std::isfinite(score)) {
      return detail::tokenizer_error(errc::invalid_tokenizer, "scores",
                                     "that of token " + std::to_string(i) + " is not finite");
    }
    const std::string_view piece = vocabulary.piece(id);
    if (vocabulary.find(piece) == id) {
      pieces.push_back({std::string(piece), id});
      out.words_ = out.words_ && piece.find(' ', 1) == piece.npos;
    }
    if (vocabulary.type(id) == token_type::normal) least = std::min(least, score);
  }
  out.pieces_.build(std::move(pieces));
  out.unknown_score_ = double(least - 10.0f);
  NIBBLE_TRY(out.try_load_map(meta));
  return out;
}

result<void> unigram::try_load_map(const metadata& meta) {
  constexpr const char* map_name = "precompiled_charsmap";
  const std::string key = "tokenizer.ggml." + std::string(map_name);
  if (!meta.find(key)) return {};
  const auto numbers = meta.try_get_array<std::int32_t>(key);
  if (!numbers) return numbers.failure();
  std::string bytes;
  bytes.reserve(numbers->size());
  for (const std::int32_t n : *numbers) bytes += static_cast<char>(static_cast<unsigned char>(n & 0xFF));
  auto map = charsmap::try_parse(bytes);
  if (!map) return detail::tokenizer_error(errc::invalid_tokenizer, map_name, map.failure().what());
  map_ = *std::move(map);
  return {};
}

/// The text as its characters are written, with spaces for U+2581, and no more of them than there may be.
std::string unigram::normalize(std::string_view text, bool prefix) const {
  std::string out;
  out.reserve(text.size() + 1);
  if (prefix) out += ' ';
  const std::size_t begin = out.size();
  bool after_space = true;  // at the beginning, too
  const auto add = [&](std::string_view part) {
    while (removes_spaces_ && after_space && part.starts_with(' ')) part.remove_prefix(1);
    if (part.empty()) return;
    detail::append_spaced(part, out);
    after_space = part.ends_with(' ');
  };
  while (!text.empty()) {
    if (const auto found = map_.longest(text)) {
      add(found->value);
      text.remove_prefix(found->size);
    } else {
      add(detail::take_character(text));
    }
  }
  while (removes_spaces_ && out.size() > begin && out.back() == ' ') out.pop_back();
  if (out.size() == begin) out.clear();  // a prefix of nothing
  return out;
}

/// The best cut of a part of a text.
class unigram::lattice {
 public:
  /// Finds it.
  /// @param score  of the text in front of the part; then of that and the part
  void run(const unigram& self, const vocab& vocabulary, std::string_view part, double& score) {
    best_.assign(part.size() + 1, place{});
    best_[0].score = score;
    for (std::size_t begin = 0; begin < part.size();) {
      const std::size_t size = decode_utf8(part, begin).size;
      const auto reach = [&](std::size_t bytes, token id, double more) {
        place& end = best_[begin + bytes];
        if (best_[begin].score + more > end.score) end = {best_[begin].score + more, static_cast<std::uint32_t>(bytes), id};
      };
      bool is_known = false;  // the character alone
      self.pieces_.each_prefix(part.substr(begin), [&](std::size_t bytes, token id) {
        reach(bytes, id, double(vocabulary.score(id)));
        is_known = is_known || bytes == size;
        return true;
      });
      if (!is_known) reach(size, self.unknown_, self.unknown_score_);
      begin += size;
    }
    score = best_[part.size()].score;
  }

  /// Calls f(token) for each piece of it, in order.
  template <class F>
  void each(F&& f) {
    path_.clear();
    for (std::size_t end = best_.size() - 1; end > 0; end -= best_[end].bytes) path_.push_back(best_[end].id);
    for (; !path_.empty(); path_.pop_back()) f(path_.back());
  }

 private:
  struct place {  // the best way to come here
    double score = -std::numeric_limits<double>::infinity();
    std::uint32_t bytes = 0;
    token id = -1;
  };
  std::vector<place> best_;
  std::vector<token> path_;
};

void unigram::encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& /*room*/,
                     std::vector<token>& out) const {
  const std::string normal = normalize(text, fresh && add_space_prefix_);
  lattice best;
  double score = 0;  // goes on from word to word, so that sums are rounded as they are over the whole text
  const std::size_t first = out.size();
  for (std::string_view rest = normal; !rest.empty();) {
    const std::size_t end = words_ ? rest.find(' ', 1) : rest.npos;  // no piece reaches over it
    const std::string_view part = rest.substr(0, detail::characters_within(rest, (std::min)(end, longest_word)));
    best.run(*this, vocabulary, part, score);
    best.each([&](token id) {
      if (id != unknown_ || out.size() == first || out.back() != unknown_) out.push_back(id);
    });
    rest.remove_prefix(part.size());
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
