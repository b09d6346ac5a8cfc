/// Definitions of model/any_model.hpp but for its registry, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "nibble/core/checksum.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/pool.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/loaded_model.hpp"
#include "nibble/model/scratch_plan.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

any_model::any_model(std::shared_ptr<const detail::loaded_model> model) noexcept : model_(std::move(model)) {}
any_model::any_model(const any_model&) noexcept = default;
any_model& any_model::operator=(const any_model&) noexcept = default;
any_model::~any_model() = default;

std::string_view any_model::architecture_name() const noexcept { return model_->architecture_name(); }
bool any_model::makes_vectors() const noexcept { return model_->pooling.config().embeds(); }
bool any_model::has_tokenizer() const noexcept { return model_->tokenizer.has_value(); }
const nibble::tokenizer& any_model::tokenizer() const& NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(has_tokenizer());
  return *model_->tokenizer;
}
std::size_t any_model::vocabulary() const noexcept { return model_->vocabulary; }
std::size_t any_model::width() const noexcept { return model_->width; }
std::size_t any_model::context() const noexcept { return model_->context; }
std::size_t any_model::weight_bytes() const noexcept { return model_->weight_bytes; }
std::size_t any_model::tokenizer_bytes() const noexcept { return model_->tokenizer_bytes; }
std::size_t any_model::memory_cap() const noexcept { return model_->memory_cap; }
std::uint64_t any_model::fingerprint() const noexcept { return model_->fingerprint; }
executor_ref any_model::executor() const noexcept { return model_->executor; }
const std::string& any_model::chat_template() const& noexcept { return model_->chat_template; }
const result<nibble::chat_template>& any_model::chat_form() const& noexcept { return model_->chat_form; }
std::vector<kv_shape> any_model::kv(step_output output) const { return model_->kv(output); }
bool any_model::gives_drafts() const noexcept { return model_->gives_drafts; }
tensor_type any_model::kv_type() const noexcept { return model_->kv_type; }
void any_model::forward(step& s, activations out) const noexcept { model_->forward(s, out); }

namespace detail {
/// Bytes of a model, and of a step_runner on it with all of its forks.
/// @param one_step  see kv_room
inline memory_plan plan_steps(const loaded_model& m, const session_options& options, std::size_t sequences, bool one_step) {
  const session_options o = with_places_to_return(m.context, complete(m, options), sequences == 1);
  const std::size_t runners = 1 + forks_of(o, sequences);
  const auto kept = kv_pool::planned_bytes(m.kv(o.output), room_of(o, sequences, one_step));
  std::size_t scratch = measure_scratch(m, o.prefill_chunk, o.output_rows, o);
  if (sequences > 1) {
    const std::size_t tokens = std::max(o.prefill_chunk, sequences), rows = std::max(o.output_rows, sequences);
    scratch = std::max({scratch, measure_scratch(m, tokens, rows, o), measure_scratch(m, rows, rows, o)});
  }
  memory_plan p;
  p.weights = m.weight_bytes, p.tokenizer = m.tokenizer_bytes;
  p.kv = kept.pages, p.states = kept.states, p.scratch = product_of_sizes(runners, scratch);
  p.tables = sum_of_sizes(kept.tables, product_of_sizes(runners, step_bytes(o, sequences) + aligned_buffer::slack(scratch)));
  for (const std::size_t block : {p.kv, p.states}) p.tables = sum_of_sizes(p.tables, aligned_buffer::slack(block));
  return p;
}
}  // namespace detail

memory_plan any_model::plan(const session_options& options, std::size_t sequences) const {
  NIBBLE_ASSERT(sequences >= 1 && sequences <= most_sequences);
  memory_plan p = detail::plan_steps(*model_, options, sequences, false);
  if (sequences == 1) {
    const session_options o = detail::complete(*model_, options);
    p.sampling =
        product_of_sizes(1 + detail::forks_of(o, 1), detail::sampling_bytes(vocabulary(), o.context + o.when_full.slides));
    p.guessing = detail::guessing_bytes(*this, o);
  }
  return p;
}

