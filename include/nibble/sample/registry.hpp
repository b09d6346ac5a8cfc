/// Samplers by name: "top_k=40|temperature=0.8|top_p=0.95".
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nibble/core/type_list.hpp"
#include "nibble/error.hpp"
#include "nibble/sample/adaptive_p.hpp"
#include "nibble/sample/dry.hpp"
#include "nibble/sample/dynamic_temperature.hpp"
#include "nibble/sample/greedy.hpp"
#include "nibble/sample/logit_bias.hpp"
#include "nibble/sample/min_p.hpp"
#include "nibble/sample/mirostat.hpp"
#include "nibble/sample/no_repeat_ngram.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/penalties.hpp"
#include "nibble/sample/sampler.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "nibble/sample/top_n_sigma.hpp"
#include "nibble/sample/top_p.hpp"
#include "nibble/sample/typical_p.hpp"
#include "nibble/sample/xtc.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A step that text can name: `name`, and from_text() of what stands behind the equals sign (empty if there is none).
template <class S>
concept named_sampler = sampler_step<S> && requires(std::string_view value) {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::from_text(value) } -> std::same_as<result<S>>;
};

/// The steps that parse_sampler() knows. A user adds their own with append<named_samplers, mine>.
using named_samplers = type_list<greedy, temperature, top_k, top_p, min_p, typical_p, penalties, logit_bias, top_n_sigma, xtc,
                                 dynamic_temperature, dry, no_repeat_ngram, mirostat, mirostat_v2, adaptive_p>;

/// A sampler from its text: steps between bars, each `name` or `name=value`.
///
/// @errors   invalid_argument, naming the step that is not understood
/// @example  auto sampler = nibble::try_parse_sampler("penalties=repetition:1.1,last_n:64|top_k=40|temperature=0.8");
template <class Samplers = named_samplers>
result<any_sampler> try_parse_sampler(std::string_view text) {
  struct chain {
    std::vector<any_sampler> steps;
    void operator()(candidates& c, sample_context& context) {
      for (any_sampler& step : steps) step(c, context);
    }
  };
  chain all;
  for (bool more = true; more;) {
    const std::size_t bar = text.find('|');
    const std::string_view piece = detail::trimmed(text.substr(0, bar));
    more = bar != std::string_view::npos;
    if (more) text.remove_prefix(bar + 1);

    const std::size_t equals = piece.find('=');
    const std::string_view name = detail::trimmed(piece.substr(0, equals));
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : detail::trimmed(piece.substr(equals + 1));
    result<void> outcome;
    const bool known = any_type(Samplers{}, [&]<named_sampler S>(std::type_identity<S>) {
      if (name != S::name) return false;
      if (auto step = S::from_text(value)) {
        all.steps.emplace_back(*std::move(step));
      } else {
        outcome = std::move(step).failure();
      }
      return true;
    });
    const auto where = [&] { return std::string("sampler \"").append(piece).append("\""); };
    if (!known) return error(errc::invalid_argument, where() + ": there is no step of this name");
    if (!outcome) return std::move(outcome).failure().in(where());
  }
  return any_sampler(std::move(all));
}
extern template result<any_sampler> try_parse_sampler<named_samplers>(std::string_view text);
#if NIBBLE_EXCEPTIONS
/// Throws what try_parse_sampler returns.
template <class Samplers = named_samplers>
any_sampler parse_sampler(std::string_view text) {
  return try_parse_sampler<Samplers>(text).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
