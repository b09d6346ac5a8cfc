/// any_part: one of some kinds of mixer or feed-forward, chosen layer by layer.
#pragma once

#include <cstddef>
#include <utility>
#include <variant>

#include "nibble/core/type_list.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

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
