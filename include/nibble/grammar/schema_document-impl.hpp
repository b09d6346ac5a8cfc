/// The definitions behind schema_document.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/keyword_values.hpp"
#include "nibble/grammar/schema_document.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Where the parts of a URI end: scheme and authority, path; without fragment.
inline std::size_t end_of_scheme(std::string_view uri) noexcept {
  const std::size_t colon = uri.find(':');
  return colon == std::string_view::npos || uri.find('/') < colon ? 0 : colon + 1;
}
/// A reference as seen from a base.
/// @source  RFC 3986, section 5.2
inline std::string resolved(std::string_view base, std::string_view reference) {
  base = base.substr(0, base.find('#'));
  if (end_of_scheme(reference) > 0) return std::string(reference);
  if (reference.empty() || reference[0] == '#') return std::string(base) + std::string(reference);
  std::size_t authority = end_of_scheme(base);
  if (reference.starts_with("//")) return std::string(base.substr(0, authority)) + std::string(reference);
  if (base.substr(authority).starts_with("//")) authority = (std::min)(base.find('/', authority + 2), base.size());
  const std::string_view fragment = reference.substr((std::min)(reference.find('#'), reference.size()));
  std::string path(reference.substr(0, reference.size() - fragment.size()));
  if (path[0] != '/')
    path = std::string(base.substr(authority, base.rfind('/') == std::string_view::npos || base.rfind('/') < authority
                                                  ? 0
                                                  : base.rfind('/') + 1 - authority)) +
           path;
  std::vector<std::string_view> parts;
  std::string_view rest = path;
  bool folder = false;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    folder = part == "." || part == "..";
    if (part == "..") {
      if (parts.size() > 1) parts.pop_back();
    } else if (part != ".") {
      parts.push_back(part);
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  std::string out(base.substr(0, authority));
  for (std::size_t i = 0; i < parts.size(); ++i) out += (i > 0 ? "/" : ""), out += parts[i];
  if (folder) out += '/';
  return out + std::string(fragment);
}

schema_document::schema_document(const json& root) {
  const json *own = root.find("$id"), *draft = root.find("$schema");
  const schema_draft its = draft_of(draft ? draft->string() : std::string_view());
  std::string base(own ? own->string() : std::string_view());
  base.resize((std::min)(base.find('#'), base.size()));
  of_base_.emplace(base, 0);
  resources_.push_back({std::move(base), &root, its});
  places_.push_back({&root, 0, its, 0, {}});
  numbers_.emplace(&root, 0u);
  scan(root);
}

const json* schema_document::keyword(id schema, std::string_view name, bool surely) const {
  const schema_draft its = places_[schema].draft;
  if (its != schema_draft::unknown && !knows(its, name)) return nullptr;
  if (its == schema_draft::unknown && surely && !knows(schema_draft::draft2020, name)) return nullptr;
  return places_[schema].schema->find(name);
}

std::string schema_document::path(id schema) const {
  std::vector<const schema_step*> steps;
  for (id at = schema; at != 0; at = places_[at].within) {
    steps.push_back(&places_[at].step);
    if (steps.back()->keyword.find('#') != std::string_view::npos) break;
  }
  std::string out;
  for (; !steps.empty(); steps.pop_back()) {
    if (steps.back()->keyword.find('#') == std::string_view::npos) out += '/';
    out += steps.back()->text();
  }
  return out;
}

error schema_document::refusal(id schema, std::string_view keyword, std::string_view why, errc code) const {
  std::string where = path(schema);
  if (!keyword.empty()) (where += '/') += keyword;
  if (where.empty()) where = "the schema itself";
  return error(code, where + ": " + std::string(why));
}

result<void> schema_document::check(id schema) const {
  const json& its = *places_[schema].schema;
  if (const auto wrong = fault_of(keyword_value::schema, its)) return refusal(schema, "", wrong->why);
  const bool only_reference = ignores_siblings(schema) && its.find("$ref");
  for (const json::member& m : its.members()) {
    const schema_keyword* known = find_keyword(m.key);
    if (!known || !keyword(schema, m.key, false) || (only_reference && m.key != "$ref")) continue;
    if (const auto wrong = fault_of(known->value, m.value)) return refusal(schema, m.key + wrong->where, wrong->why);
  }
  return {};
}

/// Calls f with each schema that stands in a schema, and the step to it. What only looks like one, within an enum, is none.
template <class F>
void each_part(const json& schema, F&& f) {
  for (const json::member& m : schema.members()) {
    const schema_keyword* known = find_keyword(m.key);
    if (!known) continue;
    switch (known->value) {
      case keyword_value::schema:
      case keyword_value::items:
      case keyword_value::schemas:
        if (m.value.is(json_kind::object) && known->value != keyword_value::schemas) f(m.value, schema_step{known->name});
        for (std::size_t i = 0; i < m.value.items().size() && known->value != keyword_value::schema; ++i)
          f(m.value.items()[i], schema_step{known->name, {}, i});
        break;
      case keyword_value::named_schemas:
      case keyword_value::definitions:
      case keyword_value::dependencies:
        for (const json::member& part : m.value.members()) f(part.value, schema_step{known->name, part.key});
        break;
      default:
        break;
    }
  }
}

result<void> schema_document::check_all() {
  for (id s = 0; s < places_.size(); ++s) {
    NIBBLE_TRY(check(s));
    each_part(*places_[s].schema, [&](const json& part, const schema_step& step) {
      if (part.is(json_kind::object)) static_cast<void>(number_of(part, s, step));
    });
  }
  return {};
}

bool is_required(const json& schema, std::string_view name) {
  const json* required = schema.find("required");
  if (!required) return false;
  const auto names = required->items();
  return std::any_of(names.begin(), names.end(), [&](const json& n) { return n.string() == name; });
}

/// What a schema is named by: an address of its own, in the place of the one that it is within, and anchors.
/// @returns  the resource that it belongs to
std::uint32_t schema_document::add_names(const json& schema, std::uint32_t within) {
  const bool only_reference = resources_[within].draft <= schema_draft::draft7 && schema.find("$ref");
  const json* own = schema.find("$id");
  if (own && own->is(json_kind::string) && &schema != places_[0].schema && !only_reference) {
    const std::string_view text = own->string();
    if (text.starts_with('#')) {  // an anchor, in old drafts
      resources_[within].anchors.emplace(text.substr(1), &schema);
    } else {
      const json* draft = schema.find("$schema");
      const schema_draft its = draft ? draft_of(draft->string()) : resources_[within].draft;
      std::string base = resolved(resources_[within].base, text);
      base.resize((std::min)(base.find('#'), base.size()));
      of_base_.emplace(base, static_cast<std::uint32_t>(resources_.size()));
      resources_.push_back({std::move(base), &schema, its});
      within = static_cast<std::uint32_t>(resources_.size() - 1);
    }
  }
  for (const char* key : {"$anchor", "$dynamicAnchor"}) {
    if (const json* anchor = schema.find(key); anchor && anchor->is(json_kind::string)) {
      resources_[within].anchors.emplace(anchor->string(), &schema);
      if (key[1] == 'd') ++dynamic_anchors_[std::string(anchor->string())];
    }
  }
  return within;
}

/// Walks the places where schemas stand.
void schema_document::scan(const json& root) {
  std::vector<std::pair<const json*, std::uint32_t>> open = {{&root, 0}};
  for (std::size_t i = 0; i < open.size(); ++i) {
    const json* schema = open[i].first;
    if (!schema->is(json_kind::object)) continue;
    const std::uint32_t within = add_names(*schema, open[i].second);
    resource_of_.emplace(schema, within);
    for (const json::member& m : schema->members()) has_unevaluated_ |= m.key.starts_with("unevaluated");
    each_part(*schema, [&](const json& part, const schema_step&) { open.emplace_back(&part, within); });
  }
}

schema_document::id schema_document::number_of(const json& schema, id within, const schema_step& step) {
  const auto [found, is_new] = numbers_.try_emplace(&schema, static_cast<id>(places_.size()));
  if (is_new) {
    const auto known = resource_of_.find(&schema);
    const bool is_part = known != resource_of_.end();
    places_.push_back({&schema, is_part ? known->second : places_[within].resource,
                       is_part ? resources_[known->second].draft : places_[within].draft, within, step});
  }
  return found->second;
}

schema_document::id schema_document::add_made(json schema, id within, std::string_view keyword) {
  const id made = number_of(made_.emplace_back(std::move(schema)), within, {keyword});
  places_[made].draft = schema_draft::draft2020;
  return made;
}

bool schema_document::is_dynamic(std::string_view anchor) const {
  const auto found = dynamic_anchors_.find(anchor);
  return found != dynamic_anchors_.end() && found->second > 1;
}

result<schema_document::id> schema_document::find(id from, std::string_view reference) {
  const std::uint32_t within = places_[from].resource;
  if (reference.starts_with('#')) return find_in(within, reference.substr(1), reference);
  const std::string uri = resolved(resources_[within].base, reference);
  const std::size_t hash = (std::min)(uri.find('#'), uri.size());
  if (const auto found = of_base_.find(uri.substr(0, hash)); found != of_base_.end())
    return find_in(found->second, std::string_view(uri).substr((std::min)(hash + 1, uri.size())), reference);
  return error(errc::bad_value, "\"" + std::string(reference) + "\" is not in this document, and nothing is fetched");
}

result<schema_document::id> schema_document::find_in(std::uint32_t number, std::string_view fragment,
                                                     std::string_view reference) {
  const auto missing = [&] {
    return error(errc::bad_value, "\"" + std::string(reference) + "\" names nothing in this document");
  };
  const resource& in = resources_[number];
  const id top = number_of(*in.root, 0, {reference});
  places_[top].resource = number;
  places_[top].draft = in.draft;
  if (fragment.empty()) return top;
  if (fragment[0] != '/') {
    const auto anchor = in.anchors.find(fragment);
    if (anchor == in.anchors.end()) return missing();
    return number_of(*anchor->second, top, {reference});
  }
  const json* at = in.root;
  std::uint32_t within = number;
  while (!fragment.empty()) {
    passed_ += at->members().size();
    const json* next = pointed_at(*at, take_pointer_step(fragment));
    if (!next) return missing();
    at = next;
    if (const auto known = resource_of_.find(at); known != resource_of_.end()) within = known->second;
  }
  const id found = number_of(*at, 0, {reference});
  places_[found].resource = within;
  places_[found].draft = resources_[within].draft;
  return found;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
