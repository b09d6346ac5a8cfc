/// The definitions behind parser.hpp, of calls. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/text/answer/arguments-impl.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr std::size_t most_name_bytes = 512;

/// The text of a string of JSON, or nothing.
inline std::string text_of_json(std::string_view written) {
  const auto value = json::try_parse(written);
  return value ? std::string(value->string()) : std::string();
}

inline bool is_in_number(json_scanner::state s) noexcept {
  return s >= json_scanner::state::minus && s <= json_scanner::state::power_digits;
}

}  // namespace detail

/// Between calls, and behind the mark that begins them.
bool chat_parser::read_calls() {
  const answer_format& f = *syntax_.calls;
  const bool objects = f.shape == call_shape::json || f.shape == call_shape::keyed_json;
  for (; skip_blanks(); ++at_) {
    const char c = buffer_[at_];
    if (c == '[' && bracket_ == 0 && objects && !f.whole) {
      bracket_ = '[';
    } else if (c == ']' && bracket_ == '[') {
      bracket_ = ']';
    } else if (!(c == ',' && bracket_ == '[') && !(c == ';' && f.whole && calls_here_ > 0)) {
      break;
    }
  }
  if (at_ == buffer_.size() && !ended_) return false;
  const found end = find(f.calls_end), begin = find(f.call_begin);
  if (end == found::whole) {
    pass(f.calls_end);
    if (calls_here_ == 0) return give_up();
    leave_mark(place::text);
    return true;
  }
  if (end == found::beginning || begin == found::beginning) return false;
  if (begin == found::whole) {
    pass(f.call_begin);
    value_.clear();
    place_ = place::header;
    return true;
  }
  if (objects && at_ < buffer_.size() && buffer_[at_] == '{' && bracket_ != ']') {
    scanner_ = {};
    open_member_ = streams_ = has_arguments_ = holds_arguments_ = named_ = misnamed_ = false;
    value_.clear();
    place_ = place::json;
    return true;
  }
  if (calls_here_ == 0) return give_up();
  leave_mark(place::text);
  return true;
}

bool chat_parser::read_json() {
  for (; at_ < buffer_.size(); ++at_) {
    const auto before = scanner_.where();
    const std::size_t depth = scanner_.depth();
    const bool key = scanner_.in_key();
    const auto verdict = scanner_.feed(buffer_[at_]);
    if (verdict == detail::json_scanner::verdict::wrong) return give_up();
    read_member(buffer_[at_], before, depth, key);
    if (verdict != detail::json_scanner::verdict::done && !misnamed_) continue;
    ++at_;
    if (!named_) return give_up();
    if (!has_arguments_) add_arguments("{}");
    end_call(true);
    return true;
  }
  if (named_) from_ = at_;
  if (ended_) return give_up();
  return false;
}

/// What a byte of a call is to the members of its object, which the scanner has just read.
void chat_parser::read_member(char c, detail::json_scanner::state before, std::size_t depth, bool key) {
  using state = detail::json_scanner::state;
  if (open_member_) {
    const bool number_ended = depth == 1 && detail::is_in_number(before) && !detail::is_in_number(scanner_.where());
    if (!number_ended && streams_) add_arguments({&c, 1});
    if (!number_ended && !streams_) value_ += c;
    if (number_ended || (scanner_.depth() == 1 && scanner_.where() == state::after)) end_member();
    return;
  }
  if (depth != 1) return;
  const answer_format& f = *syntax_.calls;
  if ((before == state::first_key || before == state::key) && c == '"') {
    key_.clear();
  } else if (before == state::text && key) {
    if (scanner_.where() != state::colon) {
      key_ += c;
    } else if (f.shape == call_shape::keyed_json && !named_) {
      begin_call(detail::text_of_json('"' + key_ + '"'));
    }
  } else if (before == state::value && detail::blanks.find(c) == detail::blanks.npos) {
    value_.clear();
    open_member_ = true;
    const bool is_arguments =
        f.shape == call_shape::keyed_json || key_ == f.arguments_key || key_ == "arguments" || key_ == "parameters";
    streams_ = is_arguments && named_ && !has_arguments_ && c == '{';
    has_arguments_ = has_arguments_ || streams_;
    if (streams_) {
      add_arguments({&c, 1});
    } else {
      value_ += c;
    }
  }
}

void chat_parser::end_member() {
  const answer_format& f = *syntax_.calls;
  open_member_ = false;
  if (streams_) {
    streams_ = false;
  } else if (f.shape == call_shape::keyed_json) {
    if (named_ && !has_arguments_) add_whole_arguments(value_);
  } else if (key_ == f.name_key && !named_) {
    begin_call(detail::text_of_json(value_));
    if (named_ && holds_arguments_) add_whole_arguments(held_);
  } else if ((key_ == f.arguments_key || key_ == "arguments" || key_ == "parameters") && !has_arguments_) {
    if (named_) {
      add_whole_arguments(value_);
    } else {
      held_ = value_, holds_arguments_ = true;
    }
  } else if (key_ == f.id_key) {
    id_ = value_.starts_with('"') ? detail::text_of_json(value_) : value_;
    if (named_) answer_.calls.back().id = id_;
  }
}

void chat_parser::begin_call(std::string_view name) {
  named_ = !name.empty() && name.size() <= detail::most_name_bytes && (any_name_ || is_tool(name));
  misnamed_ = !named_;
  if (misnamed_) return;
  answer_.calls.push_back({id_, std::string(name), {}, false});
  give(answer_part::call, name);
  from_ = at_;
}

void chat_parser::add_arguments(std::string_view json) { give(answer_part::arguments, json); }

/// Arguments that are there as a whole: an object, or a string with one in it.
void chat_parser::add_whole_arguments(std::string_view json) {
  has_arguments_ = true;
  const std::string inside = json.starts_with('"') ? detail::text_of_json(json) : std::string();
  const std::string_view object = detail::without_blanks(inside);
  add_arguments(detail::is_json_object(object) ? object : json);
}

void chat_parser::end_call(bool ended_well) {
  tool_call& call = answer_.calls.back();
  call.complete = ended_well && detail::is_json_object(call.arguments) && (tools_.empty() || is_tool(call.name));
  if (call.id.empty()) call.id = "call_" + std::to_string(answer_.calls.size());
  give(answer_part::call_end, {});
  named_ = quoted_ = behind_key_ = false;
  id_.clear();
  ++calls_here_;
  leave_mark(syntax_.calls->calls_begin.empty() && !syntax_.calls->whole ? place::text : place::calls);
}

/// It is no call, or breaks off: what was not given out is text, and what follows.
bool chat_parser::give_up() {
  while (at_ < buffer_.size() && (static_cast<unsigned char>(buffer_[at_]) & 0xC0) == 0x80) ++at_;  // the rest of a character
  if (named_) {
    end_call(false);
  } else {
    place_ = place::text;
    give_prose(at_);
    said_ = true;
  }
  id_.clear();
  quoted_ = behind_key_ = fresh_ = false;
  place_ = place::text;
  from_ = prose_end_ = at_;
  return true;
}

/// False at the end of what there is.
bool chat_parser::skip_blanks() noexcept {
  while (at_ < buffer_.size() && detail::blanks.find(buffer_[at_]) != detail::blanks.npos) ++at_;
  return at_ < buffer_.size();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
