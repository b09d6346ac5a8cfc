// Hostile and careless vocabularies: each is an error that names its key, each guard has a row here.
#include "nibble/text/vocab.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/tokenizer.hpp"
#include "vocabularies.hpp"

using nibble::errc;
using nibble::token;
using nibble::value;
using nibble_test::golden_vocabulary;
using nibble_test::vocabulary_file;

namespace {

constexpr std::string_view tokens_key = "tokenizer.ggml.tokens", scores_key = "tokenizer.ggml.scores",
                           types_key = "tokenizer.ggml.token_type", merges_key = "tokenizer.ggml.merges";

/// A change of one key of a vocabulary.
using change = std::function<void(vocabulary_file&)>;

template <class T>
change set(std::string_view key, T scalar) {
  return [=](vocabulary_file& f) { f.meta.set("tokenizer.ggml." + std::string(key), value(scalar)); };
}
change erase(std::string_view key) {
  return [=](vocabulary_file& f) { f.meta.erase("tokenizer.ggml." + std::string(key)); };
}
change text(std::size_t i, std::string piece, int type = -1) {
  return [=](vocabulary_file& f) {
    auto all = f.strings(tokens_key);
    all.at(i) = piece;
    f.meta.set(tokens_key, value(all));
    if (type < 0) return;
    auto types = f.numbers<std::int32_t>(types_key);
    types.at(i) = type;
    f.meta.set(types_key, value(types));
  };
}
change merge(std::size_t i, std::string line) {
  return [=](vocabulary_file& f) {
    auto all = f.strings(merges_key);
    all.at(i) = line;
    f.meta.set(merges_key, value(all));
  };
}
change both(change a, change b) {
  return [=](vocabulary_file& f) {
    a(f);
    b(f);
  };
}

struct row {
  std::string_view name, vocabulary;
  change edit;
  errc code;
  std::string_view says;  // a part of the sentence: the key, and what is wrong with it
};

void check(const row& r, const nibble::limits& most = {}) {
  CAPTURE(r.name);
  auto file = golden_vocabulary(std::string(r.vocabulary));
  REQUIRE(nibble::tokenizer::try_load(file.meta));
  r.edit(file);
  const auto made = nibble::tokenizer::try_load(file.meta, {.limits = most});
  REQUIRE_FALSE(made);
  const std::string what = made.failure().what();
  CAPTURE(what);
  CHECK(made.failure().code() == r.code);
  CHECK(what.find(r.says) != what.npos);
  CHECK(what.size() < 600);
  CHECK(std::all_of(what.begin(), what.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
}

std::vector<std::string> empty_texts;

}  // namespace

TEST_CASE("a vocabulary that contradicts itself is an error that names the key and the token") {
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  const row rows[] = {
      {"no tokenizer", "stories260K", erase("model"), errc::missing_key, "tokenizer.ggml.model"},
      {"an unknown tokenizer", "stories260K", set("model", "plamo3"), errc::unknown_tokenizer,
       "tokenizer.ggml.model': 'plamo3'"},
      {"a tokenizer that is no name", "stories260K", set("model", 7), errc::bad_value, "tokenizer.ggml.model"},
      {"no tokens", "stories260K", erase("tokens"), errc::missing_key, "tokenizer.ggml.tokens"},
      {"tokens that are no array", "stories260K", set("tokens", "a"), errc::bad_value, "tokenizer.ggml.tokens"},
      {"tokens that are numbers", "stories260K", set("tokens", std::vector<float>(512)), errc::bad_value,
       "tokenizer.ggml.tokens"},
      {"an empty vocabulary", "stories260K", set("tokens", empty_texts), errc::invalid_tokenizer,
       "tokens': the vocabulary is empty"},
      {"an empty byte-level vocabulary", "bytes", set("tokens", empty_texts), errc::invalid_tokenizer, "is empty"},
      {"a token twice", "stories260K", text(300, "\u2581the"), errc::invalid_tokenizer, "tokens': token"},
      {"a byte-level token twice", "bytes", text(700, "\u0120the"), errc::invalid_tokenizer, "stands there twice"},
      {"a control token twice", "bytes", text(856, "<|im_end|>"), errc::invalid_tokenizer, "'<|im_end|>' stands there twice"},
      {"a user-defined token twice", "stories260K", both(text(400, "xyz", 4), text(401, "xyz", 4)), errc::invalid_tokenizer,
       "'xyz' stands there twice"},
      {"a token of 1 MB", "stories260K", text(400, std::string(1 << 20, 'x')), errc::limit_exceeded,
       "has 1048576 bytes; the limit is 65536"},
      {"a token that is not UTF-8", "stories260K", text(400, "a\xC0\xAF"), errc::invalid_tokenizer,
       "token 400 'a\\xc0\\xaf' is not UTF-8"},
      {"a byte-level token that is not UTF-8", "bytes", text(400, "\xFF"), errc::invalid_tokenizer, "is not UTF-8"},
      {"a negative byte", "stories260K", text(10, "<0x-1>"), errc::invalid_tokenizer, "'<0x-1>' is a byte token"},
      {"a byte that is no number", "stories260K", text(10, "<0xZZ>"), errc::invalid_tokenizer, "'<0xZZ>' is a byte token"},
      {"a byte without its sign", "stories260K", text(10, "<0x410"), errc::invalid_tokenizer, "is a byte token"},
      {"a byte of three digits", "stories260K", text(10, "<0x041>"), errc::invalid_tokenizer, "is a byte token"},
      {"an empty byte token", "stories260K", text(10, ""), errc::invalid_tokenizer, "is a byte token"},
      {"a byte twice", "stories260K", text(10, "<0x41>"), errc::invalid_tokenizer, "is the same byte as token"},
      {"too few scores", "stories260K", set("scores", std::vector<float>(511)), errc::invalid_tokenizer,
       "scores': 511 elements for 512 tokens"},
      {"too many scores", "stories260K", set("scores", std::vector<float>(513)), errc::invalid_tokenizer,
       "scores': 513 elements"},
      {"scores that are texts", "stories260K", set("scores", empty_texts), errc::invalid_tokenizer, "tokenizer.ggml.scores"},
      {"scores that are integers", "stories260K", set("scores", std::vector<int>(512)), errc::bad_value,
       "tokenizer.ggml.scores"},
      {"scores that are NaN", "stories260K", set("scores", std::vector<float>(512, nan)), errc::invalid_tokenizer,
       "scores': that of token 0 is NaN"},
      {"too few types", "bytes", set("token_type", std::vector<int>(3, 1)), errc::invalid_tokenizer,
       "token_type': 3 elements for 860 tokens"},
      {"types that are floats", "bytes", set("token_type", std::vector<float>(860, 1)), errc::bad_value,
       "tokenizer.ggml.token_type"},
      {"a type of 7", "bytes", set("token_type", std::vector<int>(860, 7)), errc::invalid_tokenizer, "token 0 has type 7"},
      {"a type of -1", "bytes", set("token_type", std::vector<int>(860, -1)), errc::invalid_tokenizer, "token 0 has type -1"},
      {"suppressed tokens that are none", "stories260K", set("suppress_tokens", std::vector<int>{3, 512}),
       errc::invalid_tokenizer, "suppress_tokens': 512 is not one of the 512 tokens"},
      {"a negative suppressed token", "stories260K", set("suppress_tokens", std::vector<int>{-1}), errc::invalid_tokenizer,
       "suppress_tokens': -1 is not one of the 512 tokens"},
      {"more suppressed tokens than tokens", "stories260K", set("suppress_tokens", std::vector<int>(513)),
       errc::invalid_tokenizer, "suppress_tokens': 513 ids of 512 tokens"},
      {"suppressed tokens that are texts", "stories260K", set("suppress_tokens", std::vector<std::string>{"a"}),
       errc::bad_value, "tokenizer.ggml.suppress_tokens"},
      {"a suppressed token that is no array", "stories260K", set("suppress_tokens", 3), errc::invalid_tokenizer,
       "suppress_tokens': expected an array"},
      {"bos out of range", "stories260K", set("bos_token_id", 512u), errc::invalid_tokenizer,
       "bos_token_id': 512 is not one of the 512 tokens"},
      {"eos of 2^32-2", "bytes", set("eos_token_id", 0xFFFFFFFEu), errc::invalid_tokenizer, "tokenizer.ggml.eos_token_id"},
      {"eos of 2^64-1", "bytes", set("eos_token_id", std::uint64_t(-1)), errc::bad_value, "tokenizer.ggml.eos_token_id"},
      {"eos negative", "bytes", set("eos_token_id", -2), errc::invalid_tokenizer, "tokenizer.ggml.eos_token_id"},
      {"eos that is a text", "bytes", set("eos_token_id", "2"), errc::bad_value, "tokenizer.ggml.eos_token_id"},
      {"eot out of range", "bytes", set("eot_token_id", 860), errc::invalid_tokenizer, "tokenizer.ggml.eot_token_id"},
      {"eom out of range", "bytes", set("eom_token_id", -2), errc::invalid_tokenizer, "tokenizer.ggml.eom_token_id"},
      {"eot that is a text", "bytes", set("eot_token_id", "2"), errc::bad_value, "tokenizer.ggml.eot_token_id"},
      {"unknown out of range, and a byte missing", "stories260K", both(set("unknown_token_id", 512), text(10, "<0x07>", 5)),
       errc::invalid_tokenizer, "unknown_token_id': 512 is not one of the 512 tokens"},
      {"add_bos_token of another type", "stories260K", set("add_bos_token", 1), errc::bad_value,
       "tokenizer.ggml.add_bos_token"},
      {"add_eos_token of another type", "stories260K", set("add_eos_token", "no"), errc::bad_value,
       "tokenizer.ggml.add_eos_token"},
      {"add_space_prefix of another type", "stories260K", set("add_space_prefix", 1.0f), errc::bad_value,
       "tokenizer.ggml.add_space_prefix"},
      {"bos wanted, but none there", "bytes", both(set("add_bos_token", true), erase("bos_token_id")), errc::invalid_tokenizer,
       "add_bos_token': true, but there is no tokenizer.ggml.bos_token_id"},
      {"eos wanted, but none there", "bytes", both(set("add_eos_token", true), erase("eos_token_id")), errc::invalid_tokenizer,
       "tokenizer.ggml.add_eos_token"},
      {"no pre-tokenizer", "bytes", erase("pre"), errc::missing_key,
       "tokenizer.ggml.pre': missing; if the model's own tokenizer cuts words as one that is known, name that one as "
       "tokenizer_options::pre_tokenizer, or load_options::pre_tokenizer"},
      {"a pre-tokenizer that is no name", "bytes", set("pre", 7), errc::bad_value, "tokenizer.ggml.pre"},
      {"an unknown pre-tokenizer", "bytes", set("pre", "gpt-5"), errc::unknown_tokenizer,
       "tokenizer.ggml.pre': 'gpt-5' is not known"},
      {"a pre-tokenizer of a megabyte", "bytes", set("pre", std::string(1 << 20, '\x1b')), errc::unknown_tokenizer,
       "tokenizer.ggml.pre': '\\x1b"},
      {"a tokenizer of a megabyte", "bytes", set("model", std::string(1 << 20, '\n')), errc::unknown_tokenizer,
       "tokenizer.ggml.model': '\\x0a"},
      {"an empty pre-tokenizer", "bytes", set("pre", ""), errc::unknown_tokenizer, "tokenizer.ggml.pre"},
      {"no merges", "bytes", erase("merges"), errc::missing_key, "tokenizer.ggml.merges"},
      {"merges that are numbers", "bytes", set("merges", std::vector<int>(600)), errc::bad_value, "tokenizer.ggml.merges"},
      {"an empty merge", "bytes", merge(3, ""), errc::invalid_tokenizer, "merges': merge 3 ''"},
      {"a merge of one piece", "bytes", merge(3, "ab"), errc::invalid_tokenizer, "is not two pieces"},
      {"a merge of three pieces", "bytes", merge(3, "a b c"), errc::invalid_tokenizer, "is not two pieces"},
      {"a merge with nothing on the left", "bytes", merge(3, " a"), errc::invalid_tokenizer, "left part that is no token"},
      {"a merge with nothing on the right", "bytes", merge(3, "a "), errc::invalid_tokenizer, "right part that is no token"},
      {"a merge of itself", "bytes", merge(3, "\u0120the \u0120the"), errc::invalid_tokenizer, "gives what is no token"},
      {"an over-long merge", "bytes", merge(3, std::string(1 << 20, 'a') + " b"), errc::invalid_tokenizer,
       "left part that is no token"},
      {"a merge that is not UTF-8", "bytes", merge(3, "\xE2\x82 a"), errc::invalid_tokenizer, "is not UTF-8"},
      {"a merge of what is no byte", "bytes", merge(3, "\u4e00 a"), errc::invalid_tokenizer, "has a character that is no byte"},
      {"a merge on the right of what is no byte", "bytes", merge(3, "a \u4e00"), errc::invalid_tokenizer,
       "has a character that is no byte"},
      {"a merge twice", "bytes", [](vocabulary_file& f) { merge(3, f.strings(merges_key).at(9))(f); }, errc::invalid_tokenizer,
       "stands there twice"},
  };
  for (const row& r : rows) check(r);
}

TEST_CASE("defaults of special ids are held to the vocabulary like given ones") {
  const auto two = [](vocabulary_file& f) {
    f.meta.set(tokens_key, value(std::vector<std::string>{"<unk>", "a"}));
    f.meta.set(scores_key, value(std::vector<float>{0, 0}));
    f.meta.set(types_key, value(std::vector<int>{2, 1}));
    f.meta.erase("tokenizer.ggml.bos_token_id");
    f.meta.erase("tokenizer.ggml.eos_token_id");
  };
  check({"eos", "stories260K", two, errc::invalid_tokenizer,
         "eos_token_id': missing, and its default 2 is not one of the 2 tokens"});
  const auto one = [&](vocabulary_file& f) {
    two(f);
    f.meta.set(tokens_key, value(std::vector<std::string>{"<unk>"}));
    f.meta.set(scores_key, value(std::vector<float>{0}));
    f.meta.set(types_key, value(std::vector<int>{2}));
  };
  check({"bos", "stories260K", one, errc::invalid_tokenizer, "bos_token_id': missing, and its default 1"});
}

TEST_CASE("a text has to be sayable: all bytes, or an unknown token") {
  const auto no_unknown = both(erase("unknown_token_id"), text(0, "<unk>", 3));
  auto file = golden_vocabulary("stories260K");
  no_unknown(file);
  CHECK(nibble::tokenizer::try_load(file.meta));
  check({"a byte missing", "stories260K", both(no_unknown, text(10, "<0x07>", 5)), errc::invalid_tokenizer,
         "tokens': neither 256 byte tokens nor an unknown token"});
}

TEST_CASE("the caller's limits hold, and can be raised") {
  constexpr std::size_t names = 17, name_bytes = 65'536;  // half of them control, half user-defined
  const auto many = [](vocabulary_file& f) {
    std::vector<std::string> all = f.strings(tokens_key);
    std::vector<std::int32_t> types = f.numbers<std::int32_t>(types_key);
    for (std::size_t i = 0; i < names; ++i) {
      all.push_back(std::to_string(1000 + i) + std::string(name_bytes - 4, 'x'));
      types.push_back(i % 2 == 0 ? 3 : 4);
    }
    f.meta.set(tokens_key, value(all));
    f.meta.set(types_key, value(types));
  };
  check({"special text", "bytes", many, errc::limit_exceeded, "have more text than the limit of 1048576 bytes"});
  auto bytes = golden_vocabulary("bytes");
  std::size_t own = 0;
  const auto texts = bytes.strings(tokens_key);
  const auto types = bytes.numbers<std::int32_t>(types_key);
  for (std::size_t i = 0; i < texts.size(); ++i) own += types[i] == 3 || types[i] == 4 ? texts[i].size() : 0;
  many(bytes);
  CHECK(nibble::tokenizer::try_load(bytes.meta, {.limits = {.special_bytes = own + names * name_bytes}}));
  CHECK_FALSE(nibble::tokenizer::try_load(bytes.meta, {.limits = {.special_bytes = own + names * name_bytes - 1}}));
  check({"vocabulary", "bytes", set("pre", "gpt-2"), errc::limit_exceeded, "tokens': 860 tokens; the limit is 859"},
        {.vocabulary = 859});
  check({"token", "stories260K", set("pre", "default"), errc::limit_exceeded, "; the limit is 5"}, {.token_bytes = 5});
  check({"all text", "stories260K", set("pre", "default"), errc::limit_exceeded, "bytes of text; the limit is 10"},
        {.header_bytes = 10});
  auto file = golden_vocabulary("stories260K");
  text(400, std::string(1 << 20, 'x'))(file);
  CHECK(nibble::tokenizer::try_load(file.meta, {.limits = {.token_bytes = 1 << 20}}));
}

TEST_CASE("a vocabulary or merges made so that their hashes collide are refused, not searched for ever") {
  const auto crowd = [](vocabulary_file& f) {  // 300 of 512 tokens that begin their search in the same slot of 1,024
    auto all = f.strings(tokens_key);
    std::size_t made = 0;
    for (std::uint32_t n = 0; made < 200; ++n) {
      const std::string candidate = "q" + std::to_string(n);
      if ((nibble::detail::hash_bytes(candidate) & 1023) == 5) all.at(300 + made++) = candidate;
    }
    f.meta.set(tokens_key, value(all));
  };
  check({"tokens", "stories260K", crowd, errc::invalid_tokenizer, "tokens': made so that their hashes collide"});

  const auto equal = [](vocabulary_file& f) {  // Thue and Morse: all sums of these are equal modulo 2^64
    std::string odd = "a", even = "b";
    while (odd.size() < 2048) {
      const std::string next = odd + even;
      even += odd;
      odd = next;
    }
    REQUIRE(nibble::detail::hash_bytes(odd) == nibble::detail::hash_bytes(even));
    auto all = f.strings(tokens_key);
    for (std::size_t i = 0; i < 8; ++i) all.at(300 + i) = (i & 1 ? odd : even) + (i & 2 ? odd : even) + (i & 4 ? odd : even);
    f.meta.set(tokens_key, value(all));
  };
  check({"equal sums", "stories260K", equal, errc::invalid_tokenizer, "tokens': made so that their hashes collide"});

  const auto crowd_merges = [](vocabulary_file& f) {
    std::vector<std::string> texts = f.strings(tokens_key), merges;
    texts.resize(256);  // the bytes
    for (token left = 0; left < 256 && merges.size() < 150; ++left)
      for (token right = 0; right < 256 && merges.size() < 150; ++right) {
        if ((nibble::detail::hash_pair(left, right) & 255) != 9) continue;
        const std::string a = texts[static_cast<std::size_t>(left)], b = texts[static_cast<std::size_t>(right)];
        texts.push_back(a + b);
        merges.push_back(a + " " + b);
      }
    REQUIRE(merges.size() == 150);
    f.meta.set(types_key, value(std::vector<int>(texts.size(), 1)));
    f.meta.set(tokens_key, value(texts));
    f.meta.set(merges_key, value(merges));
    for (const auto name : {"bos_token_id", "eos_token_id"}) erase(name)(f);
  };
  check({"merges", "bytes", crowd_merges, errc::invalid_tokenizer, "hashes collide"});
}

TEST_CASE("careless vocabularies that others read are read here too") {
  auto file = golden_vocabulary("stories260K");
  text(400, "")(file);  // a normal token without text
  text(401, "<|pad|>", 5)(file);
  file.meta.set(scores_key, value(std::vector<float>(512, -std::numeric_limits<float>::infinity())));
  file.meta.set("tokenizer.ggml.precompiled_charsmap", value("\x01\x02"));
  const auto t = nibble::tokenizer::try_load(file.meta);
  REQUIRE(t);
  CHECK(t->piece(400).empty());
  CHECK(t->decode(t->encode("the end <|pad|>")) == "the end <|pad|>");

  auto bytes = golden_vocabulary("bytes");
  text(700, "\u4e00")(bytes);  // no characters of the byte alphabet: nothing encodes to it, but it has a text
  bytes.meta.set(merges_key, value(std::vector<std::string>{"a b"}));
  const auto b = nibble::tokenizer::try_load(bytes.meta);
  if (!b) FAIL(std::string(b.failure().what()));
  CHECK(b->piece(700) == "\u4e00");
  CHECK(b->encode("\u4e00").size() == 3);
  CHECK(b->encode("ab").size() == 1);
  bytes.meta.erase(types_key);
  CHECK(nibble::tokenizer::try_load(bytes.meta));
}

TEST_CASE("keys that decide nothing are read as unset where they name no token") {
  for (const auto name : {"stories260K", "bytes"})
    for (const auto& nonsense : {value(0xFFFFFFFFu), value(-1), value(1 << 30), value(std::uint64_t(-1)), value("none"),
                                 value(0.5f), value(std::vector<int>{1})}) {
      auto file = golden_vocabulary(name);
      for (const auto key : {"padding", "unknown", "seperator", "separator", "mask", "cls", "prefix", "suffix", "middle",
                             "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep", "newline"})
        file.meta.set("tokenizer.ggml." + std::string(key) + "_token_id", nonsense);
      for (const auto key : {"precompiled_charsmap", "token_type_count", "remove_extra_whitespaces", "add_sep_token"})
        file.meta.set("tokenizer.ggml." + std::string(key), nonsense);
      file.meta.set("tokenizer.huggingface.json", nonsense);
      file.meta.set(file.meta.find(merges_key) ? scores_key : merges_key, nonsense);
      const auto t = nibble::tokenizer::try_load(file.meta);
      if (!t) FAIL(std::string(t.failure().what()));
      CHECK_FALSE(t->vocabulary().special().padding);
      CHECK(t->decode(t->encode("the end\n")) == "the end\n");
    }
  auto file = golden_vocabulary("stories260K");
  file.meta.set("tokenizer.ggml.padding_token_id", value(3));
  CHECK(nibble::tokenizer::try_load(file.meta)->vocabulary().special().padding == 3);
}

TEST_CASE("an end of a turn that is written as none is none") {
  for (const auto name : {"eot_token_id", "eom_token_id"})
    for (const auto& none : {value(0xFFFFFFFFu), value(-1)}) {
      auto file = golden_vocabulary("stories260K");
      file.meta.set("tokenizer.ggml." + std::string(name), none);
      const auto t = nibble::tokenizer::try_load(file.meta);
      REQUIRE(t);
      CHECK_FALSE(t->eot());
      CHECK(t->is_end(2));
    }
}

TEST_CASE("a beginning and an end that are written as none are those of files without the key") {
  for (const auto& none : {value(0xFFFFFFFFu), value(-1), value(std::int64_t{-1})}) {
    auto stories = golden_vocabulary("stories260K"), bytes = golden_vocabulary("bytes");
    for (vocabulary_file* file : {&stories, &bytes})
      for (const auto key : {"bos", "eos", "cls", "seperator", "unknown"})
        file->meta.set("tokenizer.ggml." + std::string(key) + "_token_id", none);
    const auto defaults = stories.load(), nothing = bytes.load();
    CHECK(defaults.bos() == 1);
    CHECK(defaults.eos() == 2);
    CHECK_FALSE(nothing.bos());
    CHECK_FALSE(nothing.eos());
  }
}

TEST_CASE("special tokens without text are read, and never found") {
  auto file = golden_vocabulary("stories260K");
  text(400, "", 3)(file);
  text(401, "", 3)(file);
  text(402, "", 4)(file);
  text(403, "", 2)(file);
  const auto t = nibble::tokenizer::try_load(file.meta);
  if (!t) FAIL(std::string(t.failure().what()));
  CHECK(t->is_control(400));
  CHECK_FALSE(t->find_special(""));
  CHECK(t->decode(t->encode("the end", {.special = true})) == "the end");
}

TEST_CASE("without types and scores all tokens are normal, but for bytes and what begins and ends a text") {
  auto file = golden_vocabulary("stories260K");
  const auto typed = file.load();
  erase("token_type")(file);
  const auto t = file.load();
  for (const std::string_view text : {"Once upon a time", "\n\t\u4e00 <s> x", "</s><unk>"}) {
    CAPTURE(text);
    CHECK(t.encode(text) == typed.encode(text));
    CHECK(t.decode(t.encode(text)) == text);
  }
  CHECK(t.encode("a</s>", {.special = true}) == typed.encode("a</s>", {.special = true}));
  CHECK(t.is_control(1));
  CHECK(t.is_control(2));

  erase("scores")(file);
  const auto plain = file.load();
  CHECK(plain.vocabulary().score(300) == 0);
  CHECK(plain.decode(plain.encode("Once upon a time \u4e00")) == "Once upon a time \u4e00");
  file.meta.set("tokenizer.ggml.scores", value(std::vector<float>(512, 0.0f)));
  const auto zeros = file.load();
  CHECK(plain.encode("Once upon a time") == zeros.encode("Once upon a time"));
}

TEST_CASE("the longest token counts every type, names of control tokens too") {
  for (const auto name : {"stories260K", "bytes", "nibble-tiny"}) {
    auto file = golden_vocabulary(name);
    const std::string longer(900, 'x');
    for (const int type : {0, 1, 3}) {  // 0: as it is; normal; control
      if (type > 0) text(300, longer + char('0' + type), type)(file);
      const auto v = nibble::vocab::try_load(file.meta);
      REQUIRE(v);
      std::size_t longest = 0;
      for (std::size_t id = 0; id < v->size(); ++id) longest = std::max(longest, v->piece(token(id)).size());
      CHECK(v->longest_token() == longest);
      CHECK((type == 0 || longest == 901));
    }
  }
}

TEST_CASE("a byte that no token has is left out of byte-level text") {
  auto bytes = golden_vocabulary("bytes");
  bytes.meta.set(merges_key, value(std::vector<std::string>{"a b"}));
  bytes.meta.set(tokens_key, value(std::vector<std::string>{"a", "b", "ab"}));
  bytes.meta.set(types_key, value(std::vector<int>{1, 1, 1}));
  for (const auto name : {"bos_token_id", "eos_token_id"}) erase(name)(bytes);
  const auto t = nibble::tokenizer::try_load(bytes.meta);
  REQUIRE(t);
  CHECK(t->encode("abcab a") == std::vector<token>{2, 2, 0});
}

TEST_CASE("a tokenizer outlives the file that it was read from") {
  auto t = [] { return golden_vocabulary("nibble-tiny").load(); }();
  const auto copy = t;
  const auto ids = t.encode("The quick brown fox");
  const auto moved = std::move(t);
  CHECK(moved.encode("The quick brown fox") == ids);
  CHECK(copy.decode(ids) == "The quick brown fox");
}

TEST_CASE("suppressed tokens are read once each, in order, and counted") {
  auto file = golden_vocabulary("stories260K");
  CHECK(nibble::vocab::load(file.meta).suppressed().empty());
  const auto bytes = nibble::vocab::load(file.meta).memory_bytes();
  file.meta.set("tokenizer.ggml.suppress_tokens", value(std::vector<std::uint32_t>{511, 7, 7, 0}));
  const auto found = nibble::vocab::load(file.meta);
  CHECK(found.suppressed() == std::vector<token>{0, 7, 511});
  CHECK(found.memory_bytes() > bytes);
}
