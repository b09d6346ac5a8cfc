/// The definitions behind vocab.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/text/end_tokens.hpp"
#include "nibble/text/piece_trie.hpp"
#include "nibble/text/strip_rules.hpp"
#include "nibble/text/tokenizer_models.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline error tokenizer_error(errc code, std::string_view key, const std::string& what) {
  return error(code, "key 'tokenizer.ggml." + std::string(key) + "': " + what);
}

/// The byte that a character of a byte-level vocabulary stands for, or -1: 188 printable ones are themselves, the others follow
/// in order from U+0100 on.
inline constexpr auto byte_alphabet = [] {
  std::array<std::int16_t, 324> bytes{};
  bytes.fill(-1);
  std::size_t moved = 256;
  for (std::int16_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b != 173);
    bytes[printable ? static_cast<std::size_t>(b) : moved++] = b;
  }
  return bytes;
}();

/// Appends the bytes that byte-level text stands for; false, with `out` as it was, if a character is not of its alphabet.
/// @errors  precondition: text is UTF-8
inline bool append_byte_level(std::string_view text, std::string& out) {
  const std::size_t before = out.size();
  for (std::size_t at = 0; at < text.size();) {
    const auto c = decode_utf8(text, at);
    const int byte = c.code < byte_alphabet.size() ? byte_alphabet[c.code] : -1;
    if (byte < 0) {
      out.resize(before);
      return false;
    }
    out += static_cast<char>(static_cast<unsigned char>(byte));
    at += c.size;
  }
  return true;
}

void append_spaced(std::string_view text, std::string& out) {
  constexpr std::string_view mark = "\xE2\x96\x81";
  for (std::size_t at; (at = text.find(mark)) != text.npos; text.remove_prefix(at + mark.size())) {
    out += text.substr(0, at);
    out += ' ';
  }
  out += text;
}

/// Appends the bytes that escaped text stands for.
inline void append_unescaped(std::string_view text, std::string& out) {
  const auto digit = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    const int high = digit(i + 1), low = digit(i + 2);
    if (c == 'x' && high >= 0 && low >= 0) {
      out += static_cast<char>(static_cast<unsigned char>(high * 16 + low));
      i += 2;
    } else {
      out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
    }
  }
}

inline error piece_too_long(token id, std::string_view piece) {
  return tokenizer_error(errc::invalid_tokenizer, "tokens",
                         "token " + std::to_string(id) + " has " + std::to_string(piece.size()) +
                             " bytes; pieces of this tokenizer model have at most " + std::to_string(piece_trie::longest));
}

/// The value of "<0x0A>", or -1.
inline int byte_of_name(std::string_view name) noexcept {
  const auto digit = [&](std::size_t i) {
    const char c = name[i];
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>' || digit(3) < 0 || digit(4) < 0) return -1;
  return digit(3) * 16 + digit(4);
}

/// Whether a file has a key with the id of a token. -1 is how files write that there is none.
inline bool names_token(const metadata& meta, std::string_view name) {
  const std::string key = "tokenizer.ggml." + std::string(name);
  const auto id = meta.get<std::int64_t>(key);
  return meta.find(key) && id != -1 && id != 0xFFFFFFFF;
}

/// The texts of all tokens, which point into the file.
inline result<std::vector<std::string_view>> read_texts(const metadata& meta, const limits& most) {
  const value* listed = meta.find("tokenizer.ggml.tokens");
  if (listed && listed->size() > (std::min<std::uint64_t>)(most.vocabulary, (std::numeric_limits<token>::max)()))
    return tokenizer_error(errc::limit_exceeded, "tokens",
                           std::to_string(listed->size()) + " tokens; the limit is " + std::to_string(most.vocabulary));
  auto texts = meta.try_get_array<std::string_view>("tokenizer.ggml.tokens");
  if (!texts) return texts;
  if (texts->empty()) return tokenizer_error(errc::invalid_tokenizer, "tokens", "the vocabulary is empty");
  std::uint64_t bytes = 0;  // of at most 2^31 texts in memory: cannot wrap
  for (const auto text : *texts) bytes += text.size();
  const auto most_bytes = (std::min<std::uint64_t>)(most.header_bytes, (std::numeric_limits<std::uint32_t>::max)());
  if (bytes > most_bytes)
    return tokenizer_error(errc::limit_exceeded, "tokens",
                           std::to_string(bytes) + " bytes of text; the limit is " + std::to_string(most_bytes));
  return texts;
}

/// Calls f(std::type_identity<Model>{}) with the model that the file names.
template <class F>
result<void> with_model(const metadata& meta, F&& f) {
  const auto name = meta.try_get<std::string_view>("tokenizer.ggml.model");
  if (!name) return name.failure();
  result<void> done;
  std::string known;
  const bool found = any_type(tokenizer_models{}, [&]<class Model>(std::type_identity<Model> model) {
    known.append(known.empty() ? "'" : ", '").append(Model::name).append("'");
    if (*name != Model::name) return false;
    done = f(model);
    return true;
  });
  if (found) return done;
  return tokenizer_error(errc::unknown_tokenizer, "model", quoted(*name) + " is not known; known are " + known);
}

}  // namespace detail

