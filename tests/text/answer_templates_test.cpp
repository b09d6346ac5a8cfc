/// The templates of the shared data set: which format each has, and that what they write of an assistant's turn is read.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "nibble/text/answer/formats.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/json.hpp"
#include "support/files.hpp"
#include "text/vocabularies.hpp"

using nibble::answer_syntax;

namespace {
const std::map<std::string, std::string> formats{
    {"Apertus-8B-Instruct", "apertus"},
    {"Apriel-1.6-15b-Thinker-fixed", "apriel"},
    {"GLM-4.6", "glm-4"},
    {"GLM-4.7-Flash", "glm-4"},
    {"GigaChat3-10B-A1.8B", "gigachat-3"},
    {"GigaChat3.1-10B-A1.8B", "gigachat-3.1"},
    {"HuggingFaceTB-SmolLM3-3B", ""},
    {"Kimi-K2-Thinking", "kimi-k2"},
    {"LFM2.5-Instruct", "lfm2"},
    {"MiMo-VL", "hermes"},
    {"MiniMax-M2", "minimax-m2"},
    {"MiroThinker", "hermes"},
    {"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "qwen3-coder"},
    {"NVIDIA-Nemotron-Nano-v2", "nemotron-v2"},
    {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes"},
    {"Qwen-Qwen3-Coder-30B-A3B-Instruct", "qwen3-coder"},
    {"Qwen3-Coder", "qwen3-coder"},
    {"Qwen3.5-4B", "qwen3-coder"},
    {"Reka-Edge", "hermes"},
    {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "deepseek-r1"},
    {"deepseek-ai-DeepSeek-V3.1", "deepseek-v3.1"},
    {"deepseek-ai-DeepSeek-V3.2", "deepseek-v3.2"},
    {"fireworks-ai-llama-3-firefunction-v2", "firefunction-v2"},
    {"google-gemma-2-2b-it", ""},
    {"google-gemma-4-31B-it", "gemma4"},
    {"ibm-granite-granite-3.3-2B-Instruct", "granite-3"},
    {"ibm-granite-granite-4.0", "hermes"},
    {"llama-cpp-deepseek-r1", "deepseek-r1"},
    {"llama-cpp-rwkv-world", ""},
    {"meetkai-functionary-medium-v3.1", "functionary-v3.1"},
    {"meetkai-functionary-medium-v3.2", "functionary-v3.2"},
    {"meta-llama-Llama-3.1-8B-Instruct", "llama-3"},
    {"meta-llama-Llama-3.2-3B-Instruct", "llama-3"},
    {"meta-llama-Llama-3.3-70B-Instruct", "llama-3"},
    {"microsoft-Phi-3.5-mini-instruct", ""},
    {"mistralai-Mistral-Nemo-Instruct-2407", "mistral-nemo"},
    {"stepfun-ai-Step-3.5-Flash", "qwen3-coder"},
    {"unsloth-Apriel-1.5", "apriel"},
    {"unsloth-mistral-Devstral-Small-2507", "devstral"},
    {"upstage-Solar-Open-100B", "solar-open"},
};

/// What a template writes of the assistant, from the first call's place to the result: what the model would say.
std::string turn_of(const std::string& rendered, std::string_view request) {
  const std::size_t begin = rendered.find(request);
  REQUIRE(begin != rendered.npos);
  const std::size_t end = rendered.find("stdout", begin);
  return rendered.substr(begin + request.size(), end - begin - request.size());
}
}  // namespace

TEST_CASE("the format of each published template is known by what stands in it") {
  const std::filesystem::path folder = nibble_test::shared("templates");
  NIBBLE_NEEDS(folder);
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string name = entry.path().stem().string();
    CAPTURE(name);
    const auto syntax = answer_syntax::of(nibble_test::text_of(entry.path()));
    const auto expected = formats.find(name);
    if (expected == formats.end()) continue;
    ++seen;
    CHECK((syntax.calls ? syntax.calls->name : "") == expected->second);
  }
  CHECK(seen == formats.size());
}

TEST_CASE("a call that a template writes is read as that call") {
  const std::filesystem::path folder = nibble_test::shared("templates");
  NIBBLE_NEEDS(folder);
  const auto tools = nibble::json::parse(R"([{"type": "function", "function": {"name": "ipython"}}])");
  std::size_t read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "golden")) {
    const std::string file = entry.path().filename().string(), mark = "__tool_use";
    const std::size_t at = file.find(mark);
    if (at == file.npos) continue;
    CAPTURE(file);
    const std::string name = file.substr(0, at), rendered = nibble_test::text_of(entry.path());
    const auto syntax = answer_syntax::of(nibble_test::text_of(folder / (name + ".jinja")));
    const std::string turn = turn_of(rendered, "Print a hello world message with python.");
    // arguments that were a text to begin with are JSON where the template writes them plainly
    if (turn.find("print('Hello, World!')") == turn.npos || !syntax.calls) continue;
    if (turn.find("{{\"code\"") != turn.npos) continue;  // the one that takes a text for an object of its own
    for (const std::size_t size : {std::size_t{1}, std::size_t{5}, turn.size()}) {
      nibble::chat_parser parser(syntax, {}, tools);
      // what stands before the turn ends with a mark of the answer, or one that opens the turn and is no part of it
      std::size_t from = 0;
      for (const std::string_view opened :
           {"<|end_header_id|>\n\n", "<|im_start|>assistant\n", "<|end_of_role|>", "<sep>assistant:", "<|turn>model\n",
            "<\uFF5CAssistant\uFF5C>", "]~b]ai\n", "<|assistant|>", "[/INST]", "<SPECIAL_11>Assistant\n", "<|assistant_start|>",
            "<|begin_assistant|>", "<|begin|>assistant", "assistant<|role_sep|>\n"})
        if (const std::size_t found = turn.find(opened); found != turn.npos && from == 0) from = found + opened.size();
      const std::string said = turn.substr(from);
      for (std::size_t i = 0; i < said.size(); i += size) parser.feed(said.substr(i, size));
      parser.finish();
      REQUIRE(parser.answer().calls.size() == 1);
      const nibble::tool_call& call = parser.answer().calls[0];
      CHECK(call.name == "ipython");
      const auto arguments = nibble::json::try_parse(call.arguments);
      REQUIRE(arguments);
      REQUIRE(arguments->find("code"));
      CHECK(arguments->find("code")->string() == "print('Hello, World!')");
    }
    ++read;
  }
  CHECK(read > 30);
}

