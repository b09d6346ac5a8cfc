/// Definitions of schema_expander.hpp: what a schema is, told by all that it refers to. Compiled once: see nibble/compile.hpp;
/// never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/automaton-impl.hpp"
#include "nibble/grammar/formats.hpp"
#include "nibble/grammar/number_texts-impl.hpp"
#include "nibble/grammar/regex-impl.hpp"
#include "nibble/grammar/schema_expander.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline schema_branch of_type(std::uint8_t types) {
  schema_branch b;
  b.types = types;
  return b;
}
inline schema_literal literal_of(std::uint32_t schema) noexcept { return schema * 2; }
inline std::uint8_t without(std::uint8_t type) noexcept { return static_cast<std::uint8_t>(schema_branch::all & ~type); }

error schema_expander::refused(id s, std::string_view keyword, std::string_view why, errc code) const {
  std::string where = document_.path(s);
  where += '/';
  where += keyword;
  return error(code, where + ": " + std::string(why));
}

result<schema_branches> schema_expander::expand(const std::vector<schema_literal>& all) {
  schema_branches out = {{}};
  for (const schema_literal x : all) NIBBLE_TRY(meet_of(out, x));
  return out;
}

result<schema_branches> schema_expander::of(schema_literal x) {
  if (x == anything) return schema_branches{{}};
  if (x == nothing) return schema_branches{};
  const id s = x / 2;
  if (!active_.insert(x).second) return refused(s, "$ref", "it leads back to itself, before any value is read");
  if (active_.size() > most_.nesting / 4) {
    return refused(s, "", "more than " + std::to_string(most_.nesting / 4) + " schemas apply to one value",
                   errc::limit_exceeded);
  }
  auto out = x % 2 == 0 ? valid(s) : invalid(s);
  active_.erase(x);
  return out;
}

result<void> schema_expander::meet(schema_branches& all, const schema_branches& more) {
  schema_branches out;
  for (const schema_branch& a : all) {
    for (const schema_branch& b : more) {
      schema_branch both = a;
      if (!narrow(both, b)) continue;
      out.push_back(std::move(both));
      if (out.size() > most_.alternatives)
        return error(errc::limit_exceeded, "more than " + std::to_string(most_.alternatives) + " alternatives");
    }
  }
  all = std::move(out);
  return {};
}
result<void> schema_expander::add(schema_branches& all, schema_branches more) {
  if (all.size() + more.size() > most_.alternatives)
    return error(errc::limit_exceeded, "more than " + std::to_string(most_.alternatives) + " alternatives");
  for (schema_branch& b : more) all.push_back(std::move(b));
  return {};
}
result<void> schema_expander::meet_of(schema_branches& all, schema_literal x) {
  if (x == anything || all.empty()) return {};
  if (x == nothing) {
    all.clear();
    return {};
  }
  auto more = of(x);
  if (!more) return std::move(more).failure();
  return meet(all, *more);
}
result<void> schema_expander::add_of(schema_branches& all, schema_literal x) {
  auto more = of(x);
  if (!more) return std::move(more).failure();
  return add(all, *std::move(more));
}

result<schema_literal> schema_expander::literal(id within, const json& schema, std::string_view step) {
  if (schema.is(json_kind::boolean)) return schema.boolean() ? anything : nothing;
  if (!schema.is(json_kind::object)) return refused(within, step, "expected a schema");
  if (schema.members().empty()) return anything;
  return literal_of(document_.number_of(schema, within, step));
}
result<std::vector<schema_literal>> schema_expander::literals(id within, const json& list, std::string_view step) {
  if (!list.is(json_kind::array)) return refused(within, step, "expected an array of schemas");
  std::vector<schema_literal> out;
  for (const json& item : list.items()) {
    auto x = literal(within, item, std::string(step) + "/" + std::to_string(out.size()));
    if (!x) return std::move(x).failure();
    out.push_back(*x);
  }
  return out;
}

result<std::uint32_t> schema_expander::count(id s, std::string_view keyword, const json& value) {
  const auto number = value.is(json_kind::number) ? decimal_of(value.digits()) : std::nullopt;
  if (!number || number->negative || !number->fraction.empty())
    return refused(s, keyword, "expected a whole number that is not negative");
  if (number->whole.size() > 9) return schema_branch::unlimited - 1;
  return static_cast<std::uint32_t>(std::stoul(number->whole));
}

// What is valid.

std::optional<std::string_view> schema_expander::reference_keyword(const json& schema) const {
  for (const std::string_view key : {"$ref", "$dynamicRef", "$recursiveRef"})
    if (schema.find(key)) return key;
  return std::nullopt;
}

result<schema_expander::id> schema_expander::referenced(id s, std::string_view keyword, std::string_view reference) {
  if (keyword == "$dynamicRef") {
    const std::string_view anchor = reference.substr((std::min)(reference.find('#') + 1, reference.size()));
    if (document_.is_dynamic(anchor))
      return refused(s, keyword, "it depends on what refers to this schema, which is not supported");
  }
  if (keyword == "$recursiveRef" && document_.resources() > 1)
    return refused(s, keyword, "it depends on what refers to this schema, which is not supported");
  auto found = document_.find(s, reference);
  if (!found) return refused(s, keyword, found.failure().what());
  return found;
}

/// Without the keywords that depend on what the others have looked at.
result<schema_branches> schema_expander::evaluated(id s) {
  const json& schema = document_[s];
  if (schema.is(json_kind::boolean)) return schema.boolean() ? schema_branches{{}} : schema_branches{};
  if (!schema.is(json_kind::object)) return refused(s, "", "expected a schema");
  schema_branches all = {{}};
  for (const std::string_view key : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    const json* reference = schema.find(key);
    if (!reference) continue;
    if (!reference->is(json_kind::string)) return refused(s, key, "expected a reference");
    auto target = referenced(s, key, reference->string());
    if (!target) return std::move(target).failure();
    NIBBLE_TRY(meet_of(all, literal_of(*target)));
    if (document_.ignores_siblings(s)) return all;
  }
  schema_branch own;
  NIBBLE_TRY(assertions(s, own));
  NIBBLE_TRY(meet(all, {own}));
  if (const json* value = schema.find("const")) {
    auto more = one_of_values(s, {value});
    if (!more) return more;
    NIBBLE_TRY(meet(all, *more));
  }
  if (const json* values = schema.find("enum")) {
    std::vector<const json*> list;
    for (const json& v : values->items()) list.push_back(&v);
    auto more = one_of_values(s, std::move(list));
    if (!more) return more;
    NIBBLE_TRY(meet(all, *more));
  }
  NIBBLE_TRY(dependencies(s, all));
  NIBBLE_TRY(in_place(s, all));
  return all;
}

result<schema_branches> schema_expander::valid(id s) {
  auto all = evaluated(s);
  if (all) NIBBLE_TRY(unevaluated(s, *all));
  return all;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
