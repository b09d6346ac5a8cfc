/// What an architecture is: a name, a config read from metadata, tensors, and a forward pass.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/kv/shape.hpp"
#include "nibble/model/hyperparameters.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A family of models that share one forward pass. To add one, write a struct like those in model/arch/ and name it in
/// model/registry.hpp, or in a list of your own.
///
///     name                     general.architecture of its files
///     A::read(h)               hyper-parameters, each with its bounds, as a config with `vocabulary`, `context` and `width`,
///                              and optionally complete(h), which is called on it
///     A(config, tensors)       takes its weights by name and shape; a file with others is another model's, and refused: see
///                              tensor_source::refuse_unread
///     kv()                     what each layer keeps between tokens
///     memory_bytes()           optional: what it has allocated itself, which plans count; weights are counted already. A
///                              config may have one, too
///     gives_hidden             optional, true: forward() knows step_output::hidden
///     draft_kv()               optional: what the block that drafts tokens keeps, or nothing; where it is not empty,
///                              forward() knows step_output::draft, and step::keep() beside logits and drafts
///     forward(step, out)       logits (or hidden states, if that is asked) of the wanted rows; noexcept, no allocation, and
///                              scratch that depends on the counts of tokens and wanted rows alone. NIBBLE_NOEXCEPT instead:
///                              a precondition of a layer that it breaks then reaches who called nibble, under NIBBLE_CHECKED
template <class A>
concept architecture = requires(hyperparameters& h, tensor_source& tensors, const A& a, step& s, activations out,
                                const typename A::config& config) {
  { A::name } -> std::convertible_to<std::string_view>;
  { A::read(h) } -> std::same_as<typename A::config>;
  { config.vocabulary } -> std::convertible_to<std::size_t>;
  { config.context } -> std::convertible_to<std::size_t>;
  { config.width } -> std::convertible_to<std::size_t>;
  A(config, tensors);
  { a.kv() } -> std::convertible_to<std::vector<kv_shape>>;
  { a.forward(s, out) } -> std::same_as<void>;
  requires noexcept(a.forward(s, out)) || bool(NIBBLE_CHECKED);
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
