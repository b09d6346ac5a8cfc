/// grammar_program: a compiled grammar: automatons of rules, and the shapes of JSON values. Immutable, shared by all who use
/// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nibble/grammar/automaton.hpp"
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

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
