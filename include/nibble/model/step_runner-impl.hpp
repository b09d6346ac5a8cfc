/// Definitions of model/step_runner.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "nibble/core/aligned.hpp"
#include "nibble/file/readable_file.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/model/any_model-impl.hpp"
#include "nibble/model/step_runner.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<step_runner> step_runner::try_create(const any_model& model, session_options options, std::size_t sequences,
                                            bool one_step) {
  NIBBLE_TRY(detail::check(model.loaded(), options));
  if (sequences == 0 || sequences > most_sequences) {
    return error(errc::invalid_argument,
                 "sequences: expected 1 to " + std::to_string(most_sequences) + ", found " + std::to_string(sequences));
  }
  options = detail::with_places_to_return(model.context(), options, false);
  const session_options o = detail::complete(model.loaded(), options);
  const memory_plan plan = detail::plan_steps(model.loaded(), o, sequences, one_step);
  NIBBLE_TRY(detail::check_cap("model and session", plan.total(), model.memory_cap()));
  auto pool = kv_pool::try_create(model.kv(o.output), detail::room_of(o, sequences, one_step));
  if (!pool) return std::move(pool).failure();
  step_runner made(model, o, *pool, plan);
  std::vector<nibble::sequence> fresh;
  fresh.reserve(sequences);
  for (std::size_t i = 0; i < sequences; ++i) {
    auto one = nibble::sequence::try_create(**pool);
    if (!one) return std::move(one).failure();
    fresh.push_back(*std::move(one));
  }
  NIBBLE_TRY(made.take_room(std::move(fresh), plan.scratch / (1 + detail::forks_of(o, sequences))));
  return made;
}

result<step_runner> step_runner::try_fork() const {
  NIBBLE_ASSERT(sequences_.size() == 1);
  auto other = sequences_.front().try_fork();
  if (!other) return std::move(other).failure().in("session_options::forks");
  std::vector<nibble::sequence> one;
  one.reserve(1);
  one.push_back(*std::move(other));
  step_runner made(model_, options_, pool_, plan_);
  NIBBLE_TRY(made.take_room(std::move(one), scratch_.capacity()));
  made.scales_ = scales_;
  return made;
}

/// Takes sequences, and what is needed to run their steps.
result<void> step_runner::take_room(std::vector<nibble::sequence> sequences, std::size_t scratch_bytes) {
  const std::size_t count = sequences.size();
  sequences_ = std::move(sequences);
  borrowed_.reserve(count);
  for (nibble::sequence& s : sequences_) borrowed_.push_back(&s);
  auto scratch = scratch_arena::try_create(scratch_bytes);
  if (!scratch) return std::move(scratch).failure();
  scratch_ = *std::move(scratch);
  positions_.resize(std::max(options_.prefill_chunk, count));
  if (options_.when_full.slides && !options_.when_full.weighs) near_.resize(positions_.size());
  wanted_runs_.resize(std::max(options_.output_rows, count));
  room_.runs.resize(count), room_.ids.resize(positions_.size());
  room_.wanted.resize(wanted_runs_.size());
  const std::size_t adapters = options_.adapters.size();
  row_scales_.resize(product_of_sizes(adapters, sum_of_sizes(positions_.size(), wanted_runs_.size())));
  active_.reserve(adapters);
  scales_.reserve(product_of_sizes(adapters, count));
  for (std::size_t i = 0; i < count; ++i) {
    for (const adapter_use& use : options_.adapters) scales_.push_back(use.scale);
  }
  return {};
}

bool step_runner::fits(std::size_t sequence, std::size_t count) const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sequence < sequences_.size());
  const std::size_t length = sequences_[sequence].length();
  return count <= sequences_[sequence].room() && (length == 0 || count == 0 || !model_.loaded().looks_ahead);
}

/// What run() wants of its arguments.
bool step_runner::may_run(std::span<const token> ids, std::span<const token_run> runs,
                          std::span<const std::uint32_t> wanted) const noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].sequence >= sequences_.size() || runs[i].count > tokens_of_step(runs[i].sequence)) return false;
    for (const token_run& other : runs.first(i)) {
      if (other.sequence == runs[i].sequence) return false;
    }
    count = sum_of_sizes(count, runs[i].count);
  }
  return count == ids.size() && count <= positions_.size() && wanted.size() <= wanted_runs_.size() &&
         detail::are_tokens(ids, model_.vocabulary()) && detail::ascend_below(wanted, ids.size());
}

