/// The architectures that any_model knows. To add one: its include and its name here.
#pragma once

#include "nibble/core/type_list.hpp"
#include "nibble/model/arch/gemma.hpp"
#include "nibble/model/arch/llama.hpp"
#include "nibble/model/arch/minicpm.hpp"
#include "nibble/model/arch/qwen.hpp"
#include "nibble/model/arch/smollm3.hpp"
#include "nibble/model/architecture.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

using architectures = type_list<arch::llama, arch::gemma, arch::gemma2, arch::gemma3, arch::qwen2, arch::qwen3, arch::qwen3moe,
                                arch::smollm3, arch::minicpm>;

namespace detail {
template <class A>
constexpr bool is_registered_architecture() noexcept {
  static_assert(architecture<A>,
                "not an architecture, see model/architecture.hpp: a name, read(), a constructor, kv(), forward()");
  return true;
}
static_assert(!any_type(architectures{}, []<class A>(std::type_identity<A>) { return !is_registered_architecture<A>(); }));
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
