/// One unit of the program in three builds (UNIT = plain, avx2, nothrow): it sees every header and generates text.
#include "unit.hpp"

#include "all.hpp"

#define SPEAK_(unit) speak_##unit
#define SPEAK(unit) SPEAK_(unit)

std::string SPEAK(UNIT)(const char* model_path) {
  auto model = nibble::any_model::try_load(model_path);
  if (!model) return std::string("error: ") + model.failure().what();
  auto session = nibble::session::try_create(*model, {.context = 64});
  if (!session) return std::string("error: ") + session.failure().what();
  std::string text;
  for (auto& event : session->generate("It was a dark", {.max_tokens = 8})) text += event.text;
  return text;
}
