// Functions of the program that a model may call: it asks, the program answers, until the model says what came of it.
//
//     20_tools model.gguf ["question"]
#include <iostream>
#include <map>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

// what a model is told of the functions, as OpenAI's interface describes them
const nibble::json tools = nibble::json::parse(R"([
  {"type": "function", "function": {"name": "temperature", "description": "How warm it is in a city now, in degrees Celsius.",
   "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}, "required": ["city"]}}},
  {"type": "function", "function": {"name": "to_fahrenheit", "description": "Degrees Celsius as degrees Fahrenheit.",
   "parameters": {"type": "object", "properties": {"celsius": {"type": "number", "minimum": -100, "maximum": 100}},
                  "required": ["celsius"]}}}])");

// arguments fit their schema, so there is nothing to check but what a schema cannot say
std::string run(const nibble::tool_call& call) {
  const auto arguments = nibble::json::parse(call.arguments);
  if (call.name == "to_fahrenheit") return nibble::json(*arguments.find("celsius")->real() * 9 / 5 + 32).text();
  const std::map<std::string, double, std::less<>> measured{{"Ulm", 21}, {"Oslo", 9.5}, {"Cairo", 33}};
  const auto city = measured.find(arguments.find("city")->string());
  return city == measured.end() ? R"({"error": "no such city"})" : nibble::json(city->second).text();
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 20_tools MODEL.gguf [QUESTION]\n";
    return 2;
  }
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model, {.context = 2048});
  // a model without a template has learnt none of this, but what it writes is a call all the same
  const auto form = model.chat_form()
                        ? *model.chat_form()
                        : nibble::chat_template::parse("{% for m in messages %}{{ m.content }}\n{% endfor %}{# <tool_call> #}");

  std::vector<nibble::chat_message> talk{{"user", argc > 2 ? argv[2] : "How warm is it in Oslo now?"}};
  for (int round = 0; round < 4; ++round) {
    // the first answer has to be a call; then the model may speak
    const nibble::chat_options prompt{
        .tools = tools, .tool_choice = round == 0 ? nibble::tool_choice::required : nibble::tool_choice::automatic};
    auto reply = session.chat(talk, form, prompt, {.max_tokens = 200, .show_special = true});
    nibble::chat_parser parser = reply.parser();
    for (auto& event : reply) parser.feed(event.text);
    parser.finish();
    const nibble::chat_answer& answer = parser.answer();
    talk.push_back(nibble::message_of(answer));
    if (!answer.text.empty()) std::cout << answer.text << '\n';
    if (answer.calls.empty()) break;
    for (const nibble::tool_call& call : answer.calls) {
      if (!call.complete) return 0;  // max_tokens came before its end
      const std::string result = run(call);
      std::cout << "[" << call.name << " " << call.arguments << " -> " << result << "]\n";
      talk.push_back({"tool", result, nibble::json::object({{"name", call.name}, {"tool_call_id", call.id}})});
    }
  }
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
