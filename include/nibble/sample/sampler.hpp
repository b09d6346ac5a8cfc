/// Samplers: how the next token is chosen from the model's logits.
///
/// A sampler is a chain of steps, written with `|` and run from left to right; a step is any callable on candidates&, and may
/// ask for a sample_context& too. What the steps leave is drawn from by its softmax.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "nibble/core/rng.hpp"
#include "nibble/core/token.hpp"
#include "nibble/sample/candidates.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Why a step left no candidate.
enum class no_choice : std::uint8_t {
  none,        ///< it does not say: that ends a text
  complete,    ///< nothing more may come
  impossible,  ///< something must come, and no token can be it
};

/// What a step may look at besides the candidates.
struct sample_context {
  std::span<const token> recent;  ///< the tokens so far, prompt included, newest last
  rng& random;
  no_choice why_none = no_choice::none;  ///< what a step that leaves no candidate may say
};

/// One step of a sampler: changes logits, or takes candidates away.
///
/// @example  struct ban_tokens {
///             std::unordered_set<nibble::token> banned;
///             void operator()(nibble::candidates& c) const {
///               c.remove_if([&](const nibble::candidate& x) { return banned.contains(x.id); });
///             }
///           };
///           auto sampler = ban_tokens{{13, 42}} | nibble::temperature{0.8f} | nibble::top_k{40} | nibble::top_p{0.95f};
/// `|` is found through a step of this namespace: where two of your own stand first, write any_sampler(first) | second.
template <class S>
concept sampler_step = (std::invocable<S&, candidates&> ||
                        std::invocable<S&, candidates&, sample_context&>)&&std::copy_constructible<S>;

/// A step that may know the next token without logits: the only one that it would leave. no_token: it does not.
template <class S>
concept foreseeing_step = requires(S& step, std::span<const token> recent) {
  { step.foresee(recent) } -> std::same_as<token>;
};
/// What a step foresees, or no_token.
template <class S>
token foreseen_by(S& step, std::span<const token> recent) {
  if constexpr (foreseeing_step<S>) return step.foresee(recent);
  return no_token;
}

/// Runs one step, with the context if it wants it.
template <sampler_step S>
void run_step(S& step, candidates& c, sample_context& context) {
  if constexpr (std::invocable<S&, candidates&, sample_context&>) {
    step(c, context);
  } else {
    step(c);
  }
}

/// Steps in a row: a step itself.
template <sampler_step... Steps>
class sampler_chain {
 public:
  /// These steps, in this order.
  explicit sampler_chain(std::tuple<Steps...> steps) : steps_(std::move(steps)) {}
  /// Runs all of them.
  void operator()(candidates& c, sample_context& context) {
    std::apply([&](Steps&... step) { (run_step(step, c, context), ...); }, steps_);
  }
  /// What one of the steps foresees, whatever the others would do with it.
  token foresee(std::span<const token> recent) {
    token known = no_token;
    std::apply([&](Steps&... step) { ((known == no_token ? void(known = foreseen_by(step, recent)) : void()), ...); }, steps_);
    return known;
  }
  std::tuple<Steps...> into_steps() && { return std::move(steps_); }

 private:
  std::tuple<Steps...> steps_;
};

/// Puts a step behind others.
template <sampler_step... A, sampler_step B>
sampler_chain<A..., B> operator|(sampler_chain<A...> first, B then) {
  return sampler_chain<A..., B>(std::tuple_cat(std::move(first).into_steps(), std::tuple<B>(std::move(then))));
}
template <sampler_step A, sampler_step B>
sampler_chain<A, B> operator|(A first, B then) {
  return sampler_chain<A, B>(std::tuple<A, B>(std::move(first), std::move(then)));
}

/// One token, each with the probability that the softmax gives it; uses one random number.
///
/// Defined for all logits: candidates that are +infinity share the draw equally; NaN and -infinity are never drawn beside
/// anything else; if there is nothing else, the best by ranks_before() is taken; of an empty set, no_token.
token draw(const candidates& c, rng& random);

/// Any sampler behind one type. A copy has steps of its own, so samplers that remember something are not shared.
///
/// From equal logits the steps of this library and the draw choose the same token on every platform for the same random
/// numbers. Logits are equal for the same model on every processor and with every compiler, whatever the threads, prefill
/// chunks and batches; on x86 without AVX2 (kernels().target is SSE4 or SSSE3) their last bits differ, and with them a text
/// may.
/// @example  nibble::any_sampler sampler = nibble::temperature{0.8f} | nibble::top_k{40};
///           nibble::rng random(7);
///           nibble::sample_context context{history, random};
///           const nibble::token next = sampler.choose(c, context);
/// @cost     one allocation when made or copied, none when used
class any_sampler {
 public:
  /// No steps: draws from the model's own distribution.
  any_sampler() noexcept = default;
  template <class S>
  requires(!std::same_as<S, any_sampler> && sampler_step<S>) any_sampler(S step)
      : steps_(std::make_unique<holder<S>>(std::move(step))) {}
  /// Always the most likely token.
  static any_sampler greedy();

  any_sampler(const any_sampler& other) : steps_(other.steps_ ? other.steps_->clone() : nullptr) {}
  any_sampler(any_sampler&&) noexcept = default;
  /// Takes the steps of another.
  any_sampler& operator=(any_sampler other) noexcept {
    steps_ = std::move(other.steps_);
    return *this;
  }
  ~any_sampler() = default;

  /// Runs the steps, without a choice: so a sampler is a step of another one.
  void operator()(candidates& c, sample_context& context) {
    if (steps_) steps_->run(c, context);
  }

  /// The only token that may come, where a step knows it without logits, or no_token.
  token foresee(std::span<const token> recent) { return steps_ ? steps_->foresee(recent) : no_token; }

  /// Runs the steps and draws one of the candidates they leave; no_token if they leave none.
  token choose(candidates& c, sample_context& context) {
    (*this)(c, context);
    return draw(c, context.random);
  }

 private:
  struct step_base {
    virtual ~step_base() = default;
    virtual void run(candidates& c, sample_context& context) = 0;
    virtual token foresee(std::span<const token> recent) = 0;
    virtual std::unique_ptr<step_base> clone() const = 0;
  };
  template <class S>
  struct holder final : step_base {
    explicit holder(S s) : step(std::move(s)) {}
    void run(candidates& c, sample_context& context) override { run_step(step, c, context); }
    token foresee(std::span<const token> recent) override { return foreseen_by(step, recent); }
    std::unique_ptr<step_base> clone() const override { return std::make_unique<holder>(step); }
    S step;
  };

  std::unique_ptr<step_base> steps_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
