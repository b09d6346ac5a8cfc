// A model file speaks: 01_hello model.gguf
#include <iostream>
#include <nibble/nibble.hpp>

int main(int argc, char** argv) {
  if (argc < 2) return 1;
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model);
  for (auto& event : session.generate("The capital of France is", {.max_tokens = 64})) std::cout << event.text << std::flush;
}
