/// embedder: texts in, vectors or scores out. What embedding models and rerankers are for.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/model/pooling.hpp"
#include "nibble/model/step_runner.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What an embedder has room for, and how it pools.
struct embedder_options {
  std::size_t context = 0;  ///< tokens of a text, and of a step, at most; 0: the model's, but no more than 2048
  std::size_t texts = 32;   ///< texts of a step at most
  std::optional<nibble::pooling> pooling = {};  ///< instead of what the file states; needed where it states nothing
  bool unit_length = false;                     ///< vectors are divided by their length, so that a dot product is their cosine
  tensor_type kv = tensor_type::f32;            ///< how keys and values stand in memory while a step is at work
};

/// Several texts, each something that a std::string_view can be made of.
template <class T>
concept text_range =
    std::ranges::input_range<const T> && std::convertible_to<std::ranges::range_reference_t<const T>, std::string_view>;

/// Makes vectors of texts, or scores of them. Owned by one thread at a time; any number of them share a model.
///
/// Texts that are given together go through the model together, as many in a step as embedder_options::context has room for:
/// the weights are read once a step. A text's vector has the same bits alone, with others, and on any number of threads.
/// Nothing is kept between texts: there is no KV cache, but room for the keys and values of one step in one layer.
/// @example  auto embedder = nibble::embedder::create(model, {.unit_length = true});
///           std::vector<float> vector = embedder.embed("How do bees find their way?");
class embedder {
 public:
  /// All memory is taken here.
  /// @errors  out_of_memory (the model's memory_cap included); invalid_argument: a model whose file states no pooling, where
  ///          the options name none, or more than it can do
  static result<embedder> try_create(const any_model& model, const embedder_options& options = {});
  /// Exact bytes of a model and of an embedder on it, before it is made.
  /// @errors  invalid_argument
  static result<memory_plan> try_plan(const any_model& model, const embedder_options& options = {});

  /// The vector of a text: width() numbers. With pooling::none, width() of each token, one after the other; with pooling::rank
  /// the numbers of its classifier. The tokenizer puts in front and behind what the file asks for.
  /// @errors  invalid_argument: no tokens, or more than context(); cancelled; unknown_tokenizer: see any_model::has_tokenizer
  result<std::vector<float>> try_embed(std::string_view text, stop_token cancel = {});
  /// The same of tokens. @errors invalid_argument also where an id is none of the vocabulary
  result<std::vector<float>> try_embed(std::span<const token> ids, stop_token cancel = {});
  /// The vectors of texts, in their order.
  /// @errors  as above; then none is made
  template <text_range Texts>
  result<std::vector<std::vector<float>>> try_embed(const Texts& texts, stop_token cancel = {});
  /// The same without allocating: on_text(index, numbers) for each text in order, whose numbers it may change, and which are
  /// valid until it returns.
  template <std::invocable<std::size_t, std::span<float>> F>
  result<void> try_embed_each(std::span<const std::span<const token>> texts, F&& on_text, stop_token cancel = {});

  /// How well each document answers a query: the first number of the classifier, as it gives it; larger is better. Of a file's
  /// token types, the first is added to query and document alike.
  /// @errors  as try_embed; invalid_argument: the pooling is another than rank
  template <text_range Texts>
  result<std::vector<float>> try_rank(std::string_view query, const Texts& documents, stop_token cancel = {});
  /// The tokens of a query and a document that are scored together, as the model wants them.
  /// @errors  unknown_tokenizer
  result<std::vector<token>> try_pair(std::string_view query, std::string_view document) const;

#if NIBBLE_EXCEPTIONS
  static embedder create(const any_model& model, const embedder_options& options = {}) {
    return try_create(model, options).value();
  }
  static memory_plan plan(const any_model& model, const embedder_options& options = {}) {
    return try_plan(model, options).value();
  }
  std::vector<float> embed(std::string_view text, stop_token cancel = {}) { return try_embed(text, std::move(cancel)).value(); }
  std::vector<float> embed(std::span<const token> ids, stop_token cancel = {}) {
    return try_embed(ids, std::move(cancel)).value();
  }
  template <text_range Texts>
  std::vector<std::vector<float>> embed(const Texts& texts, stop_token cancel = {}) {
    return try_embed(texts, std::move(cancel)).value();
  }
  template <std::invocable<std::size_t, std::span<float>> F>
  void embed_each(std::span<const std::span<const token>> texts, F&& on_text, stop_token cancel = {}) {
    try_embed_each(texts, std::forward<F>(on_text), std::move(cancel)).value();
  }
  template <text_range Texts>
  std::vector<float> rank(std::string_view query, const Texts& documents, stop_token cancel = {}) {
    return try_rank(query, documents, std::move(cancel)).value();
  }
  std::vector<token> pair(std::string_view query, std::string_view document) const { return try_pair(query, document).value(); }
#endif

