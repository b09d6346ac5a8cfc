/// What a session asks of an evaluator, whatever the type of its model.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "nibble/core/token.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct evaluation {
  virtual ~evaluation() = default;
  virtual const nibble::tokenizer& tokenizer() const noexcept = 0;
  virtual const std::string& chat_template() const noexcept = 0;
  virtual std::size_t context() const noexcept = 0;
  virtual std::size_t position() const noexcept = 0;
  virtual feed_outcome feed(std::span<const token> tokens, std::stop_token cancel) noexcept = 0;
  virtual std::span<float> logits() noexcept = 0;
  /// The largest position at or before the given one that truncate() can cut back to.
  virtual std::size_t resumable(std::size_t position) noexcept = 0;
  virtual void truncate(std::size_t position) noexcept = 0;
};

template <class Model>
struct evaluation_of final : evaluation {
  explicit evaluation_of(evaluator<Model> e) : evaluator_(std::move(e)) {}
  const Model& model() const noexcept { return evaluator_.model(); }

  const nibble::tokenizer& tokenizer() const noexcept override { return model().tokenizer(); }
  const std::string& chat_template() const noexcept override { return model().chat_template(); }
  std::size_t context() const noexcept override { return evaluator_.context(); }
  std::size_t position() const noexcept override { return evaluator_.position(); }
  feed_outcome feed(std::span<const token> tokens, std::stop_token cancel) noexcept override {
    return evaluator_.feed(tokens, std::move(cancel));
  }
  std::span<float> logits() noexcept override { return evaluator_.logits(); }
  std::size_t resumable(std::size_t position) noexcept override { return evaluator_.truncate(position) ? position : 0; }
  void truncate(std::size_t position) noexcept override { evaluator_.truncate(position); }

 private:
  evaluator<Model> evaluator_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
