/// The definitions behind plain_text.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <string_view>

#include "nibble/text/answer/plain_text.hpp"
#include "nibble/text/json_pointer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Counts the parts that it looks at: references may lead back.
class plain_text_search {
 public:
  explicit plain_text_search(const json& root) : root_(root) {}

  bool holds(const json& schema) {
    if (++parts_ > most_parts || depth_ > most_depth) return false;
    ++depth_;
    const bool found = says_so(schema);
    --depth_;
    return found;
  }

 private:
  static constexpr int most_parts = 1'000, most_depth = 64;

  bool says_so(const json& schema) {
    const json *type = schema.find("type"), *constant = schema.find("const"), *choices = schema.find("enum");
    if (constant && constant->is(json_kind::string)) return true;
    if (choices && all_of(*choices, [](const json& c) { return c.is(json_kind::string); })) return true;
    if (type && (type->string() == "string" || all_of(*type, [](const json& t) { return t.string() == "string"; })))
      return true;
    const auto is_text = [this](const json& part) { return holds(part); };
    for (const std::string_view key : {"anyOf", "oneOf"})
      if (const json* parts = schema.find(key); parts && all_of(*parts, is_text)) return true;
    if (const json* parts = schema.find("allOf"); parts && std::any_of(parts->items().begin(), parts->items().end(), is_text))
      return true;
    const json* reference = schema.find("$ref");
    const json* target = reference ? referred_to(root_, reference->string()) : nullptr;
    return target && holds(*target);
  }
  template <class Is>
  static bool all_of(const json& list, Is is) {
    return !list.items().empty() && std::all_of(list.items().begin(), list.items().end(), is);
  }

  const json& root_;
  int parts_ = 0, depth_ = 0;
};

bool is_plain_text(const json& schema, const json& root) { return plain_text_search(root).holds(schema); }

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
