/// type_list: an ordered, compile-time list of types, the shape of every registry in this library.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Types as a value: what a registry is.
template <class... Ts>
struct type_list {
  static constexpr std::size_t size = sizeof...(Ts);
};

/// The place of T in a list; its size if T is not there.
template <class T, class List>
inline constexpr std::size_t index_of = 0;
template <class T, class... Ts>
inline constexpr std::size_t index_of<T, type_list<Ts...>> = [] {
  std::size_t i = 0;
  static_cast<void>(((std::is_same_v<T, Ts> ? false : (++i, true)) && ...));
  return i;
}();

namespace detail {
template <class List, class... Ts>
struct append_to;
template <class... Us, class... Ts>
struct append_to<type_list<Us...>, Ts...> {
  using type = type_list<Us..., Ts...>;
};
}  // namespace detail

/// List with Ts behind it: how a user adds an architecture of their own.
template <class List, class... Ts>
using append = typename detail::append_to<List, Ts...>::type;

/// Calls f(std::type_identity<T>{}) for each T in order, until one returns true; true if one did.
template <class... Ts, class F>
constexpr bool any_type(type_list<Ts...>, F&& f) {
  return (f(std::type_identity<Ts>{}) || ...);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
