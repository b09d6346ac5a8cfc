// What is encoded is what the models' own tokenizers give. The golden ids are written by tests/support/make_text_goldens.py.
#include "nibble/text/tokenizer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/normalize.hpp"
#include "nibble/text/pre_tokenizer.hpp"
#include "support/sha256.hpp"
#include "vocabularies.hpp"

using nibble::token;
using nibble_test::golden_vocabulary;
using nibble_test::ids_of;
using nibble_test::text_of;
using nibble_test::vocabulary_file;

namespace {

std::string sha_of(std::span<const token> ids) {
  std::vector<std::byte> little;
  for (const token id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      little.push_back(static_cast<std::byte>(static_cast<std::uint32_t>(id) >> shift));
  return nibble_test::sha256(little);
}

std::vector<token> plain_ids(const nibble::tokenizer& t, std::string_view text) {
  return t.encode(text, {.bos = false, .eos = false});
}

void check_cases(const nibble::tokenizer& t, const std::string& ids_file, const std::string& cases_file = "cases.txt") {
  const auto cases = nibble_test::split(text_of(nibble_test::golden("text/" + cases_file)), "\n=====\n");
  const auto lines = nibble_test::split(text_of(nibble_test::golden("text/" + ids_file)), "\n");
  REQUIRE(cases.size() == lines.size());
  REQUIRE(cases.size() >= 45);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(cases[i]);
    CHECK(plain_ids(t, cases[i]) == ids_of(lines[i]));
  }
}

/// Where llama.cpp's ids are not those of Hugging Face's tokenizers 0.23.3: it composes no marks for Qwen's words, and one
/// character of BERT's is another. The stress text has U+061D, which is punctuation since Unicode 14, and not for either of
/// them.
struct other_ids {
  std::string_view vocabulary, text, sha256;
  std::size_t count;
};
constexpr other_ids exceptions[] = {
    {"ggml-vocab-qwen2.gguf", "unicode-stress.txt", "0f7fcd6538c14b9be418413979c276b84e0785ebfa6492664b439047a4efd917", 15744},
    {"ggml-vocab-bert-bge.gguf", "wiki.test.raw", "bae7b1109c99e9a1254cfe0e4f071c41e5a7cf836478209cf9daa860816deeff", 273178},
    {"ggml-vocab-bert-bge.gguf", "unicode-stress.txt", "77efd1ad441273b405e697a70aa91a7d2ca70f7f291faf02d13e91e31f5eaa82",
     6658}};

/// The whole texts whose hashes llama.cpp v0.5.0 gave for this vocabulary.
void check_whole_texts(const nibble::tokenizer& t, const std::string& vocabulary) {
  const auto hashes = nibble_test::shared("tokenizer/full-text-token-hashes.json");
  NIBBLE_NEEDS(hashes);
  const std::string json = text_of(hashes);
  const auto after = [&](std::string_view mark, std::size_t at) {
    const std::size_t found = json.find(mark, at);
    REQUIRE(found != json.npos);
    return found + mark.size();
  };
  for (const std::string name : {"wiki.test.raw", "tinyshakespeare.txt", "unicode-stress.txt"}) {
    CAPTURE(name);
    const auto ids = plain_ids(t, text_of(nibble_test::shared("text/" + name)));
    const auto other = std::find_if(std::begin(exceptions), std::end(exceptions),
                                    [&](const other_ids& e) { return e.vocabulary == vocabulary && e.text == name; });
    if (other != std::end(exceptions)) {
      CHECK(ids.size() == other->count);
      CHECK(sha_of(ids) == other->sha256);
      continue;
    }
    const std::size_t entry = after("\"" + name + "\"", after("\"" + vocabulary + "\"", 0));
    CHECK(ids.size() == std::strtoull(json.c_str() + after("\"n\": ", entry), nullptr, 10));
    CHECK(sha_of(ids) == json.substr(after("\"sha256_i32le\": \"", entry), 64));
  }
  if (vocabulary == "ggml-vocab-qwen2.gguf") CHECK(plain_ids(t, "e\u0301") == std::vector<token>{963});
}

}  // namespace

