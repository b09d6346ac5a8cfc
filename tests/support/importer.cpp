// examples/01_hello.cpp with a module: tests/module.sh.
#include <iostream>

import nibble;

int main(int, char** argv) {
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model);
  for (auto& event : session.generate("The capital of France is", {.max_tokens = 64})) std::cout << event.text << std::flush;
}
