/// model<Arch, KV>: the weights, tokenizer and threads of one loaded model, of an architecture known at compile time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/thread_pool.hpp"
#include "nibble/error.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/kv/cache.hpp"
#include "nibble/model/architecture.hpp"
#include "nibble/model/options.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// An architecture's config from a file, with the vocabulary that its tensors state.
template <architecture A>
result<typename A::config> read_config(const gguf_file& file, const tensor_source& tensors, const limits& most) {
  const auto name = file.meta().try_get<std::string_view>("general.architecture");
  if (!name) return name.failure();
  if (*name != A::name) {
    return error(errc::unknown_architecture,
                 "general.architecture: expected " + std::string(A::name) + ", found " + quoted(*name));
  }
  hyperparameters h(file.meta(), A::name, most);
  auto config = A::config::read(h);
  if (h.failure()) return *h.failure();
  if (config.vocabulary == 0) config.vocabulary = tensors.rows_of("token_embd.weight");
  return config;
}

/// Bytes of scratch that a step of `tokens` tokens takes, `wanted` of them with logits: a forward pass without memory.
template <class Model>
std::size_t measure_scratch(const Model& m, std::size_t tokens, std::size_t wanted) {
  scratch_arena arena;
  std::vector<token> ids(tokens);
  std::vector<std::uint32_t> positions(tokens), rows(wanted);
  const step_input in{ids, positions, {}, rows, {}, {}};
  inline_executor nobody;
  step s(kernels(), nobody, arena, in);
  m.forward(s, s.scratch(wanted, m.vocabulary()));
  return arena.peak();
}
}  // namespace detail

/// A loaded model. Immutable and shareable between threads; copies share everything. Sessions hold what changes.
///
/// Weights are read from the file into the kernels' layout, once, while the file's pages are given back: nothing refers to the
/// file afterwards, unless load_options::mapped keeps them there.
/// @example  auto m = nibble::model<nibble::arch::gemma3, nibble::kv_cache<nibble::q8_0>>::load("gemma3.gguf");
template <architecture Arch, class KV = kv_cache<>>
class model {
 public:
  using architecture_type = Arch;
  using kv_type = KV;

  /// @errors  io, and everything that a file can get wrong: see errc; out_of_memory above options.memory_cap
  static result<model> try_load(const std::filesystem::path& path, const load_options& options = {}) {
    auto file = gguf_file::try_open(path, options.most);
    if (!file) return std::move(file).failure();
    auto loaded = try_load(*std::move(file), options);
    if (!loaded) return std::move(loaded).failure().in(nibble::detail::path_text(path));
    return loaded;
  }
  /// The same from memory, which is not needed afterwards, unless weights stay in it.
  static result<model> try_load(std::span<const std::byte> bytes, const load_options& options = {}) {
    auto file = gguf_file::try_parse(bytes, options.most);
    if (!file) return std::move(file).failure();
    return try_load(*std::move(file), options);
  }
  /// The same from an open file. If weights stay in it, one that is moved in is kept, and one that is lent must outlive the
  /// model.
  static result<model> try_load(gguf_file&& file, const load_options& options = {}) {
    if (!options.mapped) return try_load(file, options);
    const auto kept = std::make_shared<const gguf_file>(std::move(file));
    auto loaded = try_load(*kept, options);
    if (loaded) loaded->file_ = kept;
    return loaded;
  }
  static result<model> try_load(const gguf_file& file, const load_options& options = {});

  /// What loading and one session would take.
  static result<memory_plan> try_plan(const gguf_file& file, const session_options& session = {},
                                      const load_options& options = {});
#if NIBBLE_EXCEPTIONS
  static model load(const std::filesystem::path& path, const load_options& options = {}) {
    return try_load(path, options).value();
  }
  static model load(std::span<const std::byte> bytes, const load_options& options = {}) {
    return try_load(bytes, options).value();
  }
#endif

  const typename Arch::config& config() const noexcept { return state_->config; }
  const nibble::tokenizer& tokenizer() const noexcept { return *state_->words; }
  std::size_t vocabulary() const noexcept { return state_->config.vocabulary; }
  /// Positions that the model was trained for.
  std::size_t context() const noexcept { return state_->config.context; }
  std::size_t weight_bytes() const noexcept { return state_->weight_bytes; }
  std::size_t memory_cap() const noexcept { return state_->memory_cap; }
  executor_ref executor() const noexcept { return state_->executor; }
  /// The chat template that the file carries, or nothing.
  const std::string& chat_template() const noexcept { return state_->chat_template; }

  /// What each layer keeps of a position.
  std::vector<kv_shape> kv() const { return state_->arch->kv(); }
  /// Exact bytes of this model and of a session on it.
  memory_plan plan(const session_options& options = {}) const;
  /// One step. For sessions; @errors none (noexcept).
  void forward(step& s, activations logits) const noexcept { state_->arch->forward(s, logits); }

