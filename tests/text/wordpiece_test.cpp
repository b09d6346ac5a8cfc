/// Words and their pieces, as BERT's tokenizers have them.
#include <doctest/doctest.h>

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/gguf/metadata.hpp"
#include "nibble/text/tokenizer.hpp"
#include "nibble/text/wordpiece.hpp"

namespace {
using namespace nibble;
using ids = std::vector<token>;

/// A file's keys: [PAD] [UNK] [CLS] [SEP] are 0 to 3; "_" in front of a piece is U+2581.
metadata keys(const std::vector<std::string>& pieces) {
  std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
  std::vector<std::int32_t> types(4, 3);
  for (const std::string& piece : pieces) {
    tokens.push_back(piece.starts_with('_') ? "\xE2\x96\x81" + piece.substr(1) : piece);
    types.push_back(1);
  }
  metadata meta;
  meta.set("tokenizer.ggml.model", value("bert"));
  meta.set("tokenizer.ggml.tokens", value(tokens));
  meta.set("tokenizer.ggml.token_type", value(types));
  meta.set("tokenizer.ggml.unknown_token_id", value(1u));
  meta.set("tokenizer.ggml.cls_token_id", value(2u));
  meta.set("tokenizer.ggml.seperator_token_id", value(3u));
  return meta;
}
ids plain(const tokenizer& t, std::string_view text) { return t.encode(text, {.bos = false, .eos = false}); }
ids plain(const std::vector<std::string>& pieces, std::string_view text) { return plain(tokenizer::load(keys(pieces)), text); }
std::string refusal(const metadata& meta) {
  const auto loaded = tokenizer::try_load(meta);
  return loaded ? "loaded" : loaded.failure().what();
}
}  // namespace

TEST_CASE("a text begins with the class token and ends with the separator, unless the file or the caller says otherwise") {
  const auto t = tokenizer::load(keys({"_a"}));
  CHECK(t.encode("a") == ids{2, 4, 3});
  CHECK(t.encode("") == ids{2, 3});
  CHECK(plain(t, "a") == ids{4});
  auto meta = keys({"_a"});
  meta.set("tokenizer.ggml.add_bos_token", value(false));
  CHECK(tokenizer::load(meta).encode("a") == ids{4, 3});
  meta.set("tokenizer.ggml.add_eos_token", value(false));
  CHECK(tokenizer::load(meta).encode("a") == ids{4});
}

TEST_CASE("a word is cut into the longest pieces from its beginning on, or is unknown as a whole") {
  const std::vector<std::string> pieces{"_un", "_una", "aff", "ffable", "able", "a", "_", "b"};  // 4 to 11
  CHECK(plain(pieces, "unaffable") == ids{5, 7});
  CHECK(plain(pieces, "unaff unaable") == ids{1, 5, 8});  // the longest first: "una" leaves "ff", which is none
  CHECK(plain(pieces, "una una") == ids{5, 5});
  CHECK(plain(pieces, "b") == ids{1});  // it begins no word, and the mark alone is no piece of one
}

TEST_CASE("words end at white space, and at marks and ideographs, which are words themselves") {
  const std::vector<std::string> pieces{"_a", "_b", "_,", "_!", "_\xE4\xB8\xAD", "_\xE3\x80\x82", "b"};  // 4 to 10
  CHECK(plain(pieces, " a\tb\n\r a  ") == ids{4, 5, 4});
  CHECK(plain(pieces, "a,b!!") == ids{4, 6, 5, 7, 7});
  CHECK(plain(pieces,
              "a\xE4\xB8\xAD\xE4\xB8\xAD"
              "b\xE3\x80\x82") == ids{4, 8, 8, 5, 9});
  CHECK(plain(pieces,
              "a\xC2\xA0"
              "b\xE3\x80\x80"
              "a") == ids{4, 5, 4});
  CHECK(plain(pieces, "ab") == ids{4, 10});
}

TEST_CASE("what no text shows is left out, and so is what is no UTF-8") {
  const std::vector<std::string> pieces{"_ab"};
  for (const std::string_view hidden :
       {std::string_view("\0", 1), std::string_view("\x01"), std::string_view("\x7F"), std::string_view("\xE2\x80\x8B"),
        std::string_view("\xEF\xBF\xBD"), std::string_view("\xFF"), std::string_view("\xE4\xB8"), std::string_view("\x0B")}) {
    CHECK(plain(pieces, "a" + std::string(hidden) + "b") == ids{4});
  }
}

