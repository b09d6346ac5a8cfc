/// Definitions of model/embedder.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "nibble/kernels/table.hpp"
#include "nibble/model/embedder.hpp"
#include "nibble/model/step_runner-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// What an embedder is made for.
struct embedder_room {
  session_options steps;
  std::size_t texts = 0;  ///< of a step
  pooling how = pooling::none;
  std::size_t pooling_bytes = 0;  ///< of scratch
};

/// Bytes of scratch that pooling takes of the largest step.
inline std::size_t measure_pooling(const pooling_head& head, pooling how, std::size_t width, const embedder_room& room) {
  scratch_arena arena;
  inline_executor executor;
  compute c(kernels(), executor, arena);
  const pooling rows = head.rows_for(how);
  const std::size_t all = room.steps.context;
  const std::vector<token_run> texts(room.texts);
  head.forward(c, how, {nullptr, rows == pooling::none || rows == pooling::mean ? all : room.texts, width}, texts,
               c.scratch(how == pooling::none ? all : room.texts, head.outputs(how)));
  return arena.peak();
}

/// @errors  invalid_argument
inline result<embedder_room> room_of(const loaded_model& m, const embedder_options& o) {
  const auto invalid = [](std::string sentence) { return error(errc::invalid_argument, "embedder_options::" + sentence); };
  const auto& stated = m.pooling.config().stated;
  embedder_room room;
  if (!o.pooling && !stated) {
    return invalid("pooling: the file of this " + std::string(m.architecture_name()) + " model states none, so name one");
  }
  room.how = o.pooling.value_or(stated.value_or(pooling::none));
  if (room.how == pooling::rank && !m.pooling.ranks())
    return invalid("pooling: rank needs a classifier, and the file has none");
  if (o.context > m.context) {
    return invalid("context: expected at most the model's " + std::to_string(m.context) + ", found " +
                   std::to_string(o.context));
  }
  if (o.texts == 0 || o.texts > most_sequences) {
    return invalid("texts: expected 1 to " + std::to_string(most_sequences) + ", found " + std::to_string(o.texts));
  }
  const std::size_t context = o.context > 0 ? o.context : std::min<std::size_t>(m.context, 2048);
  room.texts = std::min(o.texts, context);
  const pooling rows = m.pooling.rows_for(room.how);
  const bool all = rows == pooling::none || rows == pooling::mean;
  room.steps.context = room.steps.prefill_chunk = context;
  room.steps.output_rows = all ? context : room.texts;
  room.steps.output = step_output::hidden;
  room.steps.kv = o.kv, room.steps.marks = false, room.steps.state_interval = 0;
  NIBBLE_TRY(check(m, room.steps));
  room.pooling_bytes = measure_pooling(m.pooling, room.how, m.width, room);
  return room;
}

inline memory_plan plan_of(const loaded_model& m, const embedder_room& room) {
  memory_plan p = plan_steps(m, room.steps, room.texts, true);
  p.scratch = sum_of_sizes(p.scratch, room.pooling_bytes);
  for (const std::size_t part : {aligned_buffer::slack(room.pooling_bytes), product_of_sizes(room.steps.context, sizeof(token)),
                                 product_of_sizes(room.texts, sizeof(token_run))})
    p.tables = sum_of_sizes(p.tables, part);
  return p;
}

/// Divides by the length, if there is one.
inline void make_unit(float* x, std::size_t n) noexcept {
  double squares = 0;  // of floats they are exact, so nothing here depends on how a host's compiler contracts them
  for (std::size_t i = 0; i < n; ++i) squares += double(x[i]) * double(x[i]);
  const double length = std::sqrt(squares);
  for (std::size_t i = 0; length > 0 && i < n; ++i) x[i] = static_cast<float>(double(x[i]) / length);
}
}  // namespace detail

