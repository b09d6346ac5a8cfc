/// any_part: one of some kinds of mixer or feed-forward, chosen layer by layer.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

#include "nibble/core/type_list.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// A part that a layer has not, where each layer has a mixer or a feed-forward: nothing is normed for it, and nothing added.
struct no_part {
  no_part(const decoder_config&, std::size_t, tensor_source&) noexcept {}
  kv_shape keeps() const noexcept { return {}; }
  template <class... Arguments>
  void forward(Arguments&&...) const noexcept {}
};

namespace detail {
/// One of some kinds of part, chosen by an index when it is made. std::visit would end the host over an empty variant where
/// exceptions are off; this one is never empty.
template <class List>
class any_part;
template <class... Parts>
class any_part<type_list<Parts...>> {
 public:
  any_part(std::size_t kind, const decoder_config& c, std::size_t layer, tensor_source& t)
      : part_(make<0>(kind, c, layer, t)) {}

  template <class F>
  decltype(auto) visit(F&& f) const {
    return visit_from<0>(std::forward<F>(f));
  }

  /// Whether there is a part of a kind.
  static constexpr bool is_there(std::size_t kind) noexcept {
    constexpr bool there[] = {!std::is_same_v<Parts, no_part>...};
    return kind < sizeof...(Parts) && there[kind];
  }
  bool is_there() const noexcept { return is_there(part_.index()); }

 private:
  using variant = std::variant<Parts...>;

  template <std::size_t Index>
  static variant make(std::size_t kind, const decoder_config& c, std::size_t layer, tensor_source& t) {
    if constexpr (Index + 1 < sizeof...(Parts)) {
      if (kind != Index) return make<Index + 1>(kind, c, layer, t);
    }
    return variant(std::in_place_index<Index>, c, layer, t);
  }
  template <std::size_t Index, class F>
  decltype(auto) visit_from(F&& f) const {
    if constexpr (Index + 1 < sizeof...(Parts)) {
      if (part_.index() != Index) return visit_from<Index + 1>(std::forward<F>(f));
    }
    return std::forward<F>(f)(*std::get_if<Index>(&part_));
  }

  variant part_;
};
}  // namespace detail

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
