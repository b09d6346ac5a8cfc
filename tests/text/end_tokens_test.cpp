// Which tokens end a text.
#include "nibble/text/end_tokens.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/tokenizer.hpp"
#include "vocabularies.hpp"

using nibble::token;
using nibble_test::golden_vocabulary;

TEST_CASE("each name that ends texts in published models ends them, whatever eos_token_id names") {
  const std::string_view known[] = {"</s>",
                                    "<eos>",
                                    "<EOT>",
                                    "_<EOT>",
                                    "[EOT]",
                                    "[EOS]",
                                    "<turn|>",
                                    "<end_of_utterance>",
                                    "<|return|>",
                                    "<|call|>",
                                    "<|calls|>",
                                    "<|flush|>",
                                    "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
                                    "<|im_end|>",
                                    "<end_of_turn>",
                                    "<|eot_id|>",
                                    "<|end|>",
                                    "<|endoftext|>",
                                    "<|eom_id|>",
                                    "<|end_of_text|>",
                                    "<|tool_response>",
                                    "[e~[",
                                    "<|fim_pad|>",
                                    "<reponame>",
                                    "<|file_sep|>"};
  for (const auto name : known)
    CHECK(std::any_of(nibble::detail::end_names.begin(), nibble::detail::end_names.end(),
                      [&](const auto& e) { return e.name == name; }));
  for (const auto& end : nibble::detail::end_names)
    for (const auto vocabulary : {"stories260K", "bytes"})
      for (const int type : {3, 1, 4, 5}) {
        CAPTURE(end.name);
        CAPTURE(type);
        auto file = golden_vocabulary(vocabulary);
        auto texts = file.strings("tokenizer.ggml.tokens");
        auto types = file.numbers<std::int32_t>("tokenizer.ggml.token_type");
        texts[1] = "<s>", texts[2] = "<text ends>";  // what eos_token_id names in one of them
        std::replace(texts.begin() + 3, texts.end(), std::string(end.name), std::string("<none>"));
        texts[500] = end.name;
        types[500] = type;
        file.meta.set("tokenizer.ggml.tokens", nibble::value(texts));
        file.meta.set("tokenizer.ggml.token_type", nibble::value(types));
        file.meta.set("tokenizer.ggml.merges", nibble::value(std::vector<std::string>{}));
        const auto t = file.load();
        const bool ends = type == 3 || (end.always && type != 5);
        CHECK(t.is_end(500) == ends);
        CHECK(t.is_control(500) == ends);
      }
}

TEST_CASE("what stands between the parts of one reply does not end it") {
  const auto ends_at_first = [](const std::vector<std::string>& names) {
    auto file = golden_vocabulary("stories260K");
    auto texts = file.strings("tokenizer.ggml.tokens");
    auto types = file.numbers<std::int32_t>("tokenizer.ggml.token_type");
    texts[1] = "<s>", texts[2] = "<text ends>";
    for (std::size_t i = 0; i < names.size(); ++i) texts[500 + i] = names[i], types[500 + i] = 3;
    file.meta.set("tokenizer.ggml.tokens", nibble::value(texts));
    file.meta.set("tokenizer.ggml.token_type", nibble::value(types));
    const auto t = file.load();
    for (std::size_t i = 1; i < names.size(); ++i) CHECK(t.is_end(static_cast<token>(500 + i)));
    CHECK(t.eot() != 500);
    return t.is_end(500);
  };
  CHECK_FALSE(ends_at_first({"<|end|>", "<|return|>", "<|call|>"}));
  CHECK_FALSE(ends_at_first({"<|end|>", "<|calls|>", "<|flush|>"}));
  CHECK_FALSE(ends_at_first({"</s>", "<|tool_response>"}));
  CHECK(ends_at_first({"</s>", "<turn|>"}));
}

TEST_CASE("generation ends at eos, at the named ends of turns, and at none that only looks like one") {
  auto bytes = golden_vocabulary("bytes");
  auto t = bytes.load();
  CHECK(t.eot() == t.find_special("<|im_end|>"));
  CHECK(t.is_end(*t.find_special("<|endoftext|>")));
  CHECK_FALSE(t.is_end(*t.find_special("<|im_start|>")));
  CHECK_FALSE(t.is_end(*t.find_special("<think>")));
  CHECK_FALSE(t.is_end(-1));
  auto types = bytes.numbers<std::int32_t>("tokenizer.ggml.token_type");
  types[types.size() - 2] = 1;  // <|im_end|> as a normal token: some files have it so
  bytes.meta.set("tokenizer.ggml.token_type", nibble::value(types));
  t = bytes.load();
  CHECK(t.is_end(*t.find_special("<|im_end|>")));
  CHECK(t.is_control(*t.find_special("<|im_end|>")));

  auto texts = bytes.strings("tokenizer.ggml.tokens");
  texts.back() = "</s>";  // user-defined, as Gemma has it for HTML: text, and only a token where asked for
  bytes.meta.set("tokenizer.ggml.tokens", nibble::value(texts));
  t = bytes.load();
  const auto last = static_cast<token>(texts.size() - 1);
  CHECK_FALSE(t.is_end(last));
  CHECK(t.encode("</s>").size() > 1);
  CHECK(t.encode("</s>", {.special = true}) == std::vector<token>{last});
  CHECK(t.decode(std::vector<token>{last}) == "</s>");
}