result<vocab> vocab::try_load(const metadata& meta, const tokenizer_options& options) {
  vocab out;
  vocab_rules rules;
  NIBBLE_TRY(detail::with_model(meta, [&]<class Model>(std::type_identity<Model>) -> result<void> {
    const auto found = Model::rules_of(meta, options);
    if (!found) return found.failure();
    rules = *found;
    return {};
  }));
  const limits& most = options.limits;
  out.kind_ = rules.kind;
  out.bytes_.fill(-1);
  const auto texts = detail::read_texts(meta, most);
  if (!texts) return texts.failure();
  out.types_.assign(texts->size(), token_type::normal);
  NIBBLE_TRY(out.try_read_types(meta, rules.scores));
  NIBBLE_TRY(out.try_read_special(meta, rules));
  NIBBLE_TRY(out.try_add(*texts, rules.mark, most));
  NIBBLE_TRY(out.try_index());
  NIBBLE_TRY(out.try_find_unknown(meta));
  out.find_infill(meta);
  NIBBLE_TRY(out.try_read_suppressed(meta));
  out.find_ends();
  out.find_strips(meta);
  return out;
}

result<void> vocab::try_read_types(const metadata& meta, bool scored) {
  const auto agrees = [&](std::string_view key, std::size_t found) -> result<void> {
    if (found == size()) return {};
    return detail::tokenizer_error(errc::invalid_tokenizer, key,
                                   std::to_string(found) + " elements for " + std::to_string(size()) + " tokens");
  };
  typed_ = meta.find("tokenizer.ggml.token_type") != nullptr;
  if (typed_) {
    const auto types = meta.try_get_array<std::int32_t>("tokenizer.ggml.token_type");
    if (!types) return types.failure();
    NIBBLE_TRY(agrees("token_type", types->size()));
    for (std::size_t i = 0; i < types->size(); ++i) {
      if ((*types)[i] < 0 || (*types)[i] > 6)
        return detail::tokenizer_error(errc::invalid_tokenizer, "token_type",
                                       "token " + std::to_string(i) + " has type " + std::to_string((*types)[i]));
      types_[i] = static_cast<token_type>((*types)[i]);
    }
  }
  if (scored && meta.find("tokenizer.ggml.scores")) {
    auto scores = meta.try_get_array<float>("tokenizer.ggml.scores");
    if (!scores) return scores.failure();
    NIBBLE_TRY(agrees("scores", scores->size()));
    for (std::size_t i = 0; i < scores->size(); ++i)
      if ((*scores)[i] != (*scores)[i])
        return detail::tokenizer_error(errc::invalid_tokenizer, "scores", "that of token " + std::to_string(i) + " is NaN");
    scores_ = *std::move(scores);
  }
  return {};
}

