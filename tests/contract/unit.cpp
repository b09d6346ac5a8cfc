/// One unit of the program in three builds (UNIT = plain, avx2, nothrow): it sees every header and generates text.
#include "unit.hpp"

#include "all.hpp"

#define NAME_(function, unit) function##_##unit
#define NAME(function, unit) NAME_(function, unit)

std::string NAME(speak, UNIT)(const nibble::any_model& model) {
  auto session = nibble::session::try_create(model, {.context = 64});
  if (!session) return std::string("error: ") + session.failure().what();
  std::string text;
  for (auto& event : session->generate("It was a dark", {.max_tokens = 8})) text += event.text;
  return text;
}

nibble::result<nibble::session> NAME(session, UNIT)(const nibble::any_model& model) {
  return nibble::session::try_create(model, {.context = 64});
}
