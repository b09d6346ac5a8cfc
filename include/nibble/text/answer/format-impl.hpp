/// The definitions behind format.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <string_view>

#include "nibble/text/answer/formats.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

answer_syntax answer_syntax::of(std::string_view chat_template) {
  const auto stands = [chat_template](std::string_view text) { return chat_template.find(text) != chat_template.npos; };
  answer_syntax made;
  for (const answer_format& f : answer_formats) {
    if (!std::all_of(f.signs.begin(), f.signs.end(), stands)) continue;  // an empty one stands everywhere
    made.calls = &f;
    made.reasoning = f.reasoning;
    break;
  }
  if (!made.reasoning.begin.empty()) return made;
  const auto known =
      std::find_if(known_reasoning.begin(), known_reasoning.end(), [&](const reasoning_marks& r) { return stands(r.end); });
  if (known != known_reasoning.end()) made.reasoning = *known;
  return made;
}

answer_syntax answer_syntax::named(std::string_view format) {
  answer_syntax made{nullptr, known_reasoning.front()};
  const auto found =
      std::find_if(answer_formats.begin(), answer_formats.end(), [format](const answer_format& f) { return f.name == format; });
  if (found == answer_formats.end()) return made;
  made.calls = &*found;
  if (!found->reasoning.begin.empty()) made.reasoning = found->reasoning;
  return made;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