result<void> vocab::try_add(const std::vector<std::string_view>& texts, std::string_view mark, const limits& most) {
  std::size_t bytes = 0;
  for (const auto text : texts) bytes += text.size();
  arena_.reserve(bytes);
  begins_.reserve(texts.size() + 1);
  foreign_.assign(texts.size(), false);
  for (std::size_t i = 0; i < texts.size(); ++i) NIBBLE_TRY(try_add(i, texts[i], mark, most));
  begins_.push_back(static_cast<std::uint32_t>(arena_.size()));
  for (std::size_t i = 0; i < size(); ++i)
    longest_token_ = (std::max<std::size_t>)(longest_token_, begins_[i + 1] - begins_[i]);
  return {};
}

result<void> vocab::try_add(std::size_t i, std::string_view text, std::string_view mark, const limits& most) {
  const auto id = static_cast<token>(i);
  const auto bad = [&](errc code, const std::string& what) {
    return detail::tokenizer_error(code, "tokens", "token " + std::to_string(i) + " " + detail::quoted(text) + " " + what);
  };
  if (text.size() > most.token_bytes)
    return bad(errc::limit_exceeded,
               "has " + std::to_string(text.size()) + " bytes; the limit is " + std::to_string(most.token_bytes));
  if (!is_utf8(text)) return bad(errc::invalid_tokenizer, "is not UTF-8");
  begins_.push_back(static_cast<std::uint32_t>(arena_.size()));

  token_type& type = types_[i];
  const bool plain = type == token_type::normal || type == token_type::user_defined;
  if (plain && detail::is_always_control(text)) type = token_type::control;
  // Without token_type the names tell which tokens are bytes.
  if (!typed_ && kind_ == vocab_kind::sentencepiece && type == token_type::normal && detail::byte_of_name(text) >= 0)
    type = token_type::byte;
  if (type == token_type::byte) {
    const int byte = detail::byte_of_name(text);
    if (byte < 0) return bad(errc::invalid_tokenizer, "is a byte token, but not of the form <0x41>");
    token& place = bytes_[static_cast<std::size_t>(byte)];
    if (place >= 0) return bad(errc::invalid_tokenizer, "is the same byte as token " + std::to_string(place));
    place = id;
    arena_ += static_cast<char>(static_cast<unsigned char>(byte));
    return {};
  }
  const bool user_defined = type == token_type::user_defined;
  if (user_defined || type == token_type::control || type == token_type::unknown) {
    if (text.empty()) return {};  // no text is found to be it
    // Gemma has HTML's </s> as a user-defined token. It ends the text of other models, so it too counts only where asked for.
    special_bytes_ += text.size();
    if (special_bytes_ > (std::min<std::uint64_t>)(most.special_bytes, (std::numeric_limits<std::int32_t>::max)()))
      return bad(errc::limit_exceeded, "and the special tokens before it have more text than the limit of " +
                                           std::to_string(most.special_bytes) + " bytes");
    (user_defined && text != "</s>" ? user_defined_ : controls_).add(text, id);
  }
  const bool merges = user_defined || type == token_type::normal || type == token_type::undefined;
  const bool spaced = kind_ != vocab_kind::byte_level && kind_ != vocab_kind::escaped && kind_ != vocab_kind::plain;
  if (merges && !mark.empty() && text.ends_with(mark)) {
    foreign_[i] = true;
    arena_ += text.substr(0, text.size() - mark.size());
  } else if (spaced && merges) {
    foreign_[i] = text.find(' ') != text.npos;  // a space of the text is looked up as U+2581
    detail::append_spaced(text, arena_);
  } else if (kind_ == vocab_kind::escaped && merges) {
    detail::append_unescaped(text, arena_);
  } else if (kind_ != vocab_kind::byte_level || user_defined || !merges) {
    arena_ += text;
  } else if (!detail::append_byte_level(text, arena_)) {
    foreign_[i] = true;
    arena_ += text;
  }
  return {};
}

std::size_t vocab::memory_bytes() const noexcept {
  return detail::heap_bytes(arena_) + detail::heap_bytes(begins_) + detail::heap_bytes(types_) + detail::heap_bytes(scores_) +
         pieces_.memory_bytes() + controls_.memory_bytes() + user_defined_.memory_bytes() + detail::heap_bytes(ends_) +
         detail::heap_bytes(suppressed_) + detail::heap_bytes(strip_behind_);
}

