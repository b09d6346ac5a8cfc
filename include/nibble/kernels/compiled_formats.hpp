/// The weight formats that kernels are made for, beside those of all formats in the registry: a part of kernels/compile.hpp.
///
/// NIBBLE_FORMATS, a list such as q4_k, q6_k, chooses; see config.hpp. What it leaves out has no functions in the kernel
/// tables of the program, which loading a model looks at.
#pragma once

#include "nibble/core/type_list.hpp"
#include "nibble/kernels/reference.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

#ifdef NIBBLE_FORMATS
using compiled_formats = type_list<f32, f16, NIBBLE_FORMATS>;
static_assert(!any_type(compiled_formats{},
                        []<class Q>(std::type_identity<Q>) { return index_of<Q, quant_formats> == quant_formats::size; }),
              "NIBBLE_FORMATS: q4_k, q6_k, q8_0, or other formats of quant/registry.hpp");
#else
using compiled_formats = quant_formats;
#endif

template <class Q>
inline constexpr bool compiled = index_of<Q, compiled_formats> < compiled_formats::size;
inline constexpr const kernel_table& compiled_reference = reference::table_of<compiled_formats>;

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