result<memory_plan> embedder::try_plan(const any_model& model, const embedder_options& options) {
  const auto room = detail::room_of(model.loaded(), options);
  if (!room) return room.failure();
  return detail::plan_of(model.loaded(), *room);
}

result<embedder> embedder::try_create(const any_model& model, const embedder_options& options) {
  const auto room = detail::room_of(model.loaded(), options);
  if (!room) return room.failure();
  NIBBLE_TRY(detail::check_cap("model and embedder", detail::plan_of(model.loaded(), *room).total(), model.memory_cap()));
  auto runner = step_runner::try_create(model, room->steps, room->texts, true);
  if (!runner) return std::move(runner).failure();
  auto scratch = scratch_arena::try_create(room->pooling_bytes);
  if (!scratch) return std::move(scratch).failure();
  embedder made(*std::move(runner), room->how, options.unit_length);
  made.scratch_ = *std::move(scratch);
  made.ids_.resize(room->steps.context);
  made.vector_runs_.resize(room->texts);
  return made;
}

embedder::embedder(step_runner runner, nibble::pooling how, bool unit_length)
    : runner_(std::move(runner)),
      pooling_(how),
      unit_length_(unit_length && how != nibble::pooling::rank),
      width_(runner_.model().loaded().pooling.outputs(how)) {}

memory_plan embedder::memory() const NIBBLE_NOEXCEPT {
  memory_plan p = runner_.memory();
  p.scratch += scratch_.capacity();
  p.tables +=
      aligned_buffer::slack(scratch_.capacity()) + ids_.size() * sizeof(token) + vector_runs_.size() * sizeof(token_run);
  return p;
}

result<void> embedder::check(std::span<const std::span<const token>> texts) const {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto wrong = [&](std::string sentence) {
      return error(errc::invalid_argument, "text " + std::to_string(i) + ": expected " + std::move(sentence));
    };
    if (texts[i].empty() || texts[i].size() > context()) {
      return wrong("1 to " + std::to_string(context()) + " tokens, found " + std::to_string(texts[i].size()));
    }
    if (!detail::are_tokens(texts[i], model().vocabulary())) {
      return wrong("tokens of the model's vocabulary of " + std::to_string(model().vocabulary()));
    }
  }
  return {};
}

/// Puts as many texts as there is room for side by side. @returns how many
std::size_t embedder::collect(std::span<const std::span<const token>> texts) {
  const std::span<token_run> runs = runner_.room().runs;
  std::size_t count = 0, tokens = 0;
  for (const std::span<const token> text : texts) {
    if (count == runs.size() || text.size() > ids_.size() - tokens) break;
    std::copy(text.begin(), text.end(), ids_.begin() + static_cast<std::ptrdiff_t>(tokens));
    runs[count] = {tokens, text.size(), 0, count};
    tokens += text.size(), ++count;
  }
  return count;
}

result<std::size_t> embedder::run(std::span<const std::span<const token>> texts, const stop_token& cancel) {
  const std::size_t count = collect(texts);
  const auto runs = std::span(runner_.room().runs).first(count);
  const std::size_t tokens = runs.back().first + runs.back().count;
  const pooling_head& head = model().loaded().pooling;
  const std::span<std::uint32_t> wanted = runner_.room().wanted;
  std::size_t rows = 0;
  switch (head.rows_for(pooling_)) {
    case nibble::pooling::first:
      for (const token_run& r : runs) wanted[rows++] = static_cast<std::uint32_t>(r.first);
      break;
    case nibble::pooling::last:
      for (const token_run& r : runs) wanted[rows++] = static_cast<std::uint32_t>(r.first + r.count - 1);
      break;
    default:
      for (; rows < tokens; ++rows) wanted[rows] = static_cast<std::uint32_t>(rows);
  }
  const auto [how, hidden] = runner_.run(std::span(ids_).first(tokens), runs, wanted.first(rows), cancel);
  for (std::size_t i = 0; i < count; ++i) runner_.truncate(i, 0);
  // Nothing else stops a step: the pool is the embedder's own, and has room for all that it collects.
  if (how != feed_outcome::done) return error(errc::cancelled, "embedding was cancelled");

  const bool each = pooling_ == nibble::pooling::none;
  for (std::size_t i = 0; i < count; ++i) vector_runs_[i] = each ? runs[i] : token_run{i, 1, 0, i};
  scratch_.rewind(0);
  compute c(kernels(), model().executor(), scratch_);
  vectors_ = c.scratch(each ? tokens : count, width_);
  head.forward(c, pooling_, hidden, runs, vectors_);
  if (unit_length_) detail::for_each_token(c, vectors_, [&](std::size_t t) { detail::make_unit(vectors_.row(t), width_); });
  c.rethrow();
  return count;
}