bool vocab::is_mergeable(std::size_t i, bool user_defined) const noexcept {
  if (foreign_[i] || begins_[i] == begins_[i + 1]) return false;
  if (user_defined) return types_[i] == token_type::user_defined;
  return types_[i] == token_type::normal || types_[i] == token_type::undefined;
}

result<void> vocab::try_index() {
  const auto twice = [&](token id) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "tokens",
                                   "token " + std::to_string(id) + " " + detail::quoted(piece(id)) + " stands there twice");
  };
  const auto control_twice = controls_.finish(), user_defined_twice = user_defined_.finish();
  if (control_twice) return twice(*control_twice);
  if (user_defined_twice) return twice(*user_defined_twice);
  pieces_.reset(size());
  for (const bool user_defined : {false, true}) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (!is_mergeable(i, user_defined)) continue;
      const auto id = static_cast<token>(i);
      const std::string_view text = piece(id);
      const auto outcome = pieces_.insert(detail::hash_bytes(text), id, [&](token other) { return piece(other) == text; });
      if (outcome == piece_index::outcome::crowded)
        return detail::tokenizer_error(errc::invalid_tokenizer, "tokens", "made so that their hashes collide");
      if (outcome == piece_index::outcome::duplicate && !user_defined) return twice(id);
      longest_piece_ = (std::max)(longest_piece_, text.size());
    }
  }
  if (kind_ == vocab_kind::byte_level || kind_ == vocab_kind::escaped)
    for (std::size_t b = 0; b < 256; ++b) {
      const char byte = static_cast<char>(static_cast<unsigned char>(b));
      if (const token id = find({&byte, 1}); id >= 0) bytes_[b] = id;
    }
  std::vector<bool>().swap(foreign_);
  return {};
}

result<void> vocab::try_read_special(const metadata& meta, const vocab_rules& rules) {
  NIBBLE_TRY(try_read_id(meta, "bos_token_id", rules.begins.empty() ? rules.bos : -1, special_.bos));
  NIBBLE_TRY(try_read_id(meta, "eos_token_id", rules.ends.empty() ? rules.eos : -1, special_.eos));
  if (!rules.begins.empty() && !special_.bos) NIBBLE_TRY(try_read_id(meta, rules.begins, rules.bos, special_.bos));
  if (!rules.ends.empty() && (!special_.eos || detail::names_token(meta, rules.ends)))
    NIBBLE_TRY(try_read_id(meta, rules.ends, rules.eos, special_.eos));
  for (const auto& [name, place] :
       {std::pair{"eot_token_id", &special_ids::eot}, std::pair{"eom_token_id", &special_ids::eom}}) {
    NIBBLE_TRY(try_read_id(meta, name, -1, special_.*place));
  }
  // Nothing depends on what pads a batch, so an id of no token is none.
  const auto padding = meta.get<std::int64_t>("tokenizer.ggml.padding_token_id");
  if (padding && *padding >= 0 && *padding < static_cast<std::int64_t>(size())) special_.padding = static_cast<token>(*padding);
  if (typed_) return {};
  for (const auto id : {special_.bos, special_.eos})  // without token_type: these at least are no text
    if (id) types_[static_cast<std::size_t>(*id)] = token_type::control;
  return {};
}

result<void> vocab::try_read_id(const metadata& meta, std::string_view name, int fallback, std::optional<token>& out) const {
  const std::string key = "tokenizer.ggml." + std::string(name);
  const bool given = detail::names_token(meta, name);
  if (!given && fallback < 0) return {};
  const auto id = given ? meta.try_get<std::int64_t>(key) : result<std::int64_t>(fallback);
  if (!id) return id.failure();
  if (*id < 0 || *id >= static_cast<std::int64_t>(size()))
    return detail::tokenizer_error(errc::invalid_tokenizer, name,
                                   (given ? "" : "missing, and its default ") + std::to_string(*id) + " is not one of the " +
                                       std::to_string(size()) + " tokens");
  out = static_cast<token>(*id);
  return {};
}

