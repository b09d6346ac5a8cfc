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
inline constexpr std::uint64_t most_kept_parts = 500'000;  // of branches that are looked up and not made again
inline std::uint8_t without(std::uint8_t type) noexcept { return static_cast<std::uint8_t>(schema_branch::all & ~type); }

result<schema_branches> schema_expander::expand(const std::vector<schema_literal>& all) {
  schema_branches out = {{}};
  at_ = all.empty() ? document_.root() : all.front() / 2;
  for (const schema_literal x : all) NIBBLE_TRY(meet_of(out, x));
  return out;
}

std::string schema_expander::place_of(const std::vector<schema_literal>& all) const {
  const std::string itself = "the schema itself";
  std::string out;
  for (std::size_t i = 0; i < all.size() && i < 3; ++i) {
    const std::string path = all[i] < anything ? document_.path(all[i] / 2) : std::string();
    (out += i > 0 ? " and " : "") += path.empty() ? itself : path;
  }
  return all.empty() ? itself : out + (all.size() > 3 ? " and others" : "");
}

result<void> schema_expander::spend(std::uint64_t steps) {
  const std::uint64_t most = std::uint64_t{10'000} * most_.alternatives;
  work_ = steps < most - work_ ? work_ + steps : most;
  if (work_ < most) return {};
  return refused(at_, "", "more than " + std::to_string(most) + " steps to multiply its combinations out",
                 errc::limit_exceeded);
}

result<schema_expander::shared_branches> schema_expander::of(schema_literal x) {
  if (x == anything) return std::make_shared<const schema_branches>(1);
  if (x == nothing) return std::make_shared<const schema_branches>();
  if (const auto known = known_.find({x, exact_}); known != known_.end()) return known->second;
  const id s = x / 2;
  NIBBLE_TRY(spend(1 + document_[s].members().size()));
  NIBBLE_TRY(document_.check(s));
  if (!active_.insert(x).second) return refused(s, "$ref", "it leads back to itself, before any value is read");
  if (active_.size() > most_.nesting / 4) {
    return refused(s, "", "more than " + std::to_string(most_.nesting / 4) + " schemas apply to one value",
                   errc::limit_exceeded);
  }
  const bool negating = std::exchange(negating_, x % 2 != 0);
  const id at = std::exchange(at_, s);
  auto out = negating_ ? invalid(s) : valid(s);
  negating_ = negating, at_ = at;
  active_.erase(x);
  if (!out) return std::move(out).failure();
  std::uint64_t parts = 0;
  for (const schema_branch& b : *out) parts += size_of(b).parts;
  NIBBLE_TRY(spend(parts));
  auto shared = std::make_shared<const schema_branches>(*std::move(out));
  parts += 8 * shared->size();
  if (known_parts_ + parts <= most_kept_parts) known_parts_ += parts, known_.emplace(std::pair(x, exact_), shared);
  return shared;
}

error schema_expander::too_many_alternatives() const {
  return refused(at_, "", "more than " + std::to_string(most_.alternatives) + " alternatives", errc::limit_exceeded);
}
result<void> schema_expander::meet(schema_branches& all, const schema_branches& more) {
  schema_branches out;
  std::vector<branch_size> sizes;
  for (const schema_branch& b : more) sizes.push_back(size_of(b));
  for (const schema_branch& a : all) {
    const branch_size size = size_of(a);
    NIBBLE_TRY(spend(size.parts + more.size()));
    for (std::size_t i = 0; i < more.size(); ++i) {
      const schema_branch& b = more[i];
      if ((a.types & b.types) == 0) continue;
      NIBBLE_TRY(spend(size.of_meet(sizes[i])));
      schema_branch both = a;
      if (!narrow(both, b)) continue;
      out.push_back(std::move(both));
      if (out.size() > most_.alternatives) return too_many_alternatives();
    }
  }
  all = std::move(out);
  return {};
}
result<void> schema_expander::add(schema_branches& all, schema_branches more) {
  if (all.size() + more.size() > most_.alternatives) return too_many_alternatives();
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
  return meet(all, **more);
}
result<void> schema_expander::add_of(schema_branches& all, schema_literal x) {
  auto more = of(x);
  if (!more) return std::move(more).failure();
  return add(all, **more);
}

/// What is valid against one of several, wherever these stand.
schema_literal schema_expander::either(std::vector<schema_literal> any, id within) {
  std::sort(any.begin(), any.end());
  any.erase(std::unique(any.begin(), any.end()), any.end());
  std::erase(any, nothing);
  if (any.empty()) return nothing;
  if (any.size() == 1 || any.back() == anything) return any.back();
  const auto [found, is_new] = either_numbers_.try_emplace(any, nothing);
  if (is_new) {
    const id made = document_.add_made(json::object(), within, "unevaluatedItems");
    either_.emplace(made, std::move(any));
    found->second = literal_of(made);
  }
  return found->second;
}

schema_literal schema_expander::literal(id within, const json& schema, const schema_step& step) {
  if (schema.is(json_kind::boolean)) return schema.boolean() ? anything : nothing;
  return schema.members().empty() ? anything : literal_of(document_.number_of(schema, within, step));
}
std::vector<schema_literal> schema_expander::literals(id within, const json& list, std::string_view step) {
  std::vector<schema_literal> out;
  for (const json& item : list.items()) out.push_back(literal(within, item, {step, {}, out.size()}));
  return out;
}

/// A keyword's count; those beyond nine digits are alike.
inline std::uint32_t count_of(const json& value) {
  const auto number = decimal_of(value.digits());
  if (number->whole.size() > 9) return schema_branch::unlimited - 1;
  std::uint32_t out = 0;
  for (const char c : number->whole) out = out * 10 + static_cast<std::uint32_t>(c - '0');
  return out;
}

// What is valid.

result<schema_expander::id> schema_expander::referenced(id s, std::string_view keyword, std::string_view reference) {
  if (keyword == "$dynamicRef") {
    const std::string_view anchor = reference.substr((std::min)(reference.find('#') + 1, reference.size()));
    if (document_.is_dynamic(anchor))
      return refused(s, keyword, "it depends on what refers to this schema, which is not supported");
  }
  if (keyword == "$recursiveRef" && document_.resources() > 1)
    return refused(s, keyword, "it depends on what refers to this schema, which is not supported");
  auto found = document_.find(s, reference);
  NIBBLE_TRY(spend(document_.take_passed() / 8));
  if (!found) return refused(s, keyword, found.failure().what());
  return found;
}

/// Without the keywords that depend on what the others have looked at.
result<schema_branches> schema_expander::evaluated(id s) {
  const json& schema = document_[s];
  if (schema.is(json_kind::boolean)) return schema.boolean() ? schema_branches{{}} : schema_branches{};
  schema_branches all = {{}};
  for (const std::string_view key : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    const json* reference = keyword(s, key);
    if (!reference) continue;
    auto target = referenced(s, key, reference->string());
    if (!target) return std::move(target).failure();
    NIBBLE_TRY(meet_of(all, literal_of(*target)));
    if (document_.ignores_siblings(s)) return all;
  }
  schema_branch own;
  NIBBLE_TRY(assertions(s, own));
  NIBBLE_TRY(meet(all, {own}));
  if (const json* value = keyword(s, "const")) {
    auto more = one_of_values(s, "const", {value});
    if (!more) return more;
    NIBBLE_TRY(meet(all, *more));
  }
  if (const json* values = schema.find("enum")) {
    std::vector<const json*> list;
    for (const json& v : values->items()) list.push_back(&v);
    auto more = one_of_values(s, "enum", std::move(list));
    if (!more) return more;
    NIBBLE_TRY(meet(all, *more));
  }
  NIBBLE_TRY(dependencies(s, all));
  NIBBLE_TRY(in_place(s, all));
  return all;
}

result<schema_branches> schema_expander::valid(id s) {
  if (const auto made = either_.find(s); made != either_.end()) {
    schema_branches out;
    for (const schema_literal x : made->second) NIBBLE_TRY(add_of(out, x));
    return out;
  }
  auto all = evaluated(s);
  if (all) NIBBLE_TRY(unevaluated(s, *all));
  return all;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
