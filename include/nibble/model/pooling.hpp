/// pooling: how the hidden states of a text become one vector or some scores, and the layers behind that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "nibble/attention/attention.hpp"
#include "nibble/kernels/weight.hpp"
#include "nibble/layers/compute.hpp"
#include "nibble/layers/norm.hpp"
#include "nibble/model/hyperparameters.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Which rows of a text its vector is made of. The numbers are those of `pooling_type` in files.
enum class pooling : std::uint8_t {
  none,   ///< no vector: a row for each token
  mean,   ///< the mean of all rows
  first,  ///< the row of the first token
  last,   ///< the row of the last token
  rank    ///< scores, or probabilities, of a classifier
};

/// "mean" and so on.
constexpr std::string_view name_of(pooling how) noexcept {
  constexpr std::string_view names[] = {"none", "mean", "first", "last", "rank"};
  return names[static_cast<std::size_t>(how)];
}

/// What a file says about the vectors that its model makes.
struct pooling_config {
  std::optional<pooling> stated;  ///< by the file
  bool only_hidden = false;       ///< an encoder: there are no logits, and what is stated may be nothing
  std::size_t labels = 1;         ///< numbers of a score

  // what the classifier of an architecture is like
  pooling scored = pooling::first;        ///< which rows it takes
  activation between = activation::tanh;  ///< behind its first product
  bool probabilities = false;             ///< its scores go through a softmax
  float eps = 1e-5f;                      ///< of its norm

  struct dense_layer {
    std::size_t in = 0, out = 0;  ///< 0: none stated
  };
  dense_layer dense_2, dense_3;

  /// Reads what is stated.
  static pooling_config read(hyperparameters& h);
  /// Which rows the classifier takes: what is stated, or what those of an architecture do where the file is silent.
  static pooling read_scored(hyperparameters& h, pooling fallback);
  /// Whether this is a model of vectors or scores, which is no use to a session.
  bool embeds() const noexcept { return only_hidden || (stated && *stated != pooling::none); }
};

/// The layers behind pooling: a classifier, or up to two products. Files without them have vectors as they are pooled.
class pooling_head {
 public:
  pooling_head() noexcept = default;
  /// Reads "cls", "cls.norm", "cls.output", "dense_2" and "dense_3", where the model embeds and the file has them.
  /// @errors  kept in t: missing_tensor, shape_mismatch
  pooling_head(const pooling_config& c, std::size_t width, tensor_source& t);

  const pooling_config& config() const noexcept { return config_; }
  /// Whether there is a classifier.
  bool ranks() const noexcept { return !first_.empty() || !scores_.empty(); }
  /// Which rows are taken for a pooling.
  pooling rows_for(pooling how) const noexcept { return how == pooling::rank ? config_.scored : how; }
  /// Numbers of a vector.
  std::size_t outputs(pooling how) const noexcept;

  /// @shape   rows: of all tokens for none and mean, else one a text; out (texts, or tokens for none; outputs(how))
  /// @param   texts  which of the rows belong together, where they are those of all tokens
  /// @errors  none; precondition: ranks() where `how` is rank
  void forward(compute& c, pooling how, activations rows, std::span<const token_run> texts,
               activations out) const NIBBLE_NOEXCEPT;

 private:
  void classify(compute& c, activations x, activations out) const NIBBLE_NOEXCEPT;

  pooling_config config_;
  std::size_t width_ = 0;
  weight first_, scores_, dense_2_, dense_3_;
  std::span<const float> first_bias_, scores_bias_;
  norm_weights norm_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