/// Which of the wanted rows follow each other in a sequence.
std::span<const token_run> step_runner::runs_of(std::span<const token_run> runs,
                                                std::span<const std::uint32_t> wanted) noexcept {
  std::size_t count = 0;
  auto run = runs.begin();
  for (std::size_t row = 0; row < wanted.size(); ++row) {
    while (run + 1 != runs.end() && wanted[row] >= run->first + run->count) ++run;
    const bool follows = row > 0 && wanted[row] == wanted[row - 1] + 1 && wanted[row] != run->first;
    if (follows) {
      ++wanted_runs_[count - 1].count;
    } else {
      wanted_runs_[count++] = {row, 1, run->position + (wanted[row] - run->first), run->sequence};
    }
  }
  return std::span(wanted_runs_).first(count);
}

/// The adapters of which some row of a step takes something.
std::span<const active_adapter> step_runner::adapters_of(std::span<const token_run> runs,
                                                         std::span<const token_run> wanted) noexcept {
  active_.clear();
  const std::size_t adapters = options_.adapters.size();
  float* scales = row_scales_.data();
  const auto spread = [&](std::span<const token_run> rows, std::size_t adapter) {
    float* const begin = scales;
    for (const token_run& r : rows) scales = std::fill_n(scales, r.count, scales_[r.sequence * adapters + adapter]);
    return std::span<const float>(begin, scales);
  };
  for (std::size_t i = 0; i < adapters; ++i) {
    const bool used =
        std::any_of(runs.begin(), runs.end(), [&](const token_run& r) { return scales_[r.sequence * adapters + i] != 0; });
    if (!used) continue;
    active_.push_back(options_.adapters[i].adapter.active());
    active_.back().of_tokens = spread(runs, i), active_.back().of_wanted = spread(wanted, i);
  }
  return active_;
}

step_runner::outcome step_runner::run(std::span<const token> ids, std::span<token_run> runs,
                                      std::span<const std::uint32_t> wanted, stop_token cancel, activations hidden) {
  NIBBLE_ASSERT(!sequences_.empty() && may_run(ids, runs, wanted));
  NIBBLE_ASSERT(options_.output != step_output::draft || (hidden.tokens == ids.size() && hidden.width == model_.width()));
  for (const token_run& r : runs) {  // before any has begun
    if (!fits(r.sequence, r.count)) return {feed_outcome::context_full, {}};
  }
  std::size_t first = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    token_run& r = runs[i];
    nibble::sequence& s = sequences_[r.sequence];
    r.first = first, r.position = s.length();
    if (!s.begin(r.count)) {
      for (const token_run& begun : runs.first(i)) sequences_[begun.sequence].rollback();
      return {feed_outcome::memory_full, {}};
    }
    for (std::size_t t = 0; t < r.count; ++t) positions_[first + t] = static_cast<std::uint32_t>(r.position + t);
    for (std::size_t t = 0; t < r.count && !near_.empty(); ++t) {
      near_[first + t] = static_cast<std::uint32_t>(r.position + t - s.sliding().forgotten(r.position + t));
    }
    first += r.count;
  }
  step_input in{};
  in.ids = ids, in.positions = std::span(positions_).first(ids.size()), in.runs = runs;
  in.wanted = {wanted.size(), runs_of(runs, wanted), wanted};
  in.sequences = borrowed_, in.cancel = cancel, in.output = options_.output;
  in.hidden = hidden;
  in.hitters = sequences_.front().hitters();
  if (!near_.empty()) {
    in.near_positions = std::span(near_).first(ids.size()), in.sliding = sequences_.front().sliding();
    in.forgets =
        in.sliding.kept > 0 && !std::equal(near_.begin(), near_.begin() + std::ptrdiff_t(ids.size()), positions_.begin());
  }
  scratch_.rewind(0);
  step s(kernels(), model_.executor(), scratch_, in);
  s.adapt(adapters_of(in.runs, in.wanted.runs));
  const activations rows = s.compute::scratch(wanted.size(), detail::output_width(model_.loaded(), options_.output));
  if (options_.keep_hidden) hidden_ = in.keep = s.compute::scratch(wanted.size(), model_.width());
  model_.forward(s, rows);
  const bool cancelled = s.cancelled();
  for (const token_run& r : runs) cancelled ? sequences_[r.sequence].rollback() : sequences_[r.sequence].commit();
  s.rethrow();
  return {cancelled ? feed_outcome::cancelled : feed_outcome::done, rows};
}

