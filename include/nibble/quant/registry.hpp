/// The weight formats that this library computes with.
///
/// A new format is its own header, an include and a name here, and its number in gguf/tensor_type.hpp.
#pragma once

#include "nibble/core/type_list.hpp"
#include "nibble/quant/bf16.hpp"
#include "nibble/quant/f16.hpp"
#include "nibble/quant/f32.hpp"
#include "nibble/quant/format.hpp"
#include "nibble/quant/iq1_m.hpp"
#include "nibble/quant/iq1_s.hpp"
#include "nibble/quant/iq2_s.hpp"
#include "nibble/quant/iq2_xs.hpp"
#include "nibble/quant/iq2_xxs.hpp"
#include "nibble/quant/iq3_s.hpp"
#include "nibble/quant/iq3_xxs.hpp"
#include "nibble/quant/iq4_nl.hpp"
#include "nibble/quant/iq4_xs.hpp"
#include "nibble/quant/mxfp4.hpp"
#include "nibble/quant/nvfp4.hpp"
#include "nibble/quant/q1_0.hpp"
#include "nibble/quant/q2_0.hpp"
#include "nibble/quant/q2_k.hpp"
#include "nibble/quant/q3_k.hpp"
#include "nibble/quant/q4_0.hpp"
#include "nibble/quant/q4_1.hpp"
#include "nibble/quant/q4_k.hpp"
#include "nibble/quant/q5_0.hpp"
#include "nibble/quant/q5_1.hpp"
#include "nibble/quant/q5_k.hpp"
#include "nibble/quant/q6_k.hpp"
#include "nibble/quant/q8_0.hpp"
#include "nibble/quant/tq1_0.hpp"
#include "nibble/quant/tq2_0.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// All that weights may be in.
using quant_formats = type_list<f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl, iq4_xs,
                                mxfp4, q2_0, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq1_s, iq1_m, tq1_0, tq2_0, q1_0, nvfp4>;

/// Calls f(std::type_identity<Q>{}) with the format of a tensor type. False, and no call, if the type has none here.
///
/// @example  nibble::visit_format(type, [&]<class Q>(std::type_identity<Q>) { bytes = sizeof(typename Q::block); });
template <class F>
constexpr bool visit_format(tensor_type type, F&& f) {
  return any_type(quant_formats{}, [&]<class Q>(std::type_identity<Q> format) {
    if (type != Q::type) return false;
    f(format);
    return true;
  });
}

/// The sizes of a format of a list that is not in the registry, for limits::own_type; null for any other number.
///
/// @example  using my_formats = nibble::append<nibble::quant_formats, my_format>;
///           auto file = nibble::gguf_file::open(path, {.own_type = &nibble::find_own_type<my_formats>});
template <class Formats>
constexpr const tensor_type_info* find_own_type(std::uint32_t id) noexcept {
  const tensor_type_info* found = nullptr;
  any_type(Formats{}, [&]<class Q>(std::type_identity<Q>) {
    static constexpr tensor_type_info info{Q::type, Q::name, Q::block_size, sizeof(typename Q::block)};
    if (index_of<Q, quant_formats> == quant_formats::size && static_cast<std::uint32_t>(Q::type) == id) found = &info;
    return found != nullptr;
  });
  return found;
}

namespace detail {
/// The formats are what the concepts ask, and their names and sizes are those of the file format.
template <class Q>
constexpr bool is_registered_format() noexcept {
  static_assert(quant_format<Q>, "not a format, see quant/format.hpp: a name, type, block, decode() or encode() is missing");
  static_assert(multiplied_format<Q>, "neither codes and scales nor plain numbers, see quant/format.hpp");
  constexpr auto info = find_tensor_type(static_cast<std::uint32_t>(Q::type));
  static_assert(info && Q::name == info->name, "another name in gguf/tensor_type.hpp");
  static_assert(info && Q::block_size == info->block_size && sizeof(typename Q::block) == info->block_bytes,
                "other sizes in gguf/tensor_type.hpp");
  return true;
}
static_assert(!any_type(quant_formats{}, []<class Q>(std::type_identity<Q>) { return !is_registered_format<Q>(); }));
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
