/// Reading the parameters of samplers from text: for sampler files and the registry, not for users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>
#include <vector>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

error unexpected_value(std::string_view expected, std::string_view found);

/// Spaces and tabs at both ends do not count.
constexpr std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The whole text as one number, whatever the locale.
result<void> parse_number(std::string_view text, float& out);
result<void> parse_number(std::string_view text, std::size_t& out);
result<void> parse_number(std::string_view text, std::int32_t& out);

/// A step with a single parameter.
template <class Step, class Number>
result<Step> parse_into(std::string_view text) {
  Number number{};
  NIBBLE_TRY(parse_number(text, number));
  return Step{number};
}

/// A parameter that text can name. Of one that is a list, each mention adds a number.
struct named_number {
  std::string_view name;
  std::variant<float*, std::size_t*, std::vector<std::int32_t>*> number;
};

/// "name:value,name:value": writes those that are named. An empty text names none.
result<void> parse_fields(std::string_view text, std::initializer_list<named_number> fields);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
