// An answer as a struct: the model writes JSON that a schema allows, and nothing else.
//
//     21_json model.gguf ["text"]
#include <iostream>
#include <memory>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

struct recipe {
  std::string name;
  std::int64_t minutes = 0;
  bool vegetarian = false;
  std::vector<std::string> ingredients;
};

constexpr const char* schema = R"({
  "type": "object", "additionalProperties": false, "required": ["name", "minutes", "vegetarian", "ingredients"],
  "properties": {
    "name": {"type": "string", "maxLength": 40},
    "minutes": {"type": "integer", "minimum": 1, "maximum": 600},
    "vegetarian": {"type": "boolean"},
    "ingredients": {"type": "array", "items": {"type": "string", "maxLength": 30}, "minItems": 1, "maxItems": 6}}})";

// the text is what the schema says, so every member is there and has its type
recipe read(std::string_view text) {
  const auto value = nibble::json::parse(text);
  recipe out{
      std::string(value.find("name")->string()), *value.find("minutes")->integer(), value.find("vegetarian")->boolean(), {}};
  for (const nibble::json& item : value.find("ingredients")->items()) out.ingredients.emplace_back(item.string());
  return out;
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 21_json MODEL.gguf [TEXT]\n";
    return 2;
  }
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model);
  const std::string about =
      argc > 2 ? argv[2] : "Fry two onions and a pound of mushrooms for half an hour, add cream and parsley.";
  const std::string asked = "The recipe as JSON, with name, minutes, vegetarian and ingredients: " + about;

  // made once for a model and a schema; the step of a sampler, in front of those that choose
  const auto words = std::make_shared<const nibble::token_trie>(model.tokenizer());
  const auto constraint = nibble::grammar_constraint(nibble::grammar::from_schema(schema, {.json_spaces = 1}), words);
  const nibble::generate_options options{.max_tokens = 500, .sampler = constraint | nibble::temperature{0.3f}, .seed = 1};

  std::string text;
  const std::vector<nibble::chat_message> talk{{"user", asked}};
  auto reply = model.chat_form() ? session.chat(talk, options) : session.generate(asked, options);
  for (auto& event : reply) text += event.text;
  if (reply.reason() != nibble::finish::grammar_end && reply.reason() != nibble::finish::end_of_text) {
    std::cerr << "the answer was cut off: " << name_of(reply.reason()) << '\n';
    return 1;
  }
  const recipe made = read(text);
  std::cout << made.name << ", " << made.minutes << " minutes" << (made.vegetarian ? ", vegetarian" : "") << ":\n";
  for (const std::string& i : made.ingredients) std::cout << "  " << i << '\n';
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