result<void> vocab::try_find_unknown(const metadata& meta) {
  constexpr std::string_view name = "unknown_token_id";
  if (const auto read = try_read_id(meta, name, -1, special_.unknown); !read && !says_all()) return read.failure();
  const auto unknown = std::find(types_.begin(), types_.end(), token_type::unknown);
  if (!special_.unknown && unknown != types_.end()) special_.unknown = static_cast<token>(unknown - types_.begin());
  return {};
}

/// Nothing depends on them but prompts that ask for them, so an id of no token is none.
void vocab::find_infill(const metadata& meta) {
  for (const detail::infill_token& t : detail::infill_token_table) {
    std::optional<token>& out = special_.infill.*t.place;
    for (const std::string_view key : {t.key, t.older_key}) {
      const auto id = key.empty() || out ? std::nullopt : meta.get<std::int64_t>("tokenizer.ggml." + std::string(key));
      if (id && *id >= 0 && *id < static_cast<std::int64_t>(size())) out = static_cast<token>(*id);
    }
    for (const std::string_view name : t.names) {
      if (out || name.empty()) break;
      out = controls_.find(name);
      if (!out) out = user_defined_.find(name);
    }
  }
}

result<void> vocab::try_read_suppressed(const metadata& meta) {
  constexpr std::string_view name = "suppress_tokens", key = "tokenizer.ggml.suppress_tokens";
  const value* listed = meta.find(key);
  if (!listed) return {};
  if (!listed->is_array())
    return detail::tokenizer_error(errc::invalid_tokenizer, name, "expected an array, found " + listed->type_name());
  if (listed->size() > size())
    return detail::tokenizer_error(errc::invalid_tokenizer, name,
                                   std::to_string(listed->size()) + " ids of " + std::to_string(size()) + " tokens");
  const auto ids = meta.try_get_array<std::int64_t>(key);
  if (!ids) return ids.failure();
  for (const std::int64_t id : *ids) {
    if (id < 0 || id >= static_cast<std::int64_t>(size()))
      return detail::tokenizer_error(errc::invalid_tokenizer, name,
                                     std::to_string(id) + " is not one of the " + std::to_string(size()) + " tokens");
    suppressed_.push_back(static_cast<token>(id));
  }
  std::sort(suppressed_.begin(), suppressed_.end());
  suppressed_.erase(std::unique(suppressed_.begin(), suppressed_.end()), suppressed_.end());
  suppressed_.shrink_to_fit();
  return {};
}

void vocab::find_ends() {
  for (const auto id : {special_.eos, special_.eot, special_.eom})
    if (id) ends_.push_back(*id);
  const auto control = [&](std::string_view name) {
    const auto id = controls_.find(name);
    return id && type(*id) == token_type::control ? id : std::nullopt;
  };
  for (const detail::end_name& end : detail::end_names) {
    const auto id = control(end.name);
    const auto is_excepted = [&](const detail::end_exception& e) {
      return e.name == end.name && control(e.beside) && (e.also.empty() || control(e.also));
    };
    if (!id || std::any_of(detail::end_exceptions.begin(), detail::end_exceptions.end(), is_excepted)) continue;
    ends_.push_back(*id);
    if (end.turn && !special_.eot) special_.eot = id;
  }
  std::sort(ends_.begin(), ends_.end());
  ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
  ends_.shrink_to_fit();
}

void vocab::find_strips(const metadata& meta) {
  for (const detail::strip_rule& rule : detail::strip_rules) {
    std::string said(meta.get<std::string_view>(rule.key).value_or(""));
    std::transform(said.begin(), said.end(), said.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (said.find(rule.part) == said.npos) continue;
    if (!rule.before.empty()) {
      const auto id = controls_.find(rule.before);
      strips_before_ = id ? *id : user_defined_.find(rule.before).value_or(no_token);
      return;
    }
    for (std::size_t i = 0; i < size(); ++i) {
      const auto id = static_cast<token>(i);
      const bool special =
          types_[i] == token_type::control || types_[i] == token_type::user_defined || types_[i] == token_type::unknown;
      const auto& kept = detail::strips_nothing;
      if (special && std::find(kept.begin(), kept.end(), piece(id)) == kept.end()) strip_behind_.push_back(id);
    }
    strip_behind_.shrink_to_fit();
    return;
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
