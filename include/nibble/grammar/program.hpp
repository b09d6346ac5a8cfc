/// grammar_program: a compiled grammar: automatons of rules, and the shapes of JSON values. Immutable, shared by all who use
/// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "nibble/grammar/automaton.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/json_shapes.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// What a call names: a rule, which begins in a state of the automatons, or JSON values of some shapes.
struct grammar_target {
  std::uint32_t start = automaton::none;       // of a rule
  std::vector<std::uint32_t> texts = {};       // of values: those that are read as plain text, by their first states
  std::uint32_t names = automaton::none;       // of the names of an object's members: their automaton
  std::uint32_t remembered = automaton::none;  // of such names that are remembered: the string that says so
  std::vector<std::uint32_t> strings = {}, arrays = {}, objects = {};  // by their numbers in json_shapes
};

struct grammar_program {
  automaton texts;
  json_shapes shapes;
  std::vector<grammar_target> targets;
  std::uint32_t root = 0;  // among targets
};

/// What a grammar is made of, for those who make one of another notation, and those who read by it.
struct grammar_parts {
  static grammar made_of(grammar_program program) {
    return grammar(std::make_shared<const grammar_program>(std::move(program)));
  }
  static const std::shared_ptr<const grammar_program>& program_of(const grammar& g) noexcept { return g.program_; }
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
