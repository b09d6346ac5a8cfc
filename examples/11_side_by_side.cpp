// Several prompts answered side by side: each pass over the weights makes one token for every reply that is not at its end.
//
//     11_side_by_side model.gguf ["prompt" ...]
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 11_side_by_side MODEL.gguf [PROMPT...]\n";
    return 2;
  }
  std::vector<std::string> prompts(argv + 2, argv + argc);
  if (prompts.empty()) prompts = {"Once upon a time", "My dear Sir,", "It is a truth universally acknowledged, that"};

  auto model = nibble::any_model::load(argv[1]);
  std::vector<std::string> texts(prompts.size());
  const auto reasons = nibble::generate_each(
      model, prompts, {.max_tokens = 40, .sampler = nibble::top_k{40} | nibble::temperature{0.8f}, .seed = 1, .stop = {"\n\n"}},
      [&](std::size_t i, const nibble::token_event& event) { texts[i] += event.text; }, {.context = 512});

  for (std::size_t i = 0; i < prompts.size(); ++i)
    std::cout << prompts[i] << texts[i] << "\n[" << name_of(reasons[i]) << "]\n\n";
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