TEST_CASE("the sums of this test are those of FIPS 180-4") {
  CHECK(nibble_test::sha256({}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(nibble_test::sha256(std::as_bytes(std::span("abc", 3))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("byte-level BPE gives the ids of the published expressions and plain merging") {
  auto bytes = golden_vocabulary("bytes");
  for (const std::string name : {"gpt-2", "smollm", "default", "llama-bpe", "qwen2", "tekken"}) {
    CAPTURE(name);
    bytes.meta.set("tokenizer.ggml.pre", nibble::value(name));
    check_cases(bytes.load(), "bytes." + name + ".ids");
  }
}

TEST_CASE("a tokenizer is loaded from the path of a vocabulary alone") {
  const auto path = nibble_test::golden("text/bytes.gguf");
  const auto t = nibble::tokenizer::try_load(path);
  REQUIRE(t);
  CHECK(t->encode("a vocabulary alone") == vocabulary_file(path).load().encode("a vocabulary alone"));
  const auto missing = nibble::tokenizer::try_load(path.string() + ".none");
  REQUIRE_FALSE(missing);
  CHECK(missing.failure().code() == nibble::errc::io);
  CHECK_FALSE(nibble::tokenizer::try_load(path, {.limits = {.keys = 1}}));
  const auto refused = nibble::tokenizer::try_load(path, {.pre_tokenizer = "a new one"});
  REQUIRE_FALSE(refused);  // the sentence begins with the file
  CHECK(std::string(refused.failure().what()).starts_with(path.string() + ": "));
}

TEST_CASE("a pre-tokenizer that is named takes the place of the file's, and one that is not known is an error") {
  auto bytes = golden_vocabulary("bytes");
  const auto expected = bytes.load().encode("to 'Re");  // by gpt-2
  const auto ids = [&](const nibble::tokenizer_options& options) {
    const auto t = nibble::tokenizer::try_load(bytes.meta, options);
    return t ? t->encode("to 'Re", {.bos = false}) : std::vector<token>{};
  };
  CHECK(ids({.pre_tokenizer = "default"}) != expected);
  bytes.meta.set("tokenizer.ggml.pre", nibble::value("a new one"));
  const auto refused = nibble::tokenizer::try_load(bytes.meta);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code() == nibble::errc::unknown_tokenizer);
  CHECK(std::string(refused.failure().what()).find("'a new one' is not known") != std::string::npos);
  CHECK(ids({.pre_tokenizer = "gpt-2"}) == expected);
  CHECK(ids({.pre_tokenizer = "gpt2"}).empty());
  bytes.meta.erase("tokenizer.ggml.pre");
  CHECK(ids({}).empty());
  CHECK(ids({.pre_tokenizer = "gpt-2"}) == expected);
}

TEST_CASE("Gemma 4's BPE merges characters and spaces, takes line feeds whole, and falls back to bytes") {
  std::vector<std::string> texts = {"<pad>", "<eos>", "<bos>", "<unk>"};
  std::vector<std::int32_t> types = {3, 3, 3, 2};
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (std::size_t b = 0; b < 256; ++b) texts.push_back(std::string("<0x") + digits[b / 16] + digits[b % 16] + ">");
  types.resize(texts.size(), 6);
  const token first = static_cast<token>(texts.size());
  for (const char* piece : {"\u2581", "a", "\u00e9", "\u2581a", "\u2581\u2581", "\n", "\n\n", "\n\n\n", "a\u00e9"})
    texts.emplace_back(piece);
  types.resize(texts.size(), 1);
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", nibble::value("gemma4"));
  meta.set("tokenizer.ggml.tokens", nibble::value(texts));
  meta.set("tokenizer.ggml.token_type", nibble::value(types));
  meta.set("tokenizer.ggml.merges", nibble::value(std::vector<std::string>{"\u2581 \u2581", "\u2581 a", "a \u00e9", "\n \n"}));
  meta.set("tokenizer.ggml.bos_token_id", nibble::value(2));
  meta.set("tokenizer.ggml.add_bos_token", nibble::value(false));
  const auto t = nibble::tokenizer::load(meta);
  CHECK(t.adds_bos());  // files that say otherwise are wrong
  const auto is = [&](std::string_view text, std::vector<token> expected) {
    CAPTURE(text);
    for (token& id : expected) id += first;
    CHECK(plain_ids(t, text) == expected);
    CHECK(t.decode(plain_ids(t, text)) == text);
  };
  is(" a", {3});
  is("  a", {4, 1});
  is("   a", {4, 3});
  is("a\u00e9", {8});
  is(" a\u00e9", {3, 2});
  is("\n\n\n", {7});
  is("\n\n\n\n", {6, 6});
  is("a\n a", {1, 5, 3});
  is("\u00e8a", {0xC3 - 256, 0xA8 - 256, 1});
  is("\xFF\xE2\x96", {0xFF - 256, 0xE2 - 256, 0x96 - 256});
  CHECK(plain_ids(t, "\u2581a") == plain_ids(t, " a"));
  meta.set("tokenizer.ggml.merges", nibble::value(std::vector<std::string>{"\u2581 b"}));
  CHECK_FALSE(nibble::tokenizer::try_load(meta));
}

TEST_CASE("text is composed between special tokens, where the model's own tokenizer composes it") {
  auto bytes = golden_vocabulary("bytes");
  for (const std::string& split : nibble_test::byte_level_splits()) {
    CAPTURE(split);
    bytes.meta.set("tokenizer.ggml.pre", nibble::value(split));
    const auto t = bytes.load();
    const bool composes = split == "qwen2" || split == "qwen35";
    CHECK((plain_ids(t, "e\u0301") == plain_ids(t, "\u00e9")) == composes);
    CHECK(t.decode(plain_ids(t, "e<think>\u0301")) == "e<think>\u0301");
    const std::vector<nibble::prompt_part> parts = {{"e<|im_start|>", true}, {"\u0301e", false}, {"\u0301", false}};
    std::string text = t.decode(t.encode(parts, {.bos = false, .eos = false}));
    CHECK(text == (composes ? "e\u0301\u00e9" : "e\u0301e\u0301"));
  }
}

TEST_CASE("SentencePiece-style BPE gives sentencepiece's ids, case by case and over a whole text") {
  const auto t = golden_vocabulary("nibble-tiny").load();
  check_cases(t, "nibble-tiny.ids");
  const auto ids = plain_ids(t, text_of(nibble_test::golden("text/holdout.txt")));
  CHECK(std::to_string(ids.size()) + " " + sha_of(ids) + "\n" == text_of(nibble_test::golden("text/holdout.sha256")));
}

TEST_CASE("Unigram gives sentencepiece's ids, with its replacements of characters") {
  const auto t = golden_vocabulary("unigram").load();
  check_cases(t, "unigram.ids", "unigram_cases.txt");
  CHECK(t.decode(plain_ids(t, "A fine  \uFF26ish\u2026")) == "A fine Fish...");
}

TEST_CASE("a space prefix goes where llama.cpp puts it") {
  check_cases(golden_vocabulary("stories260K").load(), "stories260K.ids");
}

TEST_CASE("published vocabularies give the ids of their test cases and of whole texts") {
  const auto folder = nibble_test::shared("tokenizer");
  NIBBLE_NEEDS(folder);
  std::size_t known = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto path = entry.path();
    if (path.extension() != ".gguf" || !std::filesystem::exists(path.string() + ".inp")) continue;
    const vocabulary_file file(path);
    const auto loaded = nibble::tokenizer::try_load(file.meta);
    if (!loaded) {
      MESSAGE("skipped: ", path.filename().string(), ": ", std::string(loaded.failure().what()));
      continue;
    }
    CAPTURE(path);
    ++known;
    const auto& t = *loaded;
    const auto cases = nibble_test::split(text_of(path.string() + ".inp"), "\n__ggml_vocab_test__\n");
    const auto lines = nibble_test::split(text_of(path.string() + ".out"), "\n");
    REQUIRE(cases.size() == 46);  // and an empty one behind them
    REQUIRE(cases.size() == lines.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
      CAPTURE(cases[i]);
      CHECK(plain_ids(t, cases[i]) == ids_of(lines[i]));
    }
    check_whole_texts(t, path.filename().string());
  }
  CHECK(known >= 3);
  const auto stories = nibble_test::shared("models/stories260K-f32.gguf");
  NIBBLE_NEEDS(stories);
  check_whole_texts(vocabulary_file(stories).load(), "stories260K-f32.gguf");
}

TEST_CASE("the two real models give the ids of whole texts") {
  for (const std::string name : {"SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"}) {
    const char* folder = std::getenv("NIBBLE_MODELS");
    const auto path = std::filesystem::path(folder ? folder : "") / name;
    if (!folder || !std::filesystem::exists(path)) {
      MESSAGE("skipped: needs " << name << " in the folder that NIBBLE_MODELS names");
      continue;
    }
    check_whole_texts(vocabulary_file(path).load(), name);
  }
}

TEST_CASE("any bytes survive byte-level encoding, and any text that sentencepiece's") {
  std::string noise;
  unsigned seed = 7;
  for (int i = 0; i < 30000; ++i) noise += static_cast<char>((seed = seed * 1664525u + 1013904223u) >> 24);
  const std::string_view texts[] = {"",           "\xC0\xAF",      "\xED\xA0\x80",  "\xF0\x9F\x98",
                                    "caf\xC3",    "   lead",       "trail   \n\n ", std::string_view("a\0b\0", 4),
                                    "<|im_end|>", "x\u0301\u0301", "<think>",       noise};
  auto bytes = golden_vocabulary("bytes");
  for (const std::string& split : nibble_test::byte_level_splits()) {
    bytes.meta.set("tokenizer.ggml.pre", nibble::value(split));
    const auto t = bytes.load();
    const bool composes = nibble::find_pre_tokenizer(split)->has(nibble::pre_tokenizer_flags::composes);
    std::string room;
    for (const auto text : texts) CHECK(t.decode(plain_ids(t, text)) == (composes ? nibble::to_nfc(text, room) : text));
  }
  for (const auto name : {"nibble-tiny", "stories260K"}) {
    const auto t = golden_vocabulary(name).load();
    for (const auto text : texts) CHECK(t.decode(plain_ids(t, text)) == text);
    CHECK(t.decode(plain_ids(t, "a\u2581b")) == "a b");  // U+2581 is how its files write a space
  }
}

TEST_CASE("names of control tokens are text unless asked for, user-defined tokens always count") {
  const auto t = golden_vocabulary("bytes").load();
  const token end = *t.find_special("<|im_end|>"), think = *t.find_special("<think>");
  CHECK(t.is_control(end));
  CHECK(t.is_end(end));
  CHECK_FALSE(t.is_control(think));
  CHECK_FALSE(t.find_special("<|im_"));
  const auto count = [](const std::vector<token>& ids, token id) { return std::count(ids.begin(), ids.end(), id); };
  const std::string_view text = "a<|im_end|>b<think>c<|im_<|im_end|>end|>";
  CHECK(count(t.encode(text), end) == 0);
  CHECK(count(t.encode(text), think) == 1);
  CHECK(t.decode(t.encode(text)) == text);
  CHECK(count(t.encode(text, {.special = true}), end) == 2);
  CHECK(t.decode(t.encode(text, {.special = true})) == "ab<think>c<|im_end|>");  // what is put together is not looked at again

  const std::vector<nibble::prompt_part> parts = {
      {"<|im_start|>", true}, {"user\n<|im_end|>", false}, {"<|im_end|>", true}, {"<|im_", false}, {"end|>", true}};
  const auto ids = t.encode(parts);
  CHECK(count(ids, end) == 1);
  CHECK(t.decode(ids) == "user\n<|im_end|><|im_end|>");
}

TEST_CASE("white space behind special tokens is left out where the model's name says so") {
  auto file = golden_vocabulary("bytes");
  const auto ids = [&](std::string_view text, std::string_view name, bool special = true) {
    file.meta.set("general.name", nibble::value(std::string(name)));
    return file.load().encode(text, {.special = special});
  };
  constexpr std::string_view spaced = "<|im_start|> \n\t\r\v\fuser\n<think>  a<|im_end|> \n <|im_start|>\n";
  constexpr std::string_view bare = "<|im_start|>user\n<think>a<|im_end|><|im_start|>";
  for (const auto name : {"Phi 3", "phi4", ""}) CHECK(ids(spaced, name) != ids(bare, name));
  for (const auto name : {"Phi-3-mini", "my phi3"}) {
    CHECK(ids(spaced, name) == ids(bare, name));
    CHECK(ids("<|im_start|>\n a", name, false) != ids("<|im_start|>a", name, false));  // it is text here
    CHECK(ids("<think>\n a", name, false) == ids("<think>a", name, false));
    CHECK(ids(" a <think>", name) != ids("a<think>", name));
  }
  const std::vector<nibble::prompt_part> parts = {{"<|im_start|>", true}, {" \n", false}, {" a", false}, {"<|im_end|>", true}};
  CHECK(file.load().encode(parts) == ids("<|im_start|>a<|im_end|>", "phi-3"));
}

TEST_CASE("Phi 3's prompts have the ids of llama.cpp v0.5.0") {
  const auto path = nibble_test::shared("tokenizer/ggml-vocab-phi-3.gguf");
  NIBBLE_NEEDS(path);
  const auto t = vocabulary_file(path).load();
  const auto ids = [&](std::string_view text) { return t.encode(text, {.special = true, .bos = false, .eos = false}); };
  CHECK(ids("<|user|>\nSYS\nHI<|end|>\n<|assistant|>\n") == std::vector<token>{32010, 317, 21554, 13, 17628, 32007, 32001});
  CHECK(ids("<s> \n a</s>  b<unk> c<|endoftext|> d <|end|>\t\v\f\r\n  e <|user|>  ") ==
        std::vector<token>{1, 259, 13, 263, 2, 289, 0, 29871, 274, 32000, 29871, 270, 29871, 32007, 321, 29871, 32010});
}

TEST_CASE("white space in front of the mask is left out where keys say so") {
  struct row {
    std::string_view key, says, mask;
    bool strips;
  };
  for (const row& r : {row{"tokenizer.ggml.pre", "jina-v2-code", "<mask>", true},
                       {"tokenizer.ggml.pre", "jina-v2-de", "<mask>", true},
                       {"tokenizer.ggml.pre", "jina-v2-es", "<mask>", true},
                       {"general.architecture", "jina-bert-v3", "<mask>", true},
                       {"general.architecture", "nomic-bert-moe", "<mask>", true},
                       {"general.name", "My Modern-BERT", "[MASK]", true},
                       {"tokenizer.ggml.pre", "gpt-2", "<mask>", false},
                       {"general.architecture", "bert", "<mask>", false},
                       {"general.name", "My Modern-BERT", "<mask>", false}}) {
    CAPTURE(r.says);
    auto file = golden_vocabulary("bytes");
    auto texts = file.strings("tokenizer.ggml.tokens");
    const auto place = std::find(texts.begin(), texts.end(), "<think>");
    REQUIRE(place != texts.end());
    *place = std::string(r.mask);
    file.meta.set("tokenizer.ggml.tokens", nibble::value(texts));
    file.meta.set(std::string(r.key), nibble::value(std::string(r.says)));
    const auto t = file.load();
    const std::string mask(r.mask);
    CHECK((t.encode("a \t\n" + mask + " b") == t.encode("a" + mask + " b")) == r.strips);
    CHECK(t.encode(mask + " b") != t.encode(mask + "b"));
  }
}

TEST_CASE("parts of a prompt are encoded as the text that they make together") {
  for (const auto name : {"bytes", "nibble-tiny", "stories260K"}) {
    const auto t = golden_vocabulary(name).load();
    const std::vector<nibble::prompt_part> parts = {
        {"Once upon", false}, {" a ti", true}, {"", true}, {"me\n", false}, {"\n there", false}};
    CHECK(t.encode(parts) == t.encode("Once upon a time\n\n there"));
  }
}

TEST_CASE("no control token can be put together from plain text") {
  auto stories = golden_vocabulary("stories260K");
  auto texts = stories.strings("tokenizer.ggml.tokens");
  texts[500] = "<s";  // with the token '>' this would make the name of token 1
  stories.meta.set("tokenizer.ggml.tokens", nibble::value(texts));
  const auto t = stories.load();
  for (const token id : plain_ids(t, "<s><s>")) CHECK_FALSE(t.is_control(id));
  CHECK(t.encode("<s>", {.special = true, .bos = false}) == std::vector<token>{1});
}

TEST_CASE("the tokens that begin and end a text follow the file, or the caller") {
  auto tiny = golden_vocabulary("nibble-tiny");
  auto t = tiny.load();
  CHECK(t.bos() == 2);
  CHECK(t.eos() == 1);
  CHECK(t.adds_bos());
  CHECK(t.encode("") == std::vector<token>{2});
  CHECK(t.encode("", {.bos = false, .eos = true}) == std::vector<token>{1});
  tiny.meta.set("tokenizer.ggml.add_eos_token", nibble::value(true));
  tiny.meta.erase("tokenizer.ggml.add_bos_token");
  t = tiny.load();
  CHECK(t.encode("") == std::vector<token>{2, 1});  // these vocabularies begin a text with a token unless told otherwise

  auto bytes = golden_vocabulary("bytes");
  CHECK(bytes.load().encode("").empty());
  bytes.meta.set("tokenizer.ggml.pre", nibble::value("llama-bpe"));
  CHECK(bytes.load().encode("").size() == 1);
  bytes.meta.erase("tokenizer.ggml.bos_token_id");
  bytes.meta.set("tokenizer.ggml.add_bos_token", nibble::value(false));
  CHECK(bytes.load().encode("", {.bos = true}).empty());
  CHECK_FALSE(bytes.load().bos());
}

TEST_CASE("pieces are what a token adds to the text, and control tokens add nothing") {
  const auto t = golden_vocabulary("stories260K").load();
  CHECK(t.size() == 512);
  CHECK(t.piece(3 + 0x41) == "A");
  CHECK(t.piece(3 + 0xE2) == "\xE2");
  CHECK(t.piece(1) == "<s>");
  CHECK(t.piece(410) == " ");
  std::string text;
  for (const token id : {1, 410, 3 + 0xC3, 3 + 0xA9, 0, 2}) t.append_piece(id, text);
  CHECK(text == " \u00e9");
  CHECK(t.decode(std::vector<token>{1, 410, 3 + 0x41, 410}) == "A ");
}

TEST_CASE("ids that are no token have no text and no type, and decode to nothing") {
  for (const auto name : {"stories260K", "bytes"}) {
    const auto t = golden_vocabulary(name).load();
    const auto size = static_cast<token>(t.size());
    for (const token id : {-1, size, 1 << 30, std::numeric_limits<token>::max(), std::numeric_limits<token>::min()}) {
      CAPTURE(id);
      if (NIBBLE_CHECKED && id != nibble::no_token) continue;
      CHECK(t.piece(id).empty());
      CHECK(t.vocabulary().type(id) == nibble::token_type::undefined);
      CHECK(t.vocabulary().score(id) == 0);
      CHECK_FALSE(t.vocabulary().contains(id));
      CHECK_FALSE(t.is_control(id));
      CHECK_FALSE(t.is_end(id));
      std::string text = "a";
      t.append_piece(id, text);
      CHECK(text == "a");
      CHECK(t.decode(std::vector<token>{300, id, 301}) == t.decode(std::vector<token>{300, 301}));
    }
  }
}

TEST_CASE("user-defined tokens are matched leftmost, and the longest there") {
  auto tiny = golden_vocabulary("nibble-tiny");
  auto texts = tiny.strings("tokenizer.ggml.tokens");
  auto types = tiny.numbers<std::int32_t>("tokenizer.ggml.token_type");
  const std::string added[] = {"  ", "   ", "\n\n", "ab", "bcd", "abc"};
  for (std::size_t i = 0; i < std::size(added); ++i) {
    texts[2000 + i] = added[i];
    types[2000 + i] = 4;
  }
  tiny.meta.set("tokenizer.ggml.tokens", nibble::value(texts));
  tiny.meta.set("tokenizer.ggml.token_type", nibble::value(types));
  const auto t = tiny.load();
  CHECK(plain_ids(t, "       ") == std::vector<token>{2001, 2001, plain_ids(t, " ").at(0)});
  CHECK(plain_ids(t, "\n\n  ") == std::vector<token>{2002, 2000});
  CHECK(plain_ids(t, "abcd").at(0) == 2005);
  CHECK(plain_ids(t, "ababcd").at(0) == 2003);
  CHECK(plain_ids(t, "bcd") == std::vector<token>{2004});
}

TEST_CASE("without byte tokens a run of unknown characters is the unknown token once") {
  auto stories = golden_vocabulary("stories260K");
  auto types = stories.numbers<std::int32_t>("tokenizer.ggml.token_type");
  for (auto& type : types)
    if (type == 6) type = 5;
  stories.meta.set("tokenizer.ggml.token_type", nibble::value(types));
  stories.meta.set("tokenizer.ggml.add_space_prefix", nibble::value(false));
  const auto t = stories.load();
  const auto a = plain_ids(t, "a");
  CHECK(plain_ids(t, "\u4e00\u4e8c\u4e09") == std::vector<token>{0});
  CHECK(plain_ids(t, "\u4e00a\u4e00") == std::vector<token>{0, a.at(0), 0});
}
