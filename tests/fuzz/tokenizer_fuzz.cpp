/// Fuzz target: a tokenizer from any GGUF bytes, and any text through small fixed ones. What is encoded comes back.
///
/// Input that begins with "GGUF" is a file whose tokenizer is loaded and tried; anything else is text, whose first byte says
/// how.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/gguf/reader.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/normalize.hpp"
#include "nibble/text/pre_tokenizer.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/utf8.hpp"

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

void check_ids(const nibble::tokenizer& t, const std::vector<nibble::token>& ids) {
  for (const nibble::token id : ids) require(id >= 0 && static_cast<std::size_t>(id) < t.size());
}

/// Encodes and decodes in every way; nothing may go wrong with a tokenizer that was accepted.
void exercise(const nibble::tokenizer& t, std::string_view text) {
  const auto plain = t.encode(text);
  check_ids(t, plain);
  const auto special = t.encode(text, {.special = true, .bos = true, .eos = true});
  check_ids(t, special);
  require(nibble::is_utf8(nibble::to_valid_utf8(t.decode(special))));
  const std::vector<nibble::prompt_part> parts = {{std::string(text.substr(0, text.size() / 2)), true},
                                                  {std::string(text.substr(text.size() / 2)), false}};
  check_ids(t, t.encode(parts));
}