  /// An embedder that was moved from can only be assigned to or destroyed: precondition of all its functions.
  embedder(embedder&&) noexcept = default;
  embedder& operator=(embedder&&) noexcept = default;

  /// The model that it runs.
  const any_model& model() const& NIBBLE_NOEXCEPT { return runner_.model(); }
  const any_model& model() const&& = delete;
  /// How vectors are made: what the file states, or the caller.
  nibble::pooling pooling() const noexcept { return pooling_; }
  /// Numbers of a vector.
  std::size_t width() const noexcept { return width_; }
  /// Tokens that a text may have.
  std::size_t context() const noexcept { return runner_.options().context; }
  /// Bytes that are allocated: as planned.
  memory_plan memory() const NIBBLE_NOEXCEPT;

 private:
  embedder(step_runner runner, nibble::pooling how, bool unit_length);
  result<void> check(std::span<const std::span<const token>> texts) const;
  /// One step, of as many texts as there is room for. @returns how many; their numbers are in vectors_
  result<std::size_t> run(std::span<const std::span<const token>> texts, const stop_token& cancel);
  std::size_t collect(std::span<const std::span<const token>> texts);
  std::span<float> numbers_of(std::size_t text) noexcept;
  result<std::vector<token>> try_encode(std::string_view text) const;
  result<std::vector<std::vector<float>>> try_embed_all(std::span<const std::vector<token>> texts, stop_token cancel);

  step_runner runner_;
  nibble::pooling pooling_;
  bool unit_length_;
  std::size_t width_;
  std::vector<token> ids_;              // of a step
  std::vector<token_run> vector_runs_;  // which rows of vectors_ are a text's
  scratch_arena scratch_;               // of pooling, and what is behind it
  activations vectors_;
};

/// The cosine of the angle between two vectors of equal length: 1 where they point the same way. 0 where one is all zeros.
float cosine(std::span<const float> a, std::span<const float> b) NIBBLE_NOEXCEPT;

template <text_range Texts>
result<std::vector<std::vector<float>>> embedder::try_embed(const Texts& texts, stop_token cancel) {
  std::vector<std::vector<token>> ids;
  for (const std::string_view text : texts) {
    auto encoded = try_encode(text);
    if (!encoded) return std::move(encoded).failure();
    ids.push_back(*std::move(encoded));
  }
  return try_embed_all(ids, std::move(cancel));
}

template <text_range Texts>
result<std::vector<float>> embedder::try_rank(std::string_view query, const Texts& documents, stop_token cancel) {
  if (pooling_ != nibble::pooling::rank) {
    return error(errc::invalid_argument, "rank: expected a model that scores, found pooling " + std::string(name_of(pooling_)));
  }
  std::vector<std::vector<token>> pairs;
  for (const std::string_view document : documents) {
    auto pair = try_pair(query, document);
    if (!pair) return std::move(pair).failure();
    pairs.push_back(*std::move(pair));
  }
  auto numbers = try_embed_all(pairs, std::move(cancel));
  if (!numbers) return std::move(numbers).failure();
  std::vector<float> scores;
  for (const std::vector<float>& n : *numbers) scores.push_back(n.front());
  return scores;
}

template <std::invocable<std::size_t, std::span<float>> F>
result<void> embedder::try_embed_each(std::span<const std::span<const token>> texts, F&& on_text, stop_token cancel) {
  NIBBLE_TRY(check(texts));
  for (std::size_t done = 0; done < texts.size();) {
    const auto count = run(texts.subspan(done), cancel);
    if (!count) return count.failure();
    for (std::size_t i = 0; i < *count; ++i) on_text(done + i, numbers_of(i));
    done += *count;
  }
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
