/// The definitions behind program_builder.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nibble/grammar/grammar-impl.hpp"
#include "nibble/grammar/program_builder.hpp"
#include "nibble/grammar/schema_strings.hpp"
#include "nibble/grammar/token_code.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

void program_builder::define(std::uint32_t rule, id body) {
  if (failed_) return;
  auto start = add_automaton(all, body, most_.states, made_.texts);
  if (!start) return fail(std::move(start).failure());
  made_.targets[rule].start = *start;
}

program_builder::id program_builder::call(const grammar& g) {
  if (made_.texts.size() > most_.states) fail(too_many_states(most_.states));
  if (failed_) return nothing();
  return all.call(append_program(made_, *grammar_parts::program_of(g)));
}

program_builder::id program_builder::call(result<grammar> made, std::string_view where) {
  if (made) return call(*made);
  fail(std::move(made).failure().in(std::string(where)));
  return nothing();
}

program_builder::id program_builder::strings(const json& schema, std::span<const search_mark> without,
                                             const std::string& where) {
  if (failed_) return nothing();
  auto start = add_strings(schema, without, most_, made_.texts);
  if (!start) {
    fail(std::move(start).failure().in(where));
    return nothing();
  }
  const std::uint32_t rule = declare();
  made_.targets[rule].start = *start;
  return all.call(rule);
}

program_builder::id program_builder::text(std::u32string_view characters) {
  std::vector<id> parts;
  for (const char32_t c : characters)
    parts.push_back(all.characters(c >= first_token_code ? char_set::mark(c) : char_set(c, c)));
  return all.sequence(std::move(parts));
}

program_builder::id program_builder::blanks(std::uint32_t most) {
  char_set blank;
  for (const char32_t c : {U' ', U'\t', U'\r', U'\n'}) blank.add(c, c);
  return all.repeat(all.characters(std::move(blank)), 0, most);
}

result<grammar> program_builder::finish(std::uint32_t root) {
  if (failed_) return *std::move(failed_);
  made_.root = root;
  return grammar_parts::made_of(std::move(made_));
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
