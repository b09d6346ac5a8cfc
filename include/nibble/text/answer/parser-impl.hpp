/// The definitions behind parser.hpp, of text and reasoning. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>

#include "nibble/text/answer/arguments-impl.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/answer/plain_text.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

chat_parser::chat_parser(answer_syntax syntax, std::string_view prompt_end, const json& tools) : syntax_(syntax) {
  read_tools(tools);
  const answer_format none, &f = syntax_.calls ? *syntax_.calls : none;
  add_mark(syntax_.reasoning.begin, meaning::reasoning);
  add_mark(syntax_.reasoning.end, meaning::reasoning_end);
  add_mark(f.calls_begin, meaning::calls);
  if (f.calls_begin.empty()) {
    add_mark(f.call_begin, meaning::call);
    for (const std::string_view text : f.own_begins) add_mark(text, meaning::call);
  }
  for (const std::string_view text : f.other_begins) add_mark(text, f.calls_begin.empty() ? meaning::call : meaning::calls);
  if (f.bare_calls) add_mark(f.call_begin, meaning::call);
  add_mark(f.code_begin, meaning::code);
  for (const std::string_view text : f.ignored) add_mark(text, meaning::nothing);
  begin_behind(prompt_end);
}

void chat_parser::begin_behind(std::string_view prompt_end) {
  const answer_beginning begun = syntax_.behind(prompt_end);
  if (begun.where == answer_beginning::part::reasoning) return leave_mark(place::reasoning);
  if (begun.where == answer_beginning::part::call) {
    any_name_ = !syntax_.calls->plain_marks;
    place_ = place::header;
    return;
  }
  fresh_ = begun.reasoned;
  buffer_ = begun.turn;
}

void chat_parser::read_tools(const json& tools) {
  for (const json& tool : tools.items()) {
    const json* function = tool.find("function");
    if (!function) function = &tool;
    const json *name = function->find("name"), *schema = function->find("parameters");
    if (!name || name->string().empty()) continue;
    tools_.emplace_back(name->string());
    const json* properties = schema ? schema->find("properties") : nullptr;
    for (const json::member& m : properties ? properties->members() : std::span<const json::member>())
      parameters_.push_back({std::string(name->string()), m.key, detail::is_plain_text(m.value, *schema)});
  }
  std::sort(tools_.begin(), tools_.end());
  std::sort(parameters_.begin(), parameters_.end(),
            [](const parameter& a, const parameter& b) { return std::tie(a.tool, a.name) < std::tie(b.tool, b.name); });
}
const chat_parser::parameter* chat_parser::find_parameter(std::string_view tool, std::string_view name) const noexcept {
  const auto at = std::partition_point(parameters_.begin(), parameters_.end(),
                                       [&](const parameter& p) { return p.tool != tool ? p.tool < tool : p.name < name; });
  return at != parameters_.end() && at->tool == tool && at->name == name ? &*at : nullptr;
}

bool chat_parser::is_tool(std::string_view name) const noexcept {
  return std::binary_search(tools_.begin(), tools_.end(), name);
}

void chat_parser::add_mark(std::string_view text, meaning says) {
  text = detail::without_blanks(text);
  if (text.empty()) return;
  marks_.push_back({text, says});
  first_bytes_.set(static_cast<unsigned char>(text.front()));
}

std::span<const answer_delta> chat_parser::feed(std::string_view bytes) & {
  if (from_ > buffer_.size() / 2) {  // what is given out goes, at no more than the cost of reading it
    buffer_.erase(0, from_);
    at_ -= from_, prose_end_ -= std::min(prose_end_, from_), from_ = 0;
  }
  if (!ended_) characters_.feed(bytes, buffer_);
  return run();
}

std::span<const answer_delta> chat_parser::finish() & {
  if (!ended_) characters_.finish(buffer_);
  ended_ = true;
  return run();
}

std::span<const answer_delta> chat_parser::run() {
  given_.clear();
  pieces_.clear();
  deltas_.clear();
  while (step()) continue;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const std::size_t end = i + 1 < pieces_.size() ? pieces_[i + 1].begin : given_.size();
    const std::string_view text = std::string_view(given_).substr(pieces_[i].begin, end - pieces_[i].begin);
    deltas_.push_back({pieces_[i].part, text, pieces_[i].call});
  }
  return deltas_;
}

/// False when there is no more to read, or it has to wait.
bool chat_parser::step() {
  switch (place_) {
    case place::text:
    case place::reasoning:
      return read_prose();
    case place::calls:
      return read_calls();
    case place::json:
      return read_json();
    case place::header:
      return read_header();
    case place::arguments:
      return read_arguments();
    case place::call_end:
      return read_call_end();
    case place::keys:
      return read_keys();
    case place::key:
      return read_key();
    case place::value:
      return read_value();
    case place::gemma:
      return read_gemma();
    case place::code:
      return read_code();
    default:
      return read_python();
  }
}

