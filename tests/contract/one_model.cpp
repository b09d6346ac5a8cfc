// Two programs: MODEL is any model, or one of an architecture that is known when it is compiled. check.py compares what they
// hold.
#include <iostream>
#include <nibble/nibble.hpp>

int main(int argc, char** argv) {
  const auto model = MODEL::load(argv[argc - 1]);
  nibble::session talk(model);
  for (const auto& event : talk.generate("Once upon a time", {.max_tokens = 8})) std::cout << event.text;
}
