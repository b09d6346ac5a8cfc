/// The definitions behind parser.hpp, of names and arguments in marks. Compiled once: see nibble/compile.hpp; never include it
/// yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/answer/parser_calls-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The name, and the id where there is one.
bool chat_parser::read_header() {
  const answer_format& f = *syntax_.calls;
  const bool ends_with_mark = !detail::without_blanks(f.name_end).empty();
  for (; at_ < buffer_.size(); ++at_) {
    const char c = buffer_[at_];
    if (ends_with_mark) {
      const found end = find(f.name_end);
      if (end == found::beginning) return false;
      if (end == found::whole) {
        pass(f.name_end);
        return end_header();
      }
    } else if (!detail::without_blanks(value_).empty()) {
      const found key = find(f.key_begin), end = find(f.call_end);
      if (key == found::beginning || end == found::beginning) return false;
      if (c == '\n' || key == found::whole || end == found::whole) return end_header();
    }
    if (value_.size() == detail::most_name_bytes || c == '\0') {
      ++at_;
      return give_up();
    }
    value_ += c;
  }
  return ended_ && give_up();
}

bool chat_parser::end_header() {
  const answer_format& f = *syntax_.calls;
  std::string_view name = detail::without_blanks(value_);
  if (const std::size_t at = f.id_end.empty() ? name.npos : name.find(f.id_end); at != name.npos) {
    id_ = detail::without_blanks(name.substr(0, at));
    name = detail::without_blanks(name.substr(at + f.id_end.size()));
  }
  if (const std::size_t at = f.id_begin.empty() ? name.npos : name.find(f.id_begin); at != name.npos) {
    id_ = detail::without_blanks(name.substr(at + f.id_begin.size()));
    name = detail::without_blanks(name.substr(0, at));
  }
  if (!f.id_prefix.empty()) {
    id_ = name;
    if (name.starts_with(f.id_prefix)) name.remove_prefix(f.id_prefix.size());
    name = name.substr(0, name.rfind(f.id_suffix));
  }
  name = name.substr(0, std::min(name.find_first_of(" \t\r\n<>{\""), name.size()));
  if (!f.text_name.empty() && name == f.text_name) {
    id_.clear();
    leave_mark(place::text);
    return true;
  }
  scanner_ = {};
  quoted_ = false;
  if (!f.code_name.empty() && name == f.code_name) {
    value_.clear();
    any_name_ = true;
    place_ = place::code;
    return true;
  }
  begin_call(name);
  if (!named_) return give_up();
  value_.clear();
  if (f.shape == call_shape::parameters) add_arguments("{");
  place_ = f.shape == call_shape::parameters ? place::keys : f.shape == call_shape::gemma ? place::gemma : place::arguments;
  return true;
}

/// An object of JSON; or a string with one in it.
bool chat_parser::read_arguments() {
  using verdict = detail::json_scanner::verdict;
  if (scanner_.where() == detail::json_scanner::state::begin && !skip_blanks()) return ended_ && give_up();
  const std::size_t begin = at_;
  verdict seen = verdict::more;
  const bool text = scanner_.where() == detail::json_scanner::state::begin ? buffer_[at_] == '"' : !value_.empty();
  while (at_ < buffer_.size() && seen == verdict::more) seen = scanner_.feed(buffer_[at_++]);
  if (seen == verdict::wrong) --at_;
  const std::string_view read = std::string_view(buffer_).substr(begin, at_ - begin);
  if (text) {
    value_ += read;
  } else {
    add_arguments(read);
  }
  from_ = at_;
  if (seen == verdict::wrong) return give_up();
  if (seen == verdict::more) return ended_ && give_up();
  if (text) add_whole_arguments(value_);
  place_ = place::call_end;
  return true;
}

bool chat_parser::read_call_end() {
  const bool more = syntax_.calls->call_end.empty() || skip_blanks();
  const found end = find(syntax_.calls->call_end);
  if (!ended_ && (!more || end == found::beginning)) return false;
  if (end == found::whole) pass(syntax_.calls->call_end);
  end_call(true);
  return true;
}

bool chat_parser::read_keys() {
  const answer_format& f = *syntax_.calls;
  if (!skip_blanks()) return ended_ && give_up();
  const found key = find(f.key_begin), end = find(f.call_end);
  if (key == found::beginning || end == found::beginning) return false;
  if (key == found::whole) {
    pass(f.key_begin);
    key_.clear();
    place_ = place::key;
    return true;
  }
  if (end == found::none) return give_up();
  add_arguments("}");
  place_ = place::call_end;
  return true;
}

/// The name of a parameter, and what stands between it and its value.
bool chat_parser::read_key() {
  const answer_format& f = *syntax_.calls;
  while (at_ < buffer_.size()) {
    const std::string_view awaited = behind_key_ ? f.value_begin : f.key_end;
    const found end = find(awaited);
    if (end == found::beginning) return false;
    if (end == found::none) {
      std::string& out = behind_key_ ? value_ : key_;
      if (out.size() == detail::most_name_bytes) return give_up();
      out += buffer_[at_++];
      continue;
    }
    pass(awaited);
    const bool was_key = !behind_key_;
    typed_as_text_ = !was_key && value_.find("true") != value_.npos;
    behind_key_ = was_key && !f.value_begin.empty();
    value_.clear();
    if (behind_key_) continue;
    place_ = place::value;
    return true;
  }
  return ended_ && give_up();
}

