/// any_mixer, any_feed_forward: parts of any kind, which a layer owns, behind one virtual call each. So there is one forward
/// pass for all decoders, whatever their parts.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/core/type_list.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/step_context.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// A part that a layer has not, where each layer has a mixer or a feed-forward: nothing is normed for it, and nothing added.
struct no_part {};

/// A class of mixers: made of a layer's tensors, it says what it keeps between tokens, and computes what is added to the
/// residual. memory_bytes() is optional: what it has allocated.
/// @example  struct own_values {
///             own_values(const decoder_config& c, std::size_t layer, tensor_source& t)
///                 : v(t.matrix(layer_prefix(layer) + "attn_v.weight", c.width, c.width)) {}
///             kv_shape keeps() const noexcept { return {}; }
///             void forward(step& s, std::size_t, const step_context&, const layer_input& x, const step_rows& rows,
///                          layer_output out) const NIBBLE_NOEXCEPT {
///               linear(s, x.with(s.pick(rows, x.x)), {{v, out}});
///             }
///             weight v;
///           };
template <class M>
concept mixer_part = std::constructible_from<M, const decoder_config&, std::size_t, tensor_source&> &&
    requires(const M& m, step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
             layer_output out) {
  { m.keeps() }
  noexcept->std::same_as<kv_shape>;
  { m.forward(s, layer, context, x, rows, out) } -> std::same_as<void>;
};
/// A class of feed-forwards, likewise; it keeps nothing.
template <class F>
concept feed_forward_part = std::constructible_from<F, const decoder_config&, std::size_t, tensor_source&> &&
    requires(const F& f, step& s, std::size_t layer, const layer_input& x, layer_output out) {
  { f.forward(s, layer, x, out) } -> std::same_as<void>;
};

/// A mixer of any class.
class any_mixer {
 public:
  virtual ~any_mixer() = default;
  /// What the layer keeps between tokens.
  virtual kv_shape keeps() const noexcept = 0;
  /// Bytes that are allocated for it.
  virtual std::size_t memory_bytes() const noexcept = 0;
  /// What is kept: of all tokens; the output: of `rows` only.
  /// @shape   x (tokens, width); out (rows.count, width)
  virtual void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
                       layer_output out) const NIBBLE_NOEXCEPT = 0;

  template <mixer_part M>
  class of;
};
template <mixer_part M>
class any_mixer::of final : public any_mixer {
 public:
  of(const decoder_config& c, std::size_t layer, tensor_source& t) : mixer_(c, layer, t) {}
  kv_shape keeps() const noexcept override { return mixer_.keeps(); }
  std::size_t memory_bytes() const noexcept override {
    return sizeof *this + nibble::detail::heap_bytes_of(mixer_);  // fits: it is in memory
  }
  void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT override {
    mixer_.forward(s, layer, context, x, rows, out);
  }

 private:
  M mixer_;
};

/// A feed-forward of any class.
class any_feed_forward {
 public:
  virtual ~any_feed_forward() = default;
  virtual std::size_t memory_bytes() const noexcept = 0;
  /// @shape   x, out (tokens, width)
  virtual void forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT = 0;

  template <feed_forward_part F>
  class of;
};
template <feed_forward_part F>
class any_feed_forward::of final : public any_feed_forward {
 public:
  of(const decoder_config& c, std::size_t layer, tensor_source& t) : feed_forward_(c, layer, t) {}
  std::size_t memory_bytes() const noexcept override {
    return sizeof *this + nibble::detail::heap_bytes_of(feed_forward_);  // fits: it is in memory
  }
  void forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT override {
    feed_forward_.forward(s, layer, x, out);
  }

 private:
  F feed_forward_;
};

namespace detail {
/// What a part reads: x normed, or as it is where there is no norm.
inline layer_input input_of(activations x, const norm_weights& norm) noexcept {
  return norm.gain.empty() ? layer_input(x) : normed(x, norm);
}

template <class Any>
using part_maker = std::unique_ptr<Any> (*)(const decoder_config& c, std::size_t layer, tensor_source& t);

template <class Any, class Part>
std::unique_ptr<Any> make_part(const decoder_config& c, std::size_t layer, tensor_source& t) {
  return std::make_unique<typename Any::template of<Part>>(c, layer, t);
}
template <class Any>
constexpr part_maker<Any> maker_of(std::type_identity<no_part>) noexcept {
  return nullptr;
}
template <class Any, class Part>
constexpr part_maker<Any> maker_of(std::type_identity<Part>) noexcept {
  return &make_part<Any, Part>;
}
/// How each of some kinds is made; null for no_part.
template <class Any, class Parts>
inline constexpr std::array<part_maker<Any>, 0> makers_of;
template <class Any, class... Parts>
inline constexpr std::array<part_maker<Any>, sizeof...(Parts)> makers_of<Any, type_list<Parts...>>{
    maker_of<Any>(std::type_identity<Parts>())...};
}  // namespace detail

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
