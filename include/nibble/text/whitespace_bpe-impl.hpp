/// The definitions behind whitespace_bpe.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "nibble/text/bpe-impl.hpp"
#include "nibble/text/code_point.hpp"
#include "nibble/text/lowercase.hpp"
#include "nibble/text/whitespace_bpe.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Text in lower case; bytes that are no UTF-8 as they are.
inline void append_lowercase(std::string_view text, std::string& out) {
  for (std::size_t at = 0; at < text.size();) {
    const utf8_character c = decode_utf8(text, at);
    if (c.kind == utf8_character::state::whole)
      append_utf8(lower_of(c.code), out);
    else
      out += text.substr(at, c.size);
    at += c.size;
  }
}

}  // namespace detail

result<whitespace_bpe> whitespace_bpe::try_load(const metadata& meta, const vocab& vocabulary,
                                                const tokenizer_options& options) {
  auto words = byte_level_bpe::try_load(meta, vocabulary, options);
  if (!words) return std::move(words).failure();
  const auto lower = meta.try_get<bool>("tokenizer.ggml.normalizer.lowercase", false);
  if (!lower) return lower.failure();
  whitespace_bpe out;
  static_cast<byte_level_bpe&>(out) = *std::move(words);
  out.lowercases_ = *lower;
  return out;
}

void whitespace_bpe::encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room,
                            std::vector<token>& out) const {
  const auto is_space = [](detail::code_point c) { return c.is_whitespace(); };
  const auto is_dark = [](detail::code_point c) { return !c.is_whitespace(); };
  std::string lower;
  for (std::size_t at = detail::run_end(text, 0, is_space); at < text.size();) {
    const std::size_t end = detail::run_end(text, at, is_dark);
    std::string_view part = text.substr(at, end - at);
    if (lowercases_) {
      lower.clear();
      detail::append_lowercase(part, lower);
      part = lower;
    }
    byte_level_bpe::encode(vocabulary, part, fresh, room, out);
    at = detail::run_end(text, end, is_space);
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
