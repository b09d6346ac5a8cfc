// A conversation with a model, or one answer. A model without a chat template goes on with the prompt's text.
//
//     03_chat model.gguf ["prompt"] [--raw]        --raw: no chat template, even if the file has one
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>
#include <string_view>
#include <vector>

// Streams a reply to standard output, its speed to standard error.
std::string print(nibble::generation reply) {
  std::string text;
  for (auto& event : reply) {
    std::cout << event.text << std::flush;
    text += event.text;
  }
  const auto& s = reply.stats();
  std::cout << std::endl;
  std::cerr << "[prompt " << s.prompt_tokens << " tokens, " << int(s.prompt_speed()) << " tokens/s; answer "
            << s.generated_tokens << " tokens, " << int(s.generation_speed()) << " tokens/s; " << name_of(reply.reason())
            << "]\n";
  return text;
}

int main(int argc, char** argv) try {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  bool chat = std::erase(arguments, "--raw") == 0;
  if (arguments.empty() || arguments.size() > 2) {
    std::cerr << "usage: 03_chat MODEL.gguf [PROMPT] [--raw]\n";
    return 2;
  }
  auto model = nibble::any_model::load(nibble::utf8_path(arguments[0]));
  auto session = nibble::session(model);
  chat = chat && model.chat_form();
  const nibble::generate_options options{
      .max_tokens = 512,
      .sampler = nibble::penalties{.repetition = 1.1f} | nibble::top_k{40} | nibble::top_p{0.95f} | nibble::temperature{0.7f}};

  std::vector<nibble::chat_message> talk;
  auto answer = [&](const std::string& prompt) {
    if (!chat) return static_cast<void>(print(session.generate(prompt, options)));
    talk.push_back({"user", prompt});
    talk.push_back({"assistant", print(session.chat(talk, options))});
  };

  if (arguments.size() == 2) {
    answer(arguments[1]);
    return 0;
  }
  std::cerr << (chat ? "Ask; " : "Begin a text; ") << "an empty line or Ctrl-D ends.\n";
  for (std::string line; std::cerr << "> ", std::getline(std::cin, line) && !line.empty();) answer(line);
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
