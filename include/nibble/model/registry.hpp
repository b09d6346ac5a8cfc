/// The architectures that any_model knows. To add one: its include and its name here.
#pragma once

#include "nibble/core/type_list.hpp"
#include "nibble/model/arch/gemma.hpp"
#include "nibble/model/arch/llama.hpp"
#include "nibble/model/arch/qwen.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

using architectures = type_list<arch::llama, arch::gemma, arch::gemma2, arch::gemma3, arch::qwen2, arch::qwen3>;

}  // namespace NIBBLE_ABI
}  // namespace nibble