std::span<float> embedder::numbers_of(std::size_t text) noexcept {
  const token_run& r = vector_runs_[text];
  return {vectors_.row(r.first), r.count * width_};
}

result<std::vector<token>> embedder::try_encode(std::string_view text) const {
  if (!model().has_tokenizer()) return *model().loaded().no_tokenizer;
  return model().tokenizer().encode(text);
}

result<std::vector<token>> embedder::try_pair(std::string_view query, std::string_view document) const {
  if (!model().has_tokenizer()) return *model().loaded().no_tokenizer;
  const nibble::tokenizer& t = model().tokenizer();
  const std::string_view form = model().loaded().rerank_template;
  if (form.empty()) {  // as the file begins and ends a text, with what ends one between the two
    std::vector<token> ids = t.encode(query);
    if (t.separates_twice() && t.eos()) ids.push_back(*t.eos());
    t.encode(document, ids, {.bos = false});
    return ids;
  }
  std::vector<prompt_part> parts;
  for (std::string_view rest = form; !rest.empty();) {
    const std::size_t at = std::min(rest.find("{query}"), rest.find("{document}"));
    parts.push_back({std::string(rest.substr(0, at)), true});
    if (at == std::string_view::npos) break;
    const bool is_query = rest.substr(at).starts_with("{query}");
    parts.push_back({std::string(is_query ? query : document)});
    rest.remove_prefix(at + std::string_view(is_query ? "{query}" : "{document}").size());
  }
  return t.encode(parts, {.bos = false, .eos = false});
}

result<std::vector<float>> embedder::try_embed(std::span<const token> ids, stop_token cancel) {
  std::vector<float> vector;
  const auto keep = [&](std::size_t, std::span<float> numbers) { vector.assign(numbers.begin(), numbers.end()); };
  NIBBLE_TRY(try_embed_each({&ids, 1}, keep, std::move(cancel)));
  return vector;
}
result<std::vector<float>> embedder::try_embed(std::string_view text, stop_token cancel) {
  const auto ids = try_encode(text);
  if (!ids) return ids.failure();
  return try_embed(std::span<const token>(*ids), std::move(cancel));
}
result<std::vector<std::vector<float>>> embedder::try_embed_all(std::span<const std::vector<token>> texts, stop_token cancel) {
  const std::vector<std::span<const token>> spans(texts.begin(), texts.end());
  std::vector<std::vector<float>> vectors(texts.size());
  const auto keep = [&](std::size_t i, std::span<float> numbers) { vectors[i].assign(numbers.begin(), numbers.end()); };
  NIBBLE_TRY(try_embed_each(spans, keep, std::move(cancel)));
  return vectors;
}

float cosine(std::span<const float> a, std::span<const float> b) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(a.size() == b.size());
  double product = 0, squares_a = 0, squares_b = 0;  // products of floats are exact
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += double(a[i]) * double(b[i]);
    squares_a += double(a[i]) * double(a[i]), squares_b += double(b[i]) * double(b[i]);
  }
  const double lengths = std::sqrt(squares_a) * std::sqrt(squares_b);
  return lengths > 0 ? static_cast<float>(product / lengths) : 0.0f;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