namespace detail {
inline limits limits_of(const known_architectures& known, const load_options& options) {
  limits most = options.limits;
  if (!most.own_type) most.own_type = known.own_type;
  return most;
}

/// What a file is that somebody may have mistaken for a model, or nothing.
inline std::string_view no_model(const gguf_file& file) noexcept {
  const auto type = file.meta().get<std::string_view>("general.type");
  if (type == "imatrix") return "importance weights for quantizing";  // these name no architecture
  const auto architecture = file.meta().get<std::string_view>("general.architecture");
  if (!architecture) return {};
  if (architecture == "clip") return "the part of one that sees or hears (mmproj)";
  if (architecture == "controlvector" || type == "adapter") return "an adapter of one: see nibble::adapter";
  if (file.tensors().empty()) return "a vocabulary alone: see nibble::tokenizer";
  return {};
}

/// The architecture that a file names.
inline result<const architecture_entry*> choose(const known_architectures& known, const gguf_file& file) {
  if (const auto found = no_model(file); !found.empty()) {
    return error(errc::unknown_architecture, "expected a model, found " + std::string(found));
  }
  const auto name = file.meta().try_get<std::string_view>("general.architecture");
  if (!name) return name.failure();
  std::string names;
  for (const architecture_entry& entry : known.entries) {
    if (entry.name == *name) return &entry;
    names.append(names.empty() ? "" : ", ").append(entry.name);
  }
  const bool several = known.entries.size() > 1;
  return error(errc::unknown_architecture,
               "general.architecture: " + (several ? "found " + quoted(*name) + ", expected one of " + names
                                                   : "expected " + names + ", found " + quoted(*name)));
}

/// What a file says of its model, in any order, but for its vocabulary and for what a model is called, and how it is split.
inline std::uint64_t fingerprint_of(const metadata& meta) noexcept {
  std::uint64_t sum = 0;
  for (const metadata_entry& entry : meta) {
    const std::string_view key = entry.key;
    if (key.starts_with("general.") || key.starts_with("tokenizer.") || key.starts_with("split.")) continue;
    sum += checksum(entry.value.bytes(), checksum(std::as_bytes(std::span<const char>(key))));
  }
  return sum;
}

/// See any_model::fingerprint. Of each tensor a few cache lines are read, from the first to the last.
inline result<std::uint64_t> fingerprint_of(const gguf_file& file, std::string_view architecture) {
  constexpr std::uint64_t steps = 4;
  std::uint64_t sum = checksum(std::as_bytes(std::span<const char>(architecture)), fingerprint_of(file.meta()));
  for (const tensor_info& t : file.tensors()) {
    sum = checksum(std::as_bytes(std::span<const char>(t.name)), sum);
    const std::uint64_t numbers[] = {static_cast<std::uint64_t>(t.type), t.bytes};
    sum = checksum(std::as_bytes(std::span(numbers)), checksum(std::as_bytes(std::span(t.dims)), sum));
    std::array<std::byte, cache_line> some{};
    const std::uint64_t count = std::min<std::uint64_t>(t.bytes, some.size());
    for (std::uint64_t i = 0; i <= steps; ++i) {
      const std::uint64_t places = t.bytes - count, place = places / steps * i + places % steps * i / steps;
      NIBBLE_TRY(file.try_read(t, place, std::span(some).first(static_cast<std::size_t>(count))));
      sum = checksum(some, sum);
    }
    file.release(t, 0, static_cast<std::size_t>(t.bytes));
  }
  return sum;
}

/// Gives a model what it keeps beside weights, for whose sizes it is asked.
inline result<void> read_text(loaded_model& m, const gguf_file& file, const load_options& options) {
  auto tokenizer = nibble::tokenizer::try_load(file.meta(), {.limits = options.limits, .pre_tokenizer = options.pre_tokenizer});
  if (!tokenizer) {
    const bool unknown = tokenizer.failure().code() == errc::unknown_tokenizer;
    const auto named = file.meta().get<std::string_view>("tokenizer.ggml.model");
    const bool none = named == "none" || named == "no_vocab";
    if (!none && (!unknown || !m.pooling.config().embeds())) return std::move(tokenizer).failure();
    m.no_tokenizer = error(errc::unknown_tokenizer,
                           none ? "key 'tokenizer.ggml.model': " + quoted(*named) + ": the model takes and gives tokens alone"
                                : std::string(tokenizer.failure().what()));
  } else if (tokenizer->size() != m.vocabulary) {
    return error(errc::shape_mismatch, "token_embd.weight: expected a row for each of the " +
                                           std::to_string(tokenizer->size()) + " tokens, found " +
                                           std::to_string(m.vocabulary));
  } else {
    m.tokenizer.emplace(*std::move(tokenizer));
  }
  const std::string_view rerank = file.meta().get<std::string_view>("tokenizer.chat_template.rerank").value_or("");
  if (!rerank.empty() && (rerank.find("{query}") == rerank.npos || rerank.find("{document}") == rerank.npos)) {
    return error(errc::bad_value, "tokenizer.chat_template.rerank: expected {query} and {document} in it");
  }
  m.rerank_template = std::string(rerank);
  m.chat_template = std::string(file.meta().get<std::string_view>("tokenizer.chat_template").value_or(""));
  m.chat_form = nibble::chat_template::try_from(file.meta(), m.tokenizer ? &*m.tokenizer : nullptr, options.limits);
  if (!m.chat_form) m.chat_form = error(m.chat_form.failure().code(), std::string(m.chat_form.failure().what()));  // no longer
  if (options.mapped) m.files.resize(file.shards());
  m.tokenizer_bytes = m.text_bytes();
  return {};
}

/// A model of the architecture that a file names, without what is read_text().
inline result<std::shared_ptr<loaded_model>> make(const known_architectures& known, const gguf_file& file,
                                                  tensor_source& tensors, const limits& limits) {
  const auto entry = choose(known, file);
  if (!entry) return entry.failure();
  hyperparameters h(file.meta(), (*entry)->name, limits);
  auto made = (*entry)->make(h, tensors, known.observer);
  if (h.failure()) return *h.failure();
  tensors.refuse_unread((*entry)->name, limits);
  if (tensors.failure()) return *tensors.failure();
  std::size_t bytes = 0;
  std::shared_ptr<loaded_model> m(made.release(), std::default_delete<loaded_model>(), counting_allocator<loaded_model>(bytes));
  m->matrices = tensors.take_placed();
  m->matrices.shrink_to_fit();
  std::sort(m->matrices.begin(), m->matrices.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  m->own_bytes += bytes + heap_bytes(m->matrices);
  for (const kv_shape& s : m->kv()) m->looks_ahead = m->looks_ahead || s.looks_ahead;
  for (const tensor_info& t : file.tensors()) m->stored_bytes += t.bytes;
  m->limits = limits, m->kv_type = known.kv_type;
  return m;
}

/// A model without weights: all else, and the shapes of what is not there.
inline result<std::shared_ptr<loaded_model>> outline(const known_architectures& known, const gguf_file& file,
                                                     const load_options& options) {
  if (options.mapped && file.access() == file_access::read) {
    return error(errc::invalid_argument, "load_options::mapped: weights stay in the pages of a file, and this one is read");
  }
  tensor_source tensors(file, known.formats, options.mapped);
  auto made = make(known, file, tensors, options.limits);
  if (!made) return made;
  (*made)->weight_bytes = tensors.bytes();
  NIBBLE_TRY(check_cap("the weights", tensors.bytes(), options.memory_cap));
  NIBBLE_TRY(read_text(**made, file, options));
  return made;
}

inline result<std::shared_ptr<loaded_model>> load(const known_architectures& known, const gguf_file& file,
                                                  const load_options& options) {
  auto plan = outline(known, file, options);
  if (!plan) return std::move(plan).failure();
  const std::size_t bytes = (*plan)->weight_bytes;
  NIBBLE_TRY(check_cap("weights and tokenizer", sum_of_sizes(bytes, (*plan)->tokenizer_bytes), options.memory_cap));
  const auto fingerprint = fingerprint_of(file, (*plan)->architecture_name());
  if (!fingerprint) return fingerprint.failure();
  std::optional<thread_pool> pool;
  executor_ref executor;
  if (options.executor) {
    executor = *options.executor;
  } else {
    pool.emplace(options.threads);
    executor = executor_ref(*pool);
  }
  auto memory = aligned_buffer::try_allocate(bytes, memory_pages::large);
  if (!memory) return std::move(memory).failure().in("weights");
  tensor_source tensors(file, known.formats, options.mapped, executor, {memory->data(), memory->size()});
  if (options.progress) {
    tensors.on_progress([&](std::size_t done) { return options.progress(done, bytes); });
  }
  auto made = make(known, file, tensors, options.limits);
  if (!made) return std::move(made).failure();
  tensors.finish();
  if (tensors.failure()) return *tensors.failure();

  std::shared_ptr<loaded_model> m = *std::move(made);
  m->weight_bytes = tensors.bytes();
  m->memory_cap = options.memory_cap;
  m->fingerprint = *fingerprint;
  m->weights = *std::move(memory);
  m->take_text(std::move(**plan));
  if (pool) m->pool.emplace(*std::move(pool));
  m->executor = m->pool ? executor_ref(*m->pool) : executor;
  return m;
}
}  // namespace detail

result<any_model> any_model::try_load(const detail::known_architectures& known, const std::filesystem::path& path,
                                      const load_options& options) {
  auto file = gguf_file::try_open(path, detail::limits_of(known, options), options.access);
  if (!file) return std::move(file).failure();
  auto loaded = try_load(known, *std::move(file), options);
  if (!loaded) return std::move(loaded).failure().in(detail::path_text(path));
  return loaded;
}
result<any_model> any_model::try_load(const detail::known_architectures& known, byte_source source,
                                      const load_options& options) {
  const std::string name = source.name();
  auto file = gguf_file::try_open(std::move(source), detail::limits_of(known, options));
  if (!file) return std::move(file).failure();
  auto loaded = try_load(known, *std::move(file), options);
  if (!loaded && !name.empty()) return std::move(loaded).failure().in(name);
  return loaded;
}
result<any_model> any_model::try_load(const detail::known_architectures& known, std::span<const std::byte> bytes,
                                      const load_options& options) {
  auto file = gguf_file::try_parse(bytes, detail::limits_of(known, options));
  if (!file) return std::move(file).failure();
  return try_load(known, *std::move(file), options);
}
result<any_model> any_model::try_load(const detail::known_architectures& known, gguf_file&& file, const load_options& options) {
  if (!options.mapped) return try_load(known, std::as_const(file), options);
  auto loaded = detail::load(known, file, options);
  if (!loaded) return std::move(loaded).failure();
  (*loaded)->files = std::move(file).mappings();
  return any_model(*std::move(loaded));
}
result<any_model> any_model::try_load(const detail::known_architectures& known, const gguf_file& file,
                                      const load_options& options) {
  auto loaded = detail::load(known, file, options);
  if (!loaded) return std::move(loaded).failure();
  return any_model(*std::move(loaded));
}
result<memory_plan> any_model::try_plan(const detail::known_architectures& known, const gguf_file& file,
                                        const session_options& session, const load_options& options) {
  auto outline = detail::outline(known, file, options);
  if (!outline) return std::move(outline).failure();
  NIBBLE_TRY(detail::check(**outline, session));
  return any_model(std::shared_ptr<const detail::loaded_model>(*std::move(outline))).plan(session);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
