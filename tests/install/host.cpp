/// The smallest host: loads a model and prints what it says.
#include <nibble/nibble.hpp>

#include <iostream>

int main(int, char** argv) {
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model);
  for (auto& event : session.generate("It was a dark", {.max_tokens = 8})) std::cout << event.text << std::flush;
}
