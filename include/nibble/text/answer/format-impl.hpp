/// The definitions behind format.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <string_view>

#include "nibble/text/answer/arguments.hpp"
#include "nibble/text/answer/formats.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {

/// What stands for the first character of a mark, and the bytes of the mark that it stands for.
inline std::string_view written_first(std::string_view mark, const mark_spelling& how, std::size_t& bytes) noexcept {
  constexpr mark_spelling usual{};
  for (const auto part : {&mark_spelling::bar, &mark_spelling::space}) {
    if (!mark.starts_with(usual.*part)) continue;
    bytes = (usual.*part).size();
    return how.*part;
  }
  bytes = 1;
  return mark.substr(0, 1);
}

mark_match match_mark(std::string_view mark, std::string_view text, const mark_spelling& how) noexcept {
  std::size_t at = 0;
  for (std::size_t i = 0, bytes = 0; i < mark.size(); i += bytes) {
    const std::string_view wanted = written_first(mark.substr(i), how, bytes), next = text.substr(at, wanted.size());
    if (!wanted.starts_with(next)) return {};
    at += next.size();
    if (next.size() < wanted.size()) return {true, false, at};
  }
  return {true, true, at};
}

std::string spelled(std::string_view mark, const mark_spelling& how) {
  std::string out;
  for (std::size_t i = 0, bytes = 0; i < mark.size(); i += bytes) out += written_first(mark.substr(i), how, bytes);
  return out;
}

}  // namespace detail

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

answer_beginning answer_syntax::behind(std::string_view prompt_end) const {
  static constexpr answer_format none{};
  const answer_format& f = calls ? *calls : none;
  const std::string_view end = detail::without_blanks(prompt_end);
  const auto ends_with = [end](std::string_view mark) {
    mark = detail::without_blanks(mark);
    return !mark.empty() && end.ends_with(mark);
  };
  answer_beginning out;
  if (ends_with(reasoning.begin)) {
    out.where = answer_beginning::part::reasoning;
  } else if (f.calls_begin.empty() && ends_with(f.call_begin)) {
    out.where = answer_beginning::part::call;
  }
  if (out.where != answer_beginning::part::text) return out;
  out.reasoned = ends_with(reasoning.end);
  const auto goes_on = [](const auto& marks, std::string_view turn) {
    return std::any_of(marks.begin(), marks.end(),
                       [turn](std::string_view mark) { return mark.size() > turn.size() && mark.starts_with(turn); });
  };
  for (const std::string_view mark : f.ignored) {
    const std::string_view turn = detail::without_blanks(mark);
    if (ends_with(turn) && turn.size() > out.turn.size() && (goes_on(f.other_begins, turn) || goes_on(f.own_begins, turn)))
      out.turn = turn;
  }
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
