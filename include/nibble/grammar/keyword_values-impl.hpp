/// The definitions behind keyword_values.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "nibble/gguf/metadata.hpp"
#include "nibble/grammar/keyword_values.hpp"
#include "nibble/grammar/number_texts.hpp"
#include "nibble/text/json_pointer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr std::string_view schema_types[] = {"null", "boolean", "integer", "number", "string", "array", "object"};

const schema_keyword* find_keyword(std::string_view name) noexcept {
  const auto found =
      std::find_if(schema_keywords.begin(), schema_keywords.end(), [name](const schema_keyword& k) { return k.name == name; });
  return found == schema_keywords.end() ? nullptr : &*found;
}

/// A look at one value.
class keyword_check {
 public:
  explicit keyword_check(const json& value) : value_(value) {}

  std::optional<keyword_fault> is(keyword_value wanted) const {
    switch (wanted) {
      case keyword_value::schema:
        return is_schema(value_) ? none : unless(false, "a schema: an object, true or false");
      case keyword_value::items:
        if (value_.is(json_kind::array)) return is(keyword_value::schemas);
        return unless(is_schema(value_), "a schema, or an array of them");
      case keyword_value::schemas:
        return each_item("an array of schemas", [](const json& v) { return keyword_check(v).is(keyword_value::schema); });
      case keyword_value::named_schemas:
        return each_member("an object of schemas", [](const json& v) { return keyword_check(v).is(keyword_value::schema); });
      case keyword_value::definitions:
        return unless(value_.is(json_kind::object), "an object of schemas");
      case keyword_value::names:
        return each_item("an array of names", [](const json& v) { return keyword_check(v).is_name(); });
      case keyword_value::lists_of_names:
        return each_member("an object of arrays of names",
                           [](const json& v) { return keyword_check(v).is(keyword_value::names); });
      case keyword_value::dependencies:
        return each_member("an object of schemas and arrays of names", [](const json& v) {
          return keyword_check(v).is(v.is(json_kind::array) ? keyword_value::names : keyword_value::schema);
        });
      case keyword_value::types:
        if (!value_.is(json_kind::array)) return is_type();
        if (value_.items().empty()) return fault("expected one or more names of types");
        return each_item("an array of types", [](const json& v) { return keyword_check(v).is_type(); });
      case keyword_value::values:
        return unless(value_.is(json_kind::array), "an array of values");
      case keyword_value::flag:
        return unless(value_.is(json_kind::boolean), "true or false");
      case keyword_value::text:
        return unless(value_.is(json_kind::string), "a text");
      case keyword_value::anything:
        return none;
      default:
        return is_number(wanted);
    }
  }

 private:
  static constexpr std::nullopt_t none = std::nullopt;
  using fault_or_none = std::optional<keyword_fault>;

  static keyword_fault fault(std::string why) { return {{}, std::move(why)}; }
  fault_or_none unless(bool right, std::string_view expected) const {
    if (right) return none;
    const bool lists = expected.find(", ") != expected.npos;
    return fault("expected " + std::string(expected) + (lists ? "; found " : ", found ") + described(value_));
  }
  static bool is_schema(const json& v) { return v.is(json_kind::object) || v.is(json_kind::boolean); }
  fault_or_none is_name() const { return unless(value_.is(json_kind::string), "a name"); }
  fault_or_none is_type() const {
    const auto known = std::find(std::begin(schema_types), std::end(schema_types), value_.string());
    if (value_.is(json_kind::string) && known != std::end(schema_types)) return none;
    std::string all;
    for (const std::string_view type : schema_types) (all += all.empty() ? "" : ", ") += type;
    if (value_.is(json_kind::string)) return fault(quoted(value_.string()) + " is no type: expected one of " + all);
    return unless(false, "the name of a type: " + all);
  }
  fault_or_none is_number(keyword_value wanted) const {
    if (wanted == keyword_value::exclusive_bound && value_.is(json_kind::boolean)) return none;
    const std::string_view expected = wanted == keyword_value::count  ? "a whole number that is not negative"
                                      : wanted == keyword_value::step ? "a number above 0"
                                                                      : "a number";
    if (!value_.is(json_kind::number)) return unless(false, expected);
    const auto number = decimal_of(value_.digits());
    if (!number) return fault("a number with an exponent beyond 400");
    if (wanted == keyword_value::count) return unless(!number->negative && number->fraction.empty(), expected);
    return unless(wanted != keyword_value::step || !(number->negative || number->is_zero()), expected);
  }
  template <class Check>
  fault_or_none each_item(std::string_view expected, Check check) const {
    if (!value_.is(json_kind::array)) return unless(false, expected);
    for (std::size_t i = 0; i < value_.items().size(); ++i)
      if (auto wrong = check(value_.items()[i])) return within(std::to_string(i), *std::move(wrong));
    return none;
  }
  template <class Check>
  fault_or_none each_member(std::string_view expected, Check check) const {
    if (!value_.is(json_kind::object)) return unless(false, expected);
    for (const json::member& m : value_.members())
      if (auto wrong = check(m.value)) return within(m.key, *std::move(wrong));
    return none;
  }
  static keyword_fault within(std::string_view step, keyword_fault inside) {
    return {pointer_step(step) + inside.where, std::move(inside.why)};
  }

  const json& value_;
};

std::optional<keyword_fault> fault_of(keyword_value wanted, const json& value) { return keyword_check(value).is(wanted); }

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