/// A template from any text, and conversations written by what it is taken for.
void try_template(const nibble::tokenizer& t, std::string_view source) {
  const auto chat = nibble::chat_template::try_parse(source, {.template_steps = 20'000, .template_output_bytes = 1 << 20});
  if (!chat) return require(std::string_view(chat.failure().what()).size() < 1000);
  const std::string text(source.substr(0, 100));
  const std::vector<nibble::chat_message> talks[] = {
      {{"user", text}}, {{"system", text}, {"user", text}, {"assistant", text}}, {{text, text}, {"tool", ""}}};
  for (const auto& talk : talks)
    for (const bool reply : {false, true})
      if (const auto parts = chat->try_render(talk, {.add_generation_prompt = reply})) check_ids(t, t.encode(*parts));
}

/// Bytes as ids, few of which are tokens; where the library reports those that are none, they are left out.
void try_ids(const nibble::tokenizer& t, std::string_view bytes) {
  std::vector<nibble::token> ids(bytes.size() / sizeof(nibble::token));
  if (!ids.empty()) std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(nibble::token));
  if (NIBBLE_CHECKED)
    std::erase_if(ids, [&](nibble::token id) { return id != nibble::no_token && !t.vocabulary().contains(id); });
  std::string known;
  for (const nibble::token id : ids) {
    require(t.vocabulary().contains(id) || (t.piece(id).empty() && !t.is_control(id) && !t.is_end(id)));
    static_cast<void>(t.vocabulary().score(id));
    t.append_piece(id, known);
  }
  const std::string text = t.decode(ids);
  require(text == known || ' ' + text == known);
}

void try_file(std::span<const std::byte> bytes) {
  const auto file = nibble::gguf_file::try_parse(bytes);
  if (!file) return;
  const auto made = nibble::tokenizer::try_load(file->meta());
  if (!made) return require(!std::string_view(made.failure().what()).empty());
  try_template(*made, file->meta().get<std::string_view>("tokenizer.chat_template").value_or(""));
  try_ids(*made, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (std::size_t i = 0; i < made->size() && i < 2000; ++i) {
    const auto id = static_cast<nibble::token>(i);
    static_cast<void>(made->is_end(id));
    static_cast<void>(made->is_control(id));
    static_cast<void>(made->find_special(made->piece(id)));
  }
  for (const std::string_view text : {"", " ", "The end.\n\n <|im_end|></s> 123", "\xff\xe2\x96\x81\x80 \u4e00aaaaaaaa"})
    exercise(*made, text);
  exercise(*made, {reinterpret_cast<const char*>(bytes.data()), bytes.size() < 4096 ? bytes.size() : 4096});
}

nibble::tokenizer loaded(const nibble::metadata& meta) {
  auto made = nibble::tokenizer::try_load(meta);
  require(static_cast<bool>(made));
  return *std::move(made);
}

struct split_tokenizer {
  const nibble::pre_tokenizer* split;
  nibble::tokenizer tokenizer;
};

/// All bytes, some merges that lean on each other, a control and a user-defined token.
std::vector<split_tokenizer> byte_level() {
  std::vector<std::string> texts, merges;
  std::vector<int> types;
  for (char32_t code = 0, moved = 256; code < 256; ++code) {
    texts.emplace_back();
    nibble::append_utf8((code >= 33 && code <= 126) || (code >= 161 && code != 173) ? code : moved++, texts.back());
  }
  for (const auto& [left, right] : std::initializer_list<std::array<std::string, 2>>{{"a", "a"},
                                                                                     {"aa", "a"},
                                                                                     {"b", "c"},
                                                                                     {"aa", "aa"},
                                                                                     {"a", "b"},
                                                                                     {"ab", "c"},
                                                                                     {"\u0120", "a"},
                                                                                     {"\u0120", "\u0120"},
                                                                                     {"1", "2"},
                                                                                     {"'", "s"},
                                                                                     {"\u010A", "\u010A"},
                                                                                     {"\u00e4", "\u00b8"},
                                                                                     {"\u00e4\u00b8", "\u0122"}}) {
    merges.push_back(left + " " + right);
    texts.push_back(left + right);
  }
  types.assign(texts.size(), 1);
  texts.insert(texts.end(), {"<|im_end|>", "<think>"});
  types.insert(types.end(), {3, 4});
  std::vector<split_tokenizer> all;
  for (const auto& split : nibble::pre_tokenizers) {
    if (split.has(nibble::pre_tokenizer_flags::characters)) continue;
    nibble::metadata meta;
    meta.set("tokenizer.ggml.model", nibble::value("gpt2"));
    meta.set("tokenizer.ggml.pre", nibble::value(split.name));
    meta.set("tokenizer.ggml.add_bos_token", nibble::value(false));
    meta.set("tokenizer.ggml.tokens", nibble::value(texts));
    meta.set("tokenizer.ggml.token_type", nibble::value(types));
    meta.set("tokenizer.ggml.merges", nibble::value(merges));
    all.push_back({&split, loaded(meta)});
  }
  return all;
}

nibble::tokenizer sentencepiece() {
  std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
  std::vector<int> types = {2, 3, 3};
  std::vector<float> scores(259, 0.0f);
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (std::size_t b = 0; b < 256; ++b) {
    texts.push_back(std::string("<0x") + digits[b / 16] + digits[b % 16] + ">");
    types.push_back(6);
  }
  for (const char* piece :
       {"\u2581", "a", "b", "aa", "\u2581a", "ab", "aaa", "aab", "\u2581\u2581", "\n", "\u4e00", "\u4e00a"}) {
    texts.emplace_back(piece);
    types.push_back(1);
    scores.push_back(-static_cast<float>(texts.size() % 5));
  }
  texts.emplace_back("\n\n");
  types.push_back(4);
  scores.push_back(0);
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", nibble::value("llama"));
  meta.set("tokenizer.ggml.tokens", nibble::value(texts));
  meta.set("tokenizer.ggml.token_type", nibble::value(types));
  meta.set("tokenizer.ggml.scores", nibble::value(scores));
  meta.set("tokenizer.ggml.add_space_prefix", nibble::value(false));
  return loaded(meta);
}

/// A vocabulary of a tokenizer model, whose pieces are whole characters with U+2581 for a space.
nibble::tokenizer small(std::string_view model) {
  const std::vector<std::string> texts = {"<unk>", "</s>",         "\u2581", "a",    "b",      "\u2581a",      "aa", "ab",
                                          "abc",   "\u2581\u2581", "\n",     "\n\n", "\u4e00", "\u4e00\u4e00", "1",  "12",
                                          "2"};
  std::vector<int> types(texts.size(), 1);
  std::vector<float> scores;
  types[0] = 2, types[1] = 3;
  for (std::size_t i = 0; i < texts.size(); ++i) scores.push_back(-static_cast<float>(i * 7 % 5));
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", nibble::value(model));
  meta.set("tokenizer.ggml.pre", nibble::value("whitespace"));
  meta.set("tokenizer.ggml.tokens", nibble::value(texts));
  meta.set("tokenizer.ggml.token_type", nibble::value(types));
  meta.set("tokenizer.ggml.scores", nibble::value(scores));
  meta.set("tokenizer.ggml.merges",
           nibble::value(std::vector<std::string>{"a a", "\u2581 \u2581", "\u2581 a", "a b", "\u4e00 \u4e00", "1 2"}));
  meta.set("tokenizer.ggml.bos_token_id", nibble::value(1));
  meta.set("tokenizer.ggml.add_space_prefix", nibble::value(true));
  return loaded(meta);
}

void try_text(std::uint8_t how, std::string_view text) {
  static const auto bpe = byte_level();
  static const nibble::tokenizer others[] = {small("gemma4"), small("t5"), small("rwkv"), small("whitespace"),
                                             small("hybriddna")};
  for (const auto& other : others) exercise(other, text);
  static const auto spm = sentencepiece();
  const auto& [split, t] = bpe[how % bpe.size()];
  exercise(t, text);
  std::string room;
  const std::string_view composed = split->has(nibble::pre_tokenizer_flags::composes) ? nibble::to_nfc(text, room) : text;
  require(t.decode(t.encode(text)) == composed);
  try_template(t, text);
  try_ids(t, text);

  exercise(spm, text);
  std::string spaced;  // both spellings of a space are one
  nibble::detail::append_spaced(text, spaced);
  require(spm.decode(spm.encode(spaced)) == spaced);

  nibble::utf8_stream stream;
  std::string whole;
  for (const nibble::token id : t.encode(text)) stream.feed(t.piece(id), whole);
  stream.finish(whole);
  require(nibble::is_utf8(whole) && whole == nibble::to_valid_utf8(composed));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("GGUF"))
    try_file(std::as_bytes(std::span(data, size)));
  else if (size > 0)
    try_text(data[0], text.substr(1));
  return 0;
}