TEST_CASE("what a template writes behind its prompt is read as the calls that it was given") {
  const std::filesystem::path folder = nibble_test::shared("templates");
  NIBBLE_NEEDS(folder);
  const auto tools = nibble::json::parse(
      R"([{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties":
          {"where": {"type": "string", "description": "a place"}, "far": {"type": "integer", "description": "m"}}, "required": ["where"]}}}])");
  const std::string arguments = R"({"where": "a <b> \"c\" 12", "far": 7})";
  std::size_t read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    CAPTURE(entry.path().stem().string());
    const std::string source = nibble_test::text_of(entry.path());
    const auto form = nibble::chat_template::try_parse(source);
    const auto syntax = answer_syntax::of(source);
    if (!form || !syntax.calls) continue;
    const auto text_of = [&](const std::vector<nibble::chat_message>& talk, bool prompt) {
      const auto parts = form->try_render(talk, {.tools = tools, .add_generation_prompt = prompt});
      std::string text;
      if (parts)
        for (const nibble::prompt_part& part : *parts) text += part.text;
      return text;
    };
    for (const bool as_object : {true, false}) {
      const nibble::json given = as_object ? nibble::json::parse(arguments) : nibble::json(arguments);
      const nibble::json call =
          nibble::json::object({{"id", "call12345"},
                                {"type", "function"},
                                {"function", nibble::json::object({{"name", "look"}, {"arguments", given}})}});
      nibble::chat_message answer{"assistant", "", nibble::json::object({{"tool_calls", nibble::json::array({call})}})};
      const std::string prompt = text_of({{"user", "Look."}}, true), whole = text_of({{"user", "Look."}, answer}, false);
      if (prompt.empty() || !whole.starts_with(prompt)) continue;  // it writes what was said in another way
      nibble::chat_parser parser(syntax, prompt, tools);
      parser.feed(std::string_view(whole).substr(prompt.size()));
      parser.finish();
      const auto& calls = parser.answer().calls;
      if (calls.size() != 1 || !calls[0].complete) continue;  // it has no place for calls, or for arguments of this kind
      CHECK(calls[0].name == "look");
      const auto said = nibble::json::try_parse(calls[0].arguments);
      REQUIRE(said);
      REQUIRE(said->find("where"));
      CHECK(said->find("where")->string() == "a <b> \"c\" 12");
      REQUIRE(said->find("far"));
      CHECK(said->find("far")->integer() == 7);
      ++read;
      break;
    }
  }
  CHECK(read > 15);
}
