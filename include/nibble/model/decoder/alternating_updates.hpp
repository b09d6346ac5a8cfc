/// alternating_updates: a layer works on one of four streams; the others are predicted, and corrected by what it found. What
/// makes streams of the embeddings, and one hidden state of the streams, is parallel_streams.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "nibble/layers/linear.hpp"
#include "nibble/layers/streams.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// The weights of one layer. The first stream is the active one.
/// @source  Baykal et al. 2023, "Alternating Updates for Efficient Transformers"
class alternating_updates {
 public:
  static constexpr std::size_t count = 4;
  using streams = std::array<activations, count>;  ///< (tokens, width) each

  alternating_updates(const decoder_config& c, std::size_t layer, tensor_source& t);

  /// predicted_a = x_a + sum over b of m(a, b) * x_b, where m is made of the active stream.
  void predict(compute& c, const streams& x, const streams& predicted) const NIBBLE_NOEXCEPT;
  /// x_a = predicted_a + m(a) * (found - the active prediction), where m is made of what was found.
  void correct(compute& c, const streams& predicted, activations found, const streams& x) const NIBBLE_NOEXCEPT;
  /// Of the active stream, for what comes behind the correction, (width).
  std::span<const float> output_scale() const noexcept { return output_scale_; }

 private:
  activations modalities(compute& c, activations x) const NIBBLE_NOEXCEPT;

  weight router_, predict_, correct_;  ///< (count, width), (count * count, count), (count, count)
  norm_weights norm_;
  std::span<const float> output_scale_;
};

/// The streams before the first layer and behind the last. Each is as long as the active one.
class parallel_streams {
 public:
  using streams = alternating_updates::streams;
  parallel_streams() noexcept = default;
  parallel_streams(const decoder_config& c, tensor_source& t);

  /// Makes the other streams of the first.
  void begin(compute& c, const streams& x) const NIBBLE_NOEXCEPT;
  /// y = the mean of what the streams become; room is overwritten.
  /// @shape   y, room (tokens, width)
  void merge(compute& c, const streams& x, activations y, activations room) const NIBBLE_NOEXCEPT;

 private:
  weight to_, from_;  ///< (count - 1) x (width, width)
};

/// tanh(router(norm(x) / width))
/// @shape   (tokens, count)
inline activations alternating_updates::modalities(compute& c, activations x) const NIBBLE_NOEXCEPT {
  const activations out = c.scratch(x.tokens, count);
  linear(c, normed(x, norm_), {{router_, out}});
  nibble::detail::for_each_token(c, out, [&](std::size_t t) {
    c.kernels().scale(out.row(t), 1 / float(x.width), count);
    c.kernels().activate(out.row(t), count, activation::tanh);
  });
  return out;
}

inline void alternating_updates::predict(compute& c, const streams& x, const streams& predicted) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  const activations of = modalities(c, x[0]), m = c.scratch(of.tokens, count * count);
  linear(c, of, {{predict_, m}});
  const std::size_t width = x[0].width;
  nibble::detail::for_each_token(c, x[0], [&](std::size_t t) {
    for (std::size_t a = 0; a < count; ++a) {
      std::memcpy(predicted[a].row(t), x[a].row(t), width * sizeof(float));
      for (std::size_t b = 0; b < count; ++b)
        c.kernels().add_scaled(predicted[a].row(t), x[b].row(t), m.row(t)[a * count + b], width);
    }
  });
}

inline void alternating_updates::correct(compute& c, const streams& predicted, activations found,
                                         const streams& x) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  const activations of = modalities(c, found), m = c.scratch(of.tokens, count), news = c.scratch(of.tokens, found.width);
  linear(c, of, {{correct_, m}});
  nibble::detail::for_each_token(c, news, [&](std::size_t t) {
    std::memcpy(news.row(t), found.row(t), news.width * sizeof(float));
    c.kernels().add_scaled(news.row(t), predicted[0].row(t), -1, news.width);
    for (std::size_t a = 0; a < count; ++a) {
      std::memcpy(x[a].row(t), predicted[a].row(t), news.width * sizeof(float));
      c.kernels().add_scaled(x[a].row(t), news.row(t), m.row(t)[a] + 1, news.width);
    }
  });
}

inline void parallel_streams::begin(compute& c, const streams& x) const NIBBLE_NOEXCEPT {
  for (std::size_t a = 1; a < x.size(); ++a) {
    linear(c, x[0], {{to_.matrix(a - 1), x[a]}});
    scale_to_length_of(c, x[0], x[a]);
  }
}
inline void parallel_streams::merge(compute& c, const streams& x, activations y, activations room) const NIBBLE_NOEXCEPT {
  copy(c, x[0], y);
  for (std::size_t a = 1; a < x.size(); ++a) {
    linear(c, x[a], {{from_.matrix(a - 1), room}});
    scale_to_length_of(c, x[0], room);
    add(c, y, room);
  }
  scale(c, y, 1 / float(x.size()));
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
