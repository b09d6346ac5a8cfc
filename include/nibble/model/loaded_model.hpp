/// loaded_model: what a handle of a model refers to: an architecture behind virtual functions, and what all models have.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/core/heap_bytes.hpp"
#include "nibble/core/thread_pool.hpp"
#include "nibble/error.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/model/architecture.hpp"
#include "nibble/model/observer.hpp"
#include "nibble/model/pooling.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// One step costs one virtual call.
class loaded_model {
 public:
  virtual ~loaded_model() = default;
  virtual std::string_view architecture_name() const noexcept = 0;
  virtual std::vector<kv_shape> kv(step_output output = step_output::logits) const = 0;
  virtual void forward(step& s, activations out) const noexcept = 0;

  /// What a step gives where nobody says.
  step_output usual_output() const noexcept { return pooling.config().embeds() ? step_output::hidden : step_output::logits; }

  std::size_t vocabulary = 0, width = 0, context = 0;
  bool ends_with_context = false;  ///< there are no positions past its context
  bool looks_ahead = false;        ///< some layer does: a text is one step
  bool gives_hidden = false;       ///< forward() knows step_output::hidden
  bool gives_drafts = false;       ///< and step_output::draft
  bool takes_directions = false;   ///< forward() calls step::steer
  pooling_head pooling;            ///< what becomes of hidden states, where they are what the model is for
  tensor_type kv_type = tensor_type::f16;
  std::size_t weight_bytes = 0, memory_cap = 0;
  nibble::limits limits;
  std::uint64_t stored_bytes = 0;   ///< of all tensors of the file
  std::uint64_t fingerprint = 0;    ///< see any_model::fingerprint
  std::size_t tokenizer_bytes = 0;  ///< of all that is kept beside weights
  std::size_t own_bytes = 0;        ///< that of them: this object, and what its architecture keeps
  aligned_buffer weights;
  std::optional<nibble::tokenizer> tokenizer;
  std::optional<error> no_tokenizer;  ///< why there is none: see any_model::has_tokenizer
  std::string rerank_template;        ///< how a query and a document are written, or nothing
  std::string chat_template;
  result<nibble::chat_template> chat_form = error(errc::missing_key, {});  ///< what it is, or why it is not known
  std::optional<thread_pool> pool;
  executor_ref executor;
  std::vector<mapped_file> files;       ///< where weights stay
  std::vector<placed_matrix> matrices;  ///< ordered by name: what adapters may change

  /// Takes all that is not weights from another model of the same file.
  void take_text(loaded_model&& other) {
    tokenizer = std::move(other.tokenizer), no_tokenizer = std::move(other.no_tokenizer);
    rerank_template = std::move(other.rerank_template);
    chat_template = std::move(other.chat_template), chat_form = std::move(other.chat_form);
    files = std::move(other.files);
    tokenizer_bytes = other.tokenizer_bytes;
  }
  /// Bytes of all that a model keeps beside its weights.
  std::size_t text_bytes() const {
    const std::size_t form = chat_form ? chat_form->memory_bytes() : heap_bytes(std::string(chat_form.failure().what()));
    std::size_t bytes = aligned_buffer::slack(weight_bytes);
    const std::size_t reason = no_tokenizer ? heap_bytes(std::string(no_tokenizer->what())) : 0;
    for (const std::size_t part : {own_bytes, tokenizer ? tokenizer->memory_bytes() : reason, heap_bytes(chat_template),
                                   heap_bytes(rerank_template), form, heap_bytes(files)})
      bytes = sum_of_sizes(bytes, part);
    return bytes;
  }
};

/// A model whose architecture is known here, with what observes its steps, or nothing.
template <architecture Arch, class Observer>
class typed_model final : public loaded_model {
 public:
  typed_model(const typename Arch::config& c, tensor_source& tensors, const Observer* observer) : config(c), arch_(c, tensors) {
    if (observer) observer_.emplace(*observer);
    vocabulary = c.vocabulary, width = c.width, context = c.context;
    if constexpr (requires { c.learned_positions; }) ends_with_context = c.learned_positions;
    if constexpr (requires { Arch::gives_hidden; }) gives_hidden = Arch::gives_hidden;
    if constexpr (requires { Arch::takes_directions; }) takes_directions = Arch::takes_directions;
    if constexpr (requires { c.pooling; }) pooling = pooling_head(c.pooling, c.width, tensors);
    if constexpr (requires { arch_.draft_kv(); }) gives_drafts = !arch_.draft_kv().empty();
    own_bytes = sizeof *this + heap_bytes_of(config) + heap_bytes_of(arch_);
  }
  std::string_view architecture_name() const noexcept override { return Arch::name; }
  std::vector<kv_shape> kv(step_output output) const override {
    if constexpr (requires { arch_.draft_kv(); }) {
      if (output == step_output::draft) return arch_.draft_kv();
    }
    return arch_.kv();
  }
  void forward(step& s, activations out) const noexcept override {
    if constexpr (step_observer<Observer>) {
      if (observer_) s.show_to(observer_ref(*observer_));
    }
    s.attempt([&] { arch_.forward(s, out); });
  }

  typename Arch::config config;

 private:
  Arch arch_;
  std::optional<Observer> observer_;
};

/// How a model of one architecture is made from a file.
struct architecture_entry {
  /// Null where the file is refused: either argument says why.
  using make_function = std::unique_ptr<loaded_model>(hyperparameters& h, tensor_source& tensors, const void* observer);
  std::string_view name;
  make_function* make;
};

/// What may be loaded: some architectures, of weights in some formats.
struct known_architectures {
  std::span<const architecture_entry> entries;
  format_lookup formats = &find_format<>;
  const tensor_type_info* (*own_type)(std::uint32_t id) = nullptr;  ///< see limits
  tensor_type kv_type = tensor_type::f16;
  const void* observer = nullptr;  ///< for all entries
};

template <architecture Arch, class Observer>
std::unique_ptr<loaded_model> make_model(hyperparameters& h, tensor_source& tensors, const void* observer) {
  auto config = Arch::read(h);
  if constexpr (requires { config.complete(h); }) config.complete(h);
  h.refuse_unread();
  if (h.failure()) return nullptr;
  if (config.vocabulary == 0) config.vocabulary = tensors.rows_of("token_embd.weight");
  return std::make_unique<typed_model<Arch, Observer>>(config, tensors, static_cast<const Observer*>(observer));
}

template <architecture Arch, class Observer = unobserved>
inline constexpr architecture_entry entry_of{Arch::name, &make_model<Arch, Observer>};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
