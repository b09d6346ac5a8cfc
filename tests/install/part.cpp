/// A part of a host, which links nibble and is installed.
#include <nibble/nibble.hpp>

#include <string>

std::string part_says(const char* path) {
  std::string text;
  auto model = nibble::any_model::load(path);
  auto session = nibble::session(model);
  for (auto& event : session.generate("It was a dark", {.max_tokens = 8})) text += event.text;
  return text;
}