bool chat_parser::read_value() {
  const answer_format& f = *syntax_.calls;
  for (; at_ < buffer_.size(); ++at_) {
    const found end = find(f.value_end);
    if (end == found::beginning) return false;
    if (end == found::whole) {
      pass(f.value_end);
      add_parameter();
      place_ = place::keys;
      return true;
    }
    value_ += buffer_[at_];
  }
  return ended_ && give_up();
}

void chat_parser::add_parameter() {
  const answer_format& f = *syntax_.calls;
  std::string_view text = value_;
  const std::string_view before = f.value_begin.empty() ? f.key_end : f.value_begin;
  if (before.ends_with('\n') && text.starts_with('\n')) text.remove_prefix(1);
  if (f.value_end.starts_with('\n') && text.ends_with('\n')) text.remove_suffix(1);
  std::string json = answer_.calls.back().arguments == "{" ? "" : ",";
  detail::append_json_string(detail::without_blanks(key_), json);
  json += ':';
  const parameter* known = find_parameter(answer_.calls.back().name, detail::without_blanks(key_));
  if (f.value_typed ? typed_as_text_ : known && known->is_text) {
    detail::append_json_string(text, json);
  } else {
    detail::append_parameter(text, f.value_typed || known, json);
  }
  add_arguments(json);
}

bool chat_parser::read_gemma() {
  constexpr std::string_view quote = "<|\"|>";
  for (; at_ < buffer_.size(); ++at_) {
    const found quotes = find(quote), end = quoted_ ? found::none : find(syntax_.calls->call_end);
    if (quotes == found::beginning || end == found::beginning) return false;
    if (end == found::whole) {
      std::string json;
      detail::append_gemma_object(value_, json);
      add_arguments(json);
      place_ = place::call_end;
      return true;
    }
    if (quotes == found::whole) {
      quoted_ = !quoted_;
      value_ += quote;
      at_ += quote.size() - 1;
    } else {
      value_ += buffer_[at_];
    }
  }
  return ended_ && give_up();
}

/// All calls at once, for a mark in a text of theirs does not end them.
bool chat_parser::read_python() {
  for (; at_ < buffer_.size(); ++at_) {
    const char c = buffer_[at_];
    const found end = quote_ == 0 ? find(syntax_.calls->calls_end) : found::none;
    if (end == found::beginning) return false;
    if (end == found::whole) break;
    if (quote_ == 0 && (c == '"' || c == '\'')) {
      quote_ = c;
    } else if (quote_ == c && !escaped_) {
      quote_ = 0;
    }
    escaped_ = quote_ != 0 && c == '\\' && !escaped_;
    value_ += c;
  }
  const bool closed = at_ < buffer_.size();
  if (!closed && !ended_) return false;
  std::vector<tool_call> calls;
  const bool all = detail::read_python_calls(value_, calls) && !calls.empty();
  if (closed) pass(syntax_.calls->calls_end);
  if (!all) return give_up();
  for (const tool_call& call : calls) {
    begin_call(call.name);
    add_arguments(call.arguments);
    end_call(call.complete);
  }
  leave_mark(place::text);
  return true;
}

/// Behind the mark of code: a call as JSON, one in Python's way, or code; behind the name of what takes code: arguments, or
/// code.
bool chat_parser::read_code() {
  const answer_format& f = *syntax_.calls;
  if (value_.empty() && !skip_blanks()) return ended_ && give_up();
  const bool by_name = f.code_begin.empty();
  if (value_.empty() && buffer_[at_] == '{' && (by_name || f.shape == call_shape::json)) {
    bracket_ = 0, calls_here_ = 0, place_ = by_name ? place::arguments : place::calls;
    if (by_name) begin_call(f.code_name);
    return true;
  }
  found end = found::none;
  for (; at_ < buffer_.size() && end != found::whole; ++at_) {
    end = by_name ? find(f.call_end) : found::none;
    if (end == found::beginning) return false;
    if (end == found::none) value_ += buffer_[at_];
  }
  if (end == found::whole) --at_, pass(f.call_end);
  if (end != found::whole && !ended_) return false;
  constexpr std::string_view called = ".call";
  std::vector<tool_call> calls;
  const bool all = f.whole && detail::read_python_calls(value_, calls) && calls.size() == 1 && calls[0].name.ends_with(called);
  std::string name(f.code_name), arguments = "{\"code\":";
  detail::append_json_string(value_, arguments);
  arguments += '}';
  if (all) name = calls[0].name.substr(0, calls[0].name.size() - called.size()), arguments = calls[0].arguments;
  begin_call(name);
  if (!named_) return give_up();
  add_arguments(arguments);
  end_call(true);
  return true;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
