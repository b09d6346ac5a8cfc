/// The architectures that any_model knows. To add one: its include and its name here.
#pragma once

#include "nibble/core/type_list.hpp"
#include "nibble/model/arch/apertus.hpp"
#include "nibble/model/arch/arcee.hpp"
#include "nibble/model/arch/bailingmoe2.hpp"
#include "nibble/model/arch/bert.hpp"
#include "nibble/model/arch/cohere.hpp"
#include "nibble/model/arch/deepseek2.hpp"
#include "nibble/model/arch/ernie4_5.hpp"
#include "nibble/model/arch/exaone4.hpp"
#include "nibble/model/arch/falcon.hpp"
#include "nibble/model/arch/falcon_h1.hpp"
#include "nibble/model/arch/gemma.hpp"
#include "nibble/model/arch/gemma3n.hpp"
#include "nibble/model/arch/gemma4.hpp"
#include "nibble/model/arch/glm4.hpp"
#include "nibble/model/arch/gpt2.hpp"
#include "nibble/model/arch/gpt_oss.hpp"
#include "nibble/model/arch/gptneox.hpp"
#include "nibble/model/arch/granite.hpp"
#include "nibble/model/arch/granite_hybrid.hpp"
#include "nibble/model/arch/hunyuan.hpp"
#include "nibble/model/arch/laguna.hpp"
#include "nibble/model/arch/lfm2.hpp"
#include "nibble/model/arch/llama.hpp"
#include "nibble/model/arch/llama_embed.hpp"
#include "nibble/model/arch/mamba2.hpp"
#include "nibble/model/arch/minicpm.hpp"
#include "nibble/model/arch/mistral3.hpp"
#include "nibble/model/arch/modern_bert.hpp"
#include "nibble/model/arch/muse_glimmer.hpp"
#include "nibble/model/arch/nemotron_h.hpp"
#include "nibble/model/arch/olmo.hpp"
#include "nibble/model/arch/phi2.hpp"
#include "nibble/model/arch/phi3.hpp"
#include "nibble/model/arch/qwen.hpp"
#include "nibble/model/arch/qwen35.hpp"
#include "nibble/model/arch/seed_oss.hpp"
#include "nibble/model/arch/smollm3.hpp"
#include "nibble/model/arch/stablelm.hpp"
#include "nibble/model/arch/starcoder2.hpp"
#include "nibble/model/architecture.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// All that any_model knows.
using architectures = type_list<                                                                                    //
    arch::llama,                                                                                                    //
    arch::mistral3,                                                                                                 //
    arch::gemma, arch::gemma2, arch::gemma3, arch::gemma3n, arch::gemma4,                                           //
    arch::qwen2, arch::qwen2moe, arch::qwen2vl, arch::qwen3, arch::qwen3moe, arch::qwen3vl, arch::qwen3vlmoe,       //
    arch::qwen35, arch::qwen35moe, arch::qwen3next,                                                                 //
    arch::deepseek2,                                                                                                //
    arch::gpt_oss,                                                                                                  //
    arch::lfm2, arch::lfm2moe,                                                                                      //
    arch::mamba2,                                                                                                   //
    arch::falcon_h1,                                                                                                //
    arch::nemotron_h, arch::nemotron_h_moe,                                                                         //
    arch::smollm3,                                                                                                  //
    arch::minicpm,                                                                                                  //
    arch::phi2, arch::phi3,                                                                                         //
    arch::granite, arch::granite_swa, arch::granitemoe, arch::granite_hybrid,                                       //
    arch::olmo2, arch::olmoe,                                                                                       //
    arch::glm4, arch::glm4moe,                                                                                      //
    arch::command_r, arch::cohere2,                                                                                 //
    arch::exaone4,                                                                                                  //
    arch::ernie4_5, arch::ernie4_5_moe,                                                                             //
    arch::hunyuan_dense, arch::hunyuan_moe,                                                                         //
    arch::bailingmoe2,                                                                                              //
    arch::laguna,                                                                                                   //
    arch::seed_oss,                                                                                                 //
    arch::stablelm,                                                                                                 //
    arch::muse_glimmer,                                                                                             //
    arch::gpt2,                                                                                                     //
    arch::gptneox,                                                                                                  //
    arch::falcon,                                                                                                   //
    arch::starcoder2,                                                                                               //
    arch::arcee,                                                                                                    //
    arch::apertus,                                                                                                  //
    arch::bert, arch::nomic_bert, arch::nomic_bert_moe, arch::jina_bert_v2, arch::jina_bert_v3, arch::modern_bert,  //
    arch::gemma_embedding, arch::llama_embed, arch::eurobert>;

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