 private:
  struct state {
    typename Arch::config config;
    aligned_buffer weights;
    std::optional<Arch> arch;
    std::optional<nibble::tokenizer> words;
    std::string chat_template;
    std::optional<thread_pool> pool;
    executor_ref executor;
    std::size_t weight_bytes = 0, memory_cap = 0;
  };

  explicit model(std::shared_ptr<const state> s) noexcept : state_(std::move(s)) {}
  /// A model without memory: shapes only.
  static result<model> try_outline(const gguf_file& file, const load_options& options);

  std::shared_ptr<const gguf_file> file_;  // that weights stand in
  std::shared_ptr<const state> state_;
};

namespace detail {
/// session_options for a model, with explicit defaults and within bounds.
template <class Model>
session_options complete(const Model& m, session_options o) {
  if (o.context == 0) o.context = std::min<std::size_t>(m.context(), 4096);
  o.context = std::min(o.context, most_positions);
  o.prefill_chunk = std::clamp<std::size_t>(o.prefill_chunk, 1, o.context);
  o.logit_rows = std::clamp<std::size_t>(o.logit_rows, 1, o.prefill_chunk);
  return o;
}

/// Calls f(std::type_identity<Format>{}) with a cache format: the one asked for, else that of KV. False if there is none.
template <class KV, class F>
bool visit_kv_format(const session_options& o, F&& f) {
  return any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format> format) {
    if (o.kv ? *o.kv != Format::type : !std::is_same_v<Format, typename KV::format>) return false;
    f(format);
    return true;
  });
}
}  // namespace detail

template <architecture Arch, class KV>
memory_plan model<Arch, KV>::plan(const session_options& options) const {
  const session_options o = nibble::detail::complete(*this, options);
  memory_plan p{weight_bytes(), 0,
                std::max(nibble::detail::measure_scratch(*this, o.prefill_chunk, 1),
                         nibble::detail::measure_scratch(*this, o.logit_rows, o.logit_rows))};
  nibble::detail::visit_kv_format<KV>(o, [&]<class Format>(std::type_identity<Format>) {
    p.kv = kv_cache<Format>::planned_bytes(kv(), o.context, o.prefill_chunk);
  });
  return p;
}

template <architecture Arch, class KV>
result<model<Arch, KV>> model<Arch, KV>::try_outline(const gguf_file& file, const load_options& options) {
  auto s = std::make_shared<state>();
  tensor_source tensors(file, options.mapped);
  auto config = nibble::detail::read_config<Arch>(file, tensors, options.most);
  if (!config) return std::move(config).failure();
  s->config = *std::move(config);
  s->arch.emplace(s->config, tensors);
  if (tensors.failure()) return *tensors.failure();
  s->weight_bytes = tensors.bytes();
  return model(std::move(s));
}

template <architecture Arch, class KV>
result<memory_plan> model<Arch, KV>::try_plan(const gguf_file& file, const session_options& session,
                                              const load_options& options) {
  auto outline = try_outline(file, options);
  if (!outline) return std::move(outline).failure();
  return outline->plan(session);
}

template <architecture Arch, class KV>
result<model<Arch, KV>> model<Arch, KV>::try_load(const gguf_file& file, const load_options& options) {
  const auto outline = try_outline(file, options);
  if (!outline) return outline.failure();
  const std::size_t bytes = outline->weight_bytes();
  if (options.memory_cap > 0 && bytes > options.memory_cap) {
    return error(errc::out_of_memory, "the weights take " + std::to_string(bytes) + " bytes, above the cap of " +
                                          std::to_string(options.memory_cap));
  }
  auto words = nibble::tokenizer::try_load(file.meta(), options.most);
  if (!words) return std::move(words).failure();
  if (words->size() != outline->vocabulary()) {
    return error(errc::shape_mismatch, "token_embd.weight: expected a row for each of the " + std::to_string(words->size()) +
                                           " tokens, found " + std::to_string(outline->vocabulary()));
  }
  auto s = std::make_shared<state>();
  s->config = outline->config();
  s->words.emplace(*std::move(words));
  s->chat_template = file.meta().template get<std::string_view>("tokenizer.chat_template").value_or("");
  s->memory_cap = options.memory_cap;
  if (options.executor) {
    s->executor = *options.executor;
  } else {
    s->pool.emplace(options.threads);
    s->executor = executor_ref(*s->pool);
  }
  auto memory = aligned_buffer::try_allocate(bytes);
  if (!memory) return std::move(memory).failure().in("weights");
  s->weights = *std::move(memory);
  s->weights.prefer_large_pages();
  tensor_source tensors(file, options.mapped, s->executor, {s->weights.data(), s->weights.size()});
  if (options.progress) {
    tensors.on_progress([&](std::size_t done) { return options.progress(done, bytes); });
  }
  s->arch.emplace(s->config, tensors);
  if (tensors.failure()) return *tensors.failure();
  s->weight_bytes = tensors.bytes();
  return model(std::move(s));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
