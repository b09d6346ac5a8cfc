/// A shared library that keeps nibble to itself and exports one C function.
#include <cstddef>
#include <cstring>

#include "all.hpp"

/// Writes generated text as a C string of at most `capacity` bytes. Returns 0, or 1 with the error's sentence instead.
extern "C" __attribute__((visibility("default"))) int guest_generate(const char* model_path, char* text, std::size_t capacity) {
  std::string out;
  int status = 0;
  if (auto model = nibble::any_model::try_load(model_path)) {
    nibble::session session(*model, {.context = 64});
    for (auto& event : session.generate("It was a dark", {.max_tokens = 8})) out += event.text;
  } else {
    out = model.failure().what();
    status = 1;
  }
  std::strncpy(text, out.c_str(), capacity - 1);
  text[capacity - 1] = '\0';
  return status;
}