TEST_CASE("letters lose their case and their accents, unless pieces have capitals or the file says otherwise") {
  const std::vector<std::string> uncased{"_cafe", "_caf\xC3\xA9", "_\xCF\x83", "_\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"};
  CHECK(plain(uncased, "Caf\xC3\x89 CAFE\xCC\x81") == ids{4, 4});
  CHECK(plain(uncased, "\xCE\xA3") == ids{6});      // a capital sigma
  CHECK(plain(uncased, "\xED\x95\x9C") == ids{7});  // a syllable of Hangul falls into its letters
  CHECK(plain(uncased, "\xE1\xBA\xA4") == ids{1});  // A with circumflex and acute, two steps down
  CHECK(plain({"_a"}, "\xE1\xBA\xA4") == ids{4});
  auto keeps = keys(uncased);
  keeps.set("tokenizer.ggml.normalizer.strip_accents", value(false));
  CHECK(plain(tokenizer::load(keeps), "CAF\xC3\x89") == ids{5});
  keeps.set("tokenizer.ggml.normalizer.lowercase", value(false));
  CHECK(plain(tokenizer::load(keeps), "CAF\xC3\x89 caf\xC3\xA9") == ids{1, 5});

  const std::vector<std::string> cased{"_Caf\xC3\xA9", "_caf\xC3\xA9", "[USED]"};
  CHECK(plain(cased, "Caf\xC3\xA9 caf\xC3\xA9 cafe") == ids{4, 5, 1});
  auto says = keys(cased);
  says.set("tokenizer.ggml.normalizer.lowercase", value(true));
  CHECK(plain(tokenizer::load(says), "Caf\xC3\xA9") == ids{1});  // and then accents go, too
  CHECK(plain({"_a", "[UNUSED]"}, "A") == ids{4});               // names in brackets are no text
}

TEST_CASE("a word of more than a hundred characters is unknown") {
  const std::vector<std::string> pieces{"_a", "a", "_b"};
  CHECK(plain(pieces, std::string(100, 'a')).size() == 100);
  CHECK(plain(pieces, std::string(101, 'a') + " b") == ids{1, 6});
  CHECK(plain(pieces, std::string(100000, 'a') + ",") == ids{1, 1});
}

TEST_CASE("a text takes linear time, however long its words and the pieces are") {
  const auto t = tokenizer::load(keys({"_a", "a", std::string(60000, 'a'), "_" + std::string(60000, 'b')}));
  for (const std::string& text : {std::string(1000000, 'a'), std::string(1000000, 'b'), std::string(1000000, ',')}) {
    const std::clock_t begin = std::clock();
    t.encode(text);
    CHECK(double(std::clock() - begin) / CLOCKS_PER_SEC < 3);
  }
}

TEST_CASE("tokens become text again, with spaces between words") {
  const auto t = tokenizer::load(keys({"_a", "_b", "c"}));
  CHECK(t.decode(t.encode("a bc a")) == "a bc a");
}

TEST_CASE("a vocabulary without its special tokens is refused in a sentence") {
  const auto without = [](const std::string& key) {
    metadata meta;
    for (const auto& [name, v] : keys({"_a"}))
      if (name != "tokenizer.ggml." + key) meta.set(name, v);
    return refusal(meta);
  };
  CHECK(without("unknown_token_id").find("'tokenizer.ggml.unknown_token_id': missing: words of no pieces") !=
        std::string::npos);
  CHECK(without("cls_token_id").find("missing, and its default 101 is not one of the 5 tokens") != std::string::npos);
  CHECK(without("seperator_token_id").find("missing, and its default 102") != std::string::npos);
  auto bad = keys({"_a"});
  bad.set("tokenizer.ggml.cls_token_id", value(5u));
  CHECK(refusal(bad).find("cls_token_id': 5 is not one of the 5 tokens") != std::string::npos);
  bad = keys({"_a"});
  bad.set("tokenizer.ggml.unknown_token_id", value(9u));
  CHECK(refusal(bad).find("unknown_token_id") != std::string::npos);
  bad = keys({"_a"});
  bad.set("tokenizer.ggml.normalizer.lowercase", value("no"));
  CHECK(refusal(bad).find("normalizer.lowercase") != std::string::npos);
  bad = keys({"_a"});
  bad.set("tokenizer.ggml.normalizer.strip_accents", value(7.5f));
  CHECK(refusal(bad).find("normalizer.strip_accents") != std::string::npos);
  CHECK(refusal(keys({"_a", "_a"})).find("stands there twice") != std::string::npos);
}
