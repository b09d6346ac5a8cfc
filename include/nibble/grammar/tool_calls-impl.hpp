/// The definitions behind tool_calls.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/schema_document-impl.hpp"
#include "nibble/grammar/schema_keywords-impl.hpp"
#include "nibble/grammar/schema_strings.hpp"
#include "nibble/grammar/tool_calls.hpp"
#include "nibble/text/answer/arguments.hpp"
#include "nibble/text/answer/plain_text.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The schema of arguments: an object, closed where it says nothing of other members.
inline result<json> arguments_schema(const json* written) {
  if (!written || written->is(json_kind::null))
    return json::object({{"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}});
  if (!written->is(json_kind::object))
    return error(errc::bad_value, "expected a schema as an object, found " + described(*written));
  NIBBLE_TRY(schema_document(*written).check_all());
  const json* type = written->find("type");
  bool whole = false;
  if (type && (types_of(*type, whole) & schema_branch::object) == 0)
    return error(errc::bad_value, "/type: arguments are an object, found " + described(*type));
  json out = *written;
  out.set("type", "object");
  constexpr std::array<std::string_view, 7> opening = {
      "additionalProperties", "patternProperties", "unevaluatedProperties", "$ref", "allOf", "anyOf", "oneOf"};
  if (std::none_of(opening.begin(), opening.end(), [&](std::string_view key) { return out.find(key) != nullptr; }))
    out.set("additionalProperties", false);
  return out;
}

result<std::vector<tool_shape>> read_tools(const json& tools) {
  if (!tools.is(json_kind::array) && !tools.is(json_kind::null))
    return error(errc::invalid_argument, "tools: expected an array of them, found " + described(tools));
  std::vector<tool_shape> out;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < tools.items().size(); ++i) {
    const json& tool = tools.items()[i];
    const std::string number = "tool " + std::to_string(i);
    if (!tool.is(json_kind::object)) return error(errc::bad_value, number + ": expected an object, found " + described(tool));
    const json* function = tool.find("function");
    if (!function) function = &tool;
    const json* name = function->find("name");
    if (!name || name->string().empty()) return error(errc::bad_value, number + ": it has no name");
    if (!names.insert(name->string()).second)
      return error(errc::bad_value, number + ": another one is called " + quoted(name->string()) + ", too");
    auto schema = arguments_schema(function->find("parameters"));
    if (!schema) return std::move(schema).failure().in("parameters").in("tool \"" + std::string(name->string()) + '"');
    out.push_back({std::string(name->string()), *std::move(schema)});
  }
  return out;
}

inline std::string_view blanks_behind(std::string_view mark) {
  const std::size_t end = mark.find_last_not_of(blanks);
  return end == mark.npos ? std::string_view() : mark.substr(end + 1);
}

std::vector<std::string_view> call_rules::marks() const {
  std::vector<std::string_view> out;
  const auto add = [&](std::string_view mark) {
    if (mark = without_blanks(mark); !mark.empty()) out.push_back(mark);
  };
  add(format_.calls_begin.empty() ? format_.call_begin : format_.calls_begin);
  for (const std::string_view begin : format_.other_begins) add(begin);
  if (format_.whole) add(format_.code_begin);  // behind others stands code alone
  return out;
}

call_rules::id call_rules::behind_mark(bool parallel) {
  if (format_.whole) return out_.all.sequence({out_.blanks(), several(objects(), "; ", parallel)});
  if (format_.calls_begin.empty()) {
    const id call = headed();
    marked_sequence next(out_, speller_), whole(out_, speller_);
    next.mark(format_.call_begin).add(call);
    whole.add(call);
    if (parallel && !speller_.ends(format_.call_end)) whole.add(out_.many(next.pattern()));
    return whole.pattern();
  }
  const bool one_a_section = !format_.list && format_.call_begin.empty() && format_.shape != call_shape::python;
  const id first = out_.all.call(out_.rule(section(parallel)));
  if (!one_a_section || !parallel || format_.calls_end.empty() || speller_.ends(format_.calls_end)) return first;
  const id again = out_.all.sequence({out_.blanks(), speller_.pattern(without_blanks(format_.calls_begin), out_), first});
  return out_.all.sequence({first, out_.many(again)});
}

call_rules::id call_rules::behind_bare_mark(bool parallel) {
  const id call = headed();
  marked_sequence next(out_, speller_), whole(out_, speller_);
  next.mark(format_.call_begin).add(call);
  whole.add(call);
  if (parallel) whole.add(out_.many(next.pattern()));
  return whole.add(out_.optional(speller_.pattern(without_blanks(format_.calls_end), out_))).pattern();
}

/// What stands between the marks of calls.
call_rules::id call_rules::section(bool parallel) {
  marked_sequence whole(out_, speller_);
  whole.mark(blanks_behind(format_.calls_begin));
  if (format_.shape == call_shape::python) {
    whole.add(python(parallel));
  } else if (!format_.call_begin.empty()) {
    marked_sequence one(out_, speller_);
    one.mark(format_.call_begin).add(headed());
    const id call = out_.all.call(out_.rule(one.pattern()));
    whole.add(call);
    const id next = out_.all.sequence({out_.optional(literal("\n")), call});
    if (parallel && !speller_.ends(format_.call_end)) whole.add(out_.many(next));
  } else {
    const id calls = format_.list ? several(objects(), ", ", parallel) : objects();
    whole.add(format_.list ? out_.all.sequence({literal("["), calls, literal("]")}) : calls);
  }
  return whole.mark(format_.calls_end).pattern();
}

call_rules::id call_rules::several(id call, std::string_view between, bool parallel) {
  if (!parallel) return call;
  const id one = out_.all.call(out_.rule(call));
  return out_.all.sequence({one, out_.many(out_.all.sequence({literal(between), one}))});
}

/// A call as an object of JSON.
call_rules::id call_rules::objects() {
  std::vector<id> parts;
  for (const tool_shape& tool : tools_) {
    std::string before = "{", name;
    append_json_string(tool.name, name);
    if (format_.shape == call_shape::keyed_json) {
      before += name + ": ";
    } else {
      before += '"' + std::string(format_.name_key) + "\": " + name + ", \"" + std::string(format_.arguments_key) + "\": ";
    }
    parts.push_back(out_.all.sequence({literal(before), arguments(tool), literal("}")}));
  }
  return out_.all.choice(std::move(parts));
}

/// A call from its id or name to its end.
call_rules::id call_rules::headed() {
  if (headed_ != automaton::none) return out_.all.call(headed_);
  std::vector<id> parts;
  for (const tool_shape& tool : tools_) {
    marked_sequence whole(out_, speller_);
    whole.add(header(tool)).mark(format_.name_end);
    if (format_.shape == call_shape::parameters) {
      whole.add(parameters(tool));
    } else if (format_.shape == call_shape::gemma) {
      value_rules values(out_, speller_, gemma_notation, tool);
      whole.add(values.members(tool.schema, false, gemma_notation.behind_key, where(tool), 0));
    } else {
      whole.add(arguments(tool));
    }
    parts.push_back(whole.mark(format_.call_end).pattern());
  }
  headed_ = out_.rule(out_.all.choice(std::move(parts)));
  return out_.all.call(headed_);
}

call_rules::id call_rules::header(const tool_shape& tool) {
  const id name = literal(tool.name);
  if (!format_.id_end.empty()) {
    const id number = out_.call(grammar::try_from_regex("[A-Za-z0-9_-]{1,64}"), where(tool) + "its id");
    return out_.all.sequence({number, speller_.pattern(format_.id_end, out_), name});
  }
  if (format_.id_prefix.empty()) return name;
  const id digits = out_.all.repeat(out_.all.characters(char_set(U'0', U'9')), 1, 4);
  return out_.all.sequence({literal(format_.id_prefix), name, literal(format_.id_suffix), digits});
}

call_rules::id call_rules::arguments(const tool_shape& tool) {
  return out_.call(grammar::try_from_schema(tool.schema, out_.limits()), where(tool) + "parameters");
}

call_rules::id call_rules::python(bool parallel) {
  std::vector<id> parts;
  for (const tool_shape& tool : tools_) {
    value_rules values(out_, speller_, python_notation, tool);
    const id members = values.members(tool.schema, false, "=", where(tool), 0);
    parts.push_back(out_.all.sequence({literal(tool.name + "("), members, literal(")")}));
  }
  const id call = out_.all.choice(std::move(parts));
  if (format_.list) return out_.all.sequence({literal("["), several(call, ", ", parallel), literal("]")});
  const id lines = several(call, "\n", parallel);
  const id fenced = out_.all.sequence({literal("\n```python\n"), out_.all.call(out_.rule(lines)), literal("\n```\n")});
  return out_.all.choice({fenced, lines});
}

/// Parameters on their own, in the order of the schema.
call_rules::id call_rules::parameters(const tool_shape& tool) {
  if (const std::string unmet = unmet_by_members(tool.schema); !unmet.empty()) {
    out_.fail(error(errc::bad_value, where(tool) + unmet));
    return out_.nothing();
  }
  const json* properties = tool.schema.find("properties");
  std::vector<id> parts;
  for (const json::member& m : properties ? properties->members() : std::span<const json::member>()) {
    if (m.value.is(json_kind::boolean) && !m.value.boolean()) continue;  // it must not come
    const id one = out_.all.call(out_.rule(parameter(tool, m)));
    parts.push_back(is_required(tool.schema, m.key) ? one : out_.optional(one));
  }
  return out_.all.sequence(std::move(parts));
}

call_rules::id call_rules::parameter(const tool_shape& tool, const json::member& m) {
  const bool plain = is_plain_text(m.value, tool.schema);
  const std::string name = where(tool) + '"' + m.key + '"';
  marked_sequence whole(out_, speller_);
  whole.mark(format_.key_begin).add(literal(m.key)).mark(format_.key_end);
  if (format_.value_typed) whole.add(literal(plain ? "true" : "false"));
  whole.mark(format_.value_begin);
  if (!plain) {
    whole.add(out_.call(grammar::try_from_schema(tool.member_schema(m.value), out_.limits()), name));
    return whole.mark(format_.value_end).pattern();
  }
  std::vector<search_mark> ends;
  if (demands_of_text(m.value)) {
    speller_.add_marks(without_blanks(format_.value_end), automaton::none, ends);
    return whole.add(out_.strings(tool.member_schema(m.value), ends, name)).mark(format_.value_end).pattern();
  }
  speller_.add_marks(without_blanks(format_.value_end), search_mark::stop, ends);
  const std::uint32_t text = out_.declare();
  out_.define_search(text, ends, search_end::at_marks);
  return whole.add(out_.all.call(text)).mark(blanks_behind(format_.value_end)).pattern();
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
