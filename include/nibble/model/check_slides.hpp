/// Whether a model's texts can be longer than their context, as session_options::when_full wants it.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "nibble/error.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/model/loaded_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline error wrong_when_full(std::string sentence) {
  return error(errc::invalid_argument, "session_options::when_full: " + std::move(sentence));
}

/// Whether something of a longer text is kept, and something goes.
/// @errors  invalid_argument
inline result<void> check_kept(const context_policy& p, std::size_t context) {
  const std::string in = " in a context of " + std::to_string(context), pages = "pages of " + std::to_string(page_positions);
  if (!p.weighs && p.kept >= context) {
    return wrong_when_full("kept: expected at most " + std::to_string(context - 1) + in + ", found " + std::to_string(p.kept));
  }
  if (!p.weighs && p.step > context - p.kept) {
    return wrong_when_full("step: expected at most " + std::to_string(context - p.kept) + in + " that keeps " +
                           std::to_string(p.kept) + ", found " + std::to_string(p.step));
  }
  if (p.weighs && (context % page_positions != 0 || context < 3 * page_positions)) {
    return wrong_when_full("expected three or more " + pages + " positions for heavy hitters, found a context of " +
                           std::to_string(context));
  }
  if (p.weighs && (p.recent % page_positions != 0 || p.recent > context - 2 * page_positions)) {
    return wrong_when_full("expected " + pages + " recent positions, and two pages of others," + in + ", found " +
                           std::to_string(p.recent));
  }
  return {};
}

/// Why a layer does not know longer texts, or null.
inline const char* wrong_with_layer(const kv_shape& s, const context_policy& p, std::size_t context) noexcept {
  if (s.state > 0) return "whose recurrent state cannot forget a part of a text";
  if (s.looks_ahead) return "whose tokens see what comes behind them";
  if (s.heads == 0) return nullptr;
  if (!p.weighs) return s.slides ? nullptr : "whose positions cannot move";
  if (!s.weighs) return "whose attention is not weighed";
  return s.window < context ? nullptr : "whose window is as long as the context";
}

/// @param   context  of the session
/// @errors  invalid_argument
inline result<void> check_slides(const loaded_model& m, const session_options& o, std::size_t context) {
  const context_policy& p = o.when_full;
  const auto refused = [&](const std::string& why) {
    return wrong_when_full("expected context_policy::stop(), for " + std::string(m.architecture_name()) + " " + why);
  };
  if (m.ends_with_context)
    return refused(p.weighs ? "has learned its positions, and no more" : "has learned its positions, which cannot move");
  NIBBLE_TRY(check_kept(p, context));
  if (o.speculation) return wrong_when_full("speculation does not know texts that slide, so the two exclude each other");
  if (o.output == step_output::draft) return refused("drafts from hidden states of a text that does not slide");
  const auto layers = m.kv(o.output);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (const char* wrong = wrong_with_layer(layers[i], p, context))
      return refused("has blk." + std::to_string(i) + ", " + wrong);
  }
  return {};
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