std::size_t step_runner::resumable(std::size_t sequence, std::size_t position) const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sequence < sequences_.size());
  return sequences_[sequence].resumable(position);
}
bool step_runner::truncate(std::size_t sequence, std::size_t position) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sequence < sequences_.size());
  nibble::sequence& s = sequences_[sequence];
  if (s.resumable(position) != position) return false;
  s.truncate(position);
  return true;
}
void step_runner::fork(std::size_t from, std::size_t to) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(from < sequences_.size() && to < sequences_.size());
  sequences_[to].assign(sequences_[from]);
  const std::size_t adapters = options_.adapters.size();
  const auto scales = scales_.begin();
  std::copy_n(scales + static_cast<std::ptrdiff_t>(from * adapters), adapters,
              scales + static_cast<std::ptrdiff_t>(to * adapters));
}

std::size_t step_runner::recall(std::size_t sequence, std::span<const token> tokens) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sequence < sequences_.size());
  return sequences_[sequence].recall(tokens, fingerprint(sequence));
}
void step_runner::remember(std::size_t sequence, std::span<const token> tokens) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sequence < sequences_.size());
  sequences_[sequence].remember(tokens, fingerprint(sequence));
}

result<void> step_runner::try_save_prefixes(byte_sink& out) const {
  if (!*options_.prefix_cache || options_.when_full.slides)
    return error(errc::invalid_argument, "saved prefix cache: there is none: see session_options::prefix_cache");
  return saved_prefixes::try_save(*pool_, model_.fingerprint(), out);
}
result<void> step_runner::try_load_prefixes(std::span<const std::byte> from) {
  return saved_prefixes::try_load(*pool_, model_.fingerprint(), from);
}
result<void> step_runner::try_load_prefixes(const std::filesystem::path& path) {
  auto file = readable_file::try_open(path);
  if (!file) return std::move(file).failure();  // names the path
  const auto read = [&]() -> result<void> {
    saved_prefixes::header header;
    if (file->size() < sizeof(header)) return try_load_prefixes(std::span<const std::byte>());
    NIBBLE_TRY(file->try_read(0, std::as_writable_bytes(std::span(&header, 1))));
    NIBBLE_TRY(saved_prefixes::check(*pool_, model_.fingerprint(), header, file->size()));  // before memory is taken for it
    auto memory = aligned_buffer::try_allocate(as_size(file->size()));
    if (!memory) return std::move(memory).failure();
    const std::span bytes(memory->data(), memory->size());
    NIBBLE_TRY(file->try_read(0, bytes));
    return try_load_prefixes(bytes);
  };
  auto done = read();
  if (!done) return std::move(done).failure().in(detail::path_text(path));
  return {};
}

result<void> step_runner::try_load(std::size_t sequence, std::size_t length, std::span<const std::byte> state) {
  NIBBLE_ASSERT(sequence < sequences_.size());
  return saved_sequence::try_load(sequences_[sequence], length, state);
}

activations step_runner::keep(std::span<const float> row) NIBBLE_NOEXCEPT {
  scratch_.rewind(0);
  hidden_ = {};
  auto* kept = reinterpret_cast<float*>(scratch_.take(row.size_bytes()));
  if (!row.empty()) std::memcpy(kept, row.data(), row.size_bytes());
  return {kept, 1, row.size()};
}

void step_runner::adapt(std::size_t sequence, std::span<const float> scales) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sequence < sequences_.size() && sequences_[sequence].length() == 0 &&
                scales.size() == options_.adapters.size());
  std::copy(scales.begin(), scales.end(), scales_.begin() + static_cast<std::ptrdiff_t>(sequence * scales.size()));
}
std::uint64_t step_runner::fingerprint(std::size_t sequence) const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sequence < sequences_.size());
  std::uint64_t sum = model_.fingerprint();
  for (std::size_t i = 0; i < options_.adapters.size(); ++i) {
    const float scale = scales_[sequence * options_.adapters.size() + i];
    if (scale == 0) continue;
    const std::uint64_t both[] = {options_.adapters[i].adapter.fingerprint(), std::bit_cast<std::uint32_t>(scale)};
    sum = detail::checksum(std::as_bytes(std::span(both)), sum);
  }
  return sum;
}

memory_plan step_runner::memory() const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pool_);
  return plan_;
}
kv_pool::plan step_runner::used() const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pool_);
  return pool_->used();
}
kv_pool::plan step_runner::cached() const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pool_);
  return pool_->cached();
}
std::size_t step_runner::free_pages(std::size_t window) const NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pool_);
  return pool_->free_pages(window);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
