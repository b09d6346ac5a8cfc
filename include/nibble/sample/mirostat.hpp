/// mirostat, mirostat_v2: as many candidates as keep the surprise of a text at a level.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/own_draw.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The most surprise that may be, in bits, which each token of the text moves towards a surprise of tau.
struct surprise_control {
  own_draw drawn = {};
  double limit = 0;
  bool begun = false;

  /// Takes note of the last draw.
  /// @return  false if tau or eta is not finite
  bool begin(float tau, float eta, const sample_context& context) noexcept;
  void learn(float tau, float eta, double probability) noexcept;
  /// Draws one of the candidates, and keeps it alone.
  void draw_from(candidates& c, sample_context& context);
};

}  // namespace detail

/// Keeps the k best candidates, and draws one of them, which is left alone. k is what Zipf's law, with the exponent that the m
/// best candidates suggest, says for the surprise that may be: at first 2 * tau, then less by eta times what the last token
/// was more surprising than tau, in bits.
///
/// A step that belongs behind all others. It uses a random number more than the draw that follows. A tau or an eta that is not
/// finite: nothing happens.
/// @cost    one pass, selections of m and of k, and their sorting
/// @source  Basu et al. 2021, "Mirostat", algorithm 1
struct mirostat {
  float tau = 5;
  float eta = 0.1f;
  std::size_t m = 100;
  detail::surprise_control control = {};  ///< what the step remembers

  static constexpr std::string_view name = "mirostat";
  /// "tau:5,eta:0.1,m:100", or some of these.
  static result<mirostat> from_text(std::string_view value);

  void operator()(candidates& c, sample_context& context);
  /// What it draws from, at a limit of surprise.
  void keep_below(candidates& c, double limit) const;
};

/// Keeps candidates that surprise no more than may be, in bits, or the best one, and draws one of them, which is left alone.
/// What may be is at first 2 * tau, and moves as said above.
/// @cost    three passes
/// @source  Basu et al. 2021, "Mirostat", algorithm 2
struct mirostat_v2 {
  float tau = 5;
  float eta = 0.1f;
  detail::surprise_control control = {};  ///< what the step remembers

  static constexpr std::string_view name = "mirostat_v2";
  /// "tau:5,eta:0.1", or one of these.
  static result<mirostat_v2> from_text(std::string_view value);

  void operator()(candidates& c, sample_context& context);
  /// What it draws from, at a limit of surprise.
  void keep_below(candidates& c, double limit) const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