/// How much of a mark, blanks at its ends apart, stands next.
detail::mark_match chat_parser::match(std::string_view text) const noexcept {
  text = detail::without_blanks(text);
  if (text.empty()) return {};
  const std::string_view next = std::string_view(buffer_).substr(at_);
  detail::mark_match beginning;
  const bool all = syntax_.calls && syntax_.calls->ascii_marks;
  for (std::size_t i = 0; i < (all ? mark_spellings.size() : 1); ++i) {
    const detail::mark_match m = detail::match_mark(text, next, mark_spellings[i]);
    if (m.whole) return m;
    if (m.fits) beginning = m;
  }
  return beginning;
}
/// Whether a mark stands next: its beginning, if the text ends there and more may come.
chat_parser::found chat_parser::find(std::string_view text) const noexcept {
  const detail::mark_match m = match(text);
  return m.whole ? found::whole : m.fits && !ended_ ? found::beginning : found::none;
}

bool chat_parser::may_stand(meaning says) const noexcept {
  const bool reasons = place_ == place::reasoning;
  if (says == meaning::reasoning) return !said_ || (!reasons && syntax_.reasoning.anywhere);
  if (says == meaning::reasoning_end) return reasons || !said_;
  return !reasons;
}

/// The longest mark that stands next; `waits` if a longer one may.
bool chat_parser::find_mark(mark& out, bool& waits) const noexcept {
  bool is_there = false;
  waits = false;
  for (const mark& m : marks_) {
    if (!may_stand(m.says) || (is_there && m.text.size() <= out.text.size())) continue;
    const found how = find(m.text);
    if (how == found::whole) out = m, is_there = true;
    waits = waits || how == found::beginning;
  }
  return is_there;
}

bool chat_parser::read_prose() {
  const bool whole = syntax_.calls && syntax_.calls->whole && place_ == place::text && !tools_.empty();
  for (; at_ < buffer_.size(); ++at_) {
    const char c = buffer_[at_];
    if (detail::blanks.find(c) != detail::blanks.npos) continue;
    if (whole && !said_ && c == '{') {
      give_prose(prose_end_);
      bracket_ = 0, calls_here_ = 0, any_name_ = false, place_ = place::calls;
      return true;
    }
    if (first_bytes_[static_cast<unsigned char>(c)]) {
      mark m{};
      bool waits = false;
      const bool is_there = find_mark(m, waits);
      if (waits) break;
      if (is_there) {
        begin_part(m);
        return true;
      }
    }
    said_ = true;
    prose_end_ = at_ + 1;
  }
  give_prose(ended_ && !(fresh_ && !said_) ? at_ : prose_end_);
  return false;
}

/// Goes on behind a mark, which stands next. What a call will be made of stays, until it is known to be one.
void chat_parser::begin_part(const mark& m) {
  give_prose(prose_end_);
  pass(m.text);
  const bool plain = syntax_.calls && (syntax_.calls->plain_marks || (syntax_.calls->bare_calls && m.says == meaning::call));
  any_name_ = m.says == meaning::code || !plain;
  switch (m.says) {
    case meaning::reasoning:
      return leave_mark(place::reasoning);
    case meaning::calls:
      bracket_ = quote_ = 0, calls_here_ = 0, value_.clear();
      place_ = syntax_.calls->shape == call_shape::python ? place::python : place::calls;
      return;
    case meaning::call:
      calls_here_ = 0, value_.clear();
      place_ = place::header;
      return;
    case meaning::code:
      value_.clear();
      place_ = place::code;
      return;
    default:
      return leave_mark(place::text);
  }
}

/// All that was read is done with, and a part begins of which nothing was said.
void chat_parser::leave_mark(place next) noexcept {
  place_ = next;
  from_ = prose_end_ = at_;
  fresh_ = true, said_ = false;
}

/// Gives out what is not yet, to `end`; but not blanks behind a mark.
void chat_parser::give_prose(std::size_t end) {
  if (end <= from_) return;
  std::string_view text = std::string_view(buffer_).substr(from_, end - from_);
  if (fresh_) text.remove_prefix(std::min(text.find_first_not_of(detail::blanks), text.size()));
  if (!text.empty()) {
    give(place_ == place::reasoning ? answer_part::reasoning : answer_part::text, text);
    fresh_ = false;
  }
  from_ = end;
}

void chat_parser::give(answer_part part, std::string_view text) {
  if (text.empty() && part != answer_part::call_end) return;
  const std::size_t call = answer_.calls.empty() ? 0 : answer_.calls.size() - 1;
  const bool goes_on = !pieces_.empty() && pieces_.back().part == part && pieces_.back().call == call &&
                       part != answer_part::call && part != answer_part::call_end;
  if (!goes_on) pieces_.push_back({part, call, given_.size()});
  given_ += text;
  if (part == answer_part::text) answer_.text += text;
  if (part == answer_part::reasoning) answer_.reasoning += text;
  if (part == answer_part::arguments) answer_.calls.back().arguments += text;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
