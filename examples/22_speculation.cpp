// The same answer in fewer steps: guesses of what comes next, which the model checks several at a time. They come from the text
// itself, which answers often repeat, or from a smaller model.
//
//     22_speculation model.gguf [draft.gguf]
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 22_speculation MODEL.gguf [DRAFT.gguf]\n";
    return 2;
  }
  auto model = nibble::any_model::load(argv[1]);
  nibble::speculation how = nibble::prompt_lookup{};
  if (argc > 2) how = nibble::draft_model{nibble::any_model::load(argv[2])};

  const std::string list = "red, green, blue, yellow, black, white, ";
  const nibble::generate_options options{.max_tokens = 60, .sampler = nibble::temperature{0.3f}, .seed = 4};
  std::string expected;
  for (const auto& guesses : {nibble::speculation(), how}) {
    nibble::session session(model, {.context = 512, .speculation = guesses});
    std::string text;
    for (auto& event : session.generate(list + list + list, options)) text += event.text;
    const auto& s = session.stats();
    if (guesses) {
      std::cout << text << "\n[" << s.generated_tokens << " tokens in " << s.speculation_steps << " steps, "
                << s.accepted_guesses << " of " << s.guessed_tokens << " guesses came true]\n";
      std::cout << (text == expected ? "[as without guesses]\n" : "[another text!]\n");
    }
    expected = text;
  }
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
