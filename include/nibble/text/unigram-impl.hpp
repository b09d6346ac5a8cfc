/// The definitions behind unigram.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "nibble/text/charsmap-impl.hpp"
#include "nibble/text/unigram.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<unigram> unigram::try_load(const metadata& meta, const vocab& vocabulary) {
  unigram out;
  if (!vocabulary.special().unknown) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "unknown_token_id",
                                   "missing: characters of no piece have no token");
  }
  out.unknown_ = *vocabulary.special().unknown;
  if (!meta.find("tokenizer.ggml.scores")) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "scores", "missing: pieces are chosen by them");
  }
  for (const auto& [name, flag] : {std::pair{"add_space_prefix", &unigram::add_space_prefix_},
                                   std::pair{"remove_extra_whitespaces", &unigram::removes_spaces_}}) {
    const auto found = meta.try_get<bool>("tokenizer.ggml." + std::string(name), true);
    if (!found) return found.failure();
    out.*flag = *found;
  }
  double least = 0;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<token>(i);
    const float score = vocabulary.score(id);
    if (!std::isfinite(score)) {
      return detail::tokenizer_error(errc::invalid_tokenizer, "scores",
                                     "that of token " + std::to_string(i) + " is not finite");
    }
    if (vocabulary.type(id) == token_type::normal) least = std::min(least, double(score));
  }
  out.unknown_score_ = least - 10;
  constexpr const char* name = "precompiled_charsmap";
  if (const std::string key = "tokenizer.ggml." + std::string(name); meta.find(key)) {
    const auto numbers = meta.try_get_array<std::int32_t>(key);
    if (!numbers) return numbers.failure();
    std::string bytes;
    bytes.reserve(numbers->size());
    for (const std::int32_t n : *numbers) bytes += static_cast<char>(static_cast<unsigned char>(n & 0xFF));
    auto map = charsmap::try_parse(bytes);
    if (!map) return detail::tokenizer_error(errc::invalid_tokenizer, name, map.failure().what());
    out.map_ = *std::move(map);
  }
  return out;
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
    const auto found = map_.longest(text);
    const utf8_character c = decode_utf8(text, 0);
    if (found) {
      add(found->value);
    } else {
      add(c.kind == utf8_character::state::whole ? text.substr(0, c.size) : std::string_view("\xEF\xBF\xBD"));
    }
    text.remove_prefix(found ? found->size : c.size);
  }
  while (removes_spaces_ && out.size() > begin && out.back() == ' ') out.pop_back();
  if (out.size() == begin) out.clear();  // a prefix of nothing
  return out;
}

void unigram::encode(const vocab& vocabulary, std::string_view text, bool prefix, std::vector<token>& out) const {
  const std::string normal = normalize(text, prefix);
  struct place {  // the best way to come here
    double score = -std::numeric_limits<double>::infinity();
    std::size_t from = 0;
    token id = -1;
  };
  std::vector<place> best(normal.size() + 1);
  best[0].score = 0;
  const std::size_t longest = std::min(longest_piece, vocabulary.longest_piece());
  for (std::size_t begin = 0; begin < normal.size();) {
    const std::size_t size = decode_utf8(normal, begin).size;
    const auto reach = [&](std::size_t end, token id, double score) {
      if (best[begin].score + score > best[end].score) best[end] = {best[begin].score + score, begin, id};
    };
    bool is_known = false;  // the character alone
    std::uint64_t sum = 0;
    for (std::size_t end = begin; end < std::min(normal.size(), begin + longest);) {
      sum = detail::hash_add(sum, normal[end++]);
      const token id = vocabulary.find(std::string_view(normal).substr(begin, end - begin), detail::hash_end(sum));
      if (id < 0) continue;
      reach(end, id, double(vocabulary.score(id)));
      is_known = is_known || end == begin + size;
    }
    if (!is_known) reach(begin + size, unknown_, unknown_score_);
    begin += size;
  }
  const std::size_t first = out.size();
  for (std::size_t end = normal.size(); end > 0; end = best[end].from) {
    const token id = best[end].id;
    if (id != unknown_ || out.size() == first || out.back() != unknown_) out.push_back(id);
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
