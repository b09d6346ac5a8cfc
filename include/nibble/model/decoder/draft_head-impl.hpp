/// Definitions of model/decoder/draft_head.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "nibble/layers/embedding.hpp"
#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/draft_head.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// A description whose last layer is the draft block: like the last one that attends.
inline decoder_config layers_with_draft(const decoder_config& c, std::size_t attends) {
  decoder_config out = c;
  for (std::size_t i = c.layer.size(); i-- > 0 && out.layer.size() == c.layers;) {
    if (c.layer[i].mixer != attends) continue;
    out.layer.push_back(c.layer[i]);
    if (!c.xielu.empty()) out.xielu.push_back(c.xielu[i]);
  }
  return out;
}

std::optional<draft_head> read_draft_head(const decoder_config& c, tensor_source& t, std::size_t attends,
                                          part_maker<any_feed_forward> feed_forward) {
  if (c.drafts == 0 || t.failure()) return {};
  const decoder_config all = layers_with_draft(c, attends);
  if (all.layer.size() > c.layers) return std::optional<draft_head>(std::in_place, all, c.layers, t, feed_forward);
  t.reject(layer_prefix(c.layers) + "nextn", "layers of attention, which the block would be like");
  return {};
}
}  // namespace detail

draft_head::draft_head(const decoder_config& c, std::size_t block, tensor_source& t,
                       detail::part_maker<any_feed_forward> feed_forward)
    : rope_(c.layer[block].rope), attention_(c, block, t), feed_forward_(feed_forward(c, block, t)) {
  const std::string at = layer_prefix(block);
  const auto norm_of = [&](std::string_view name) { return detail::norm_of(c, t, at, name); };
  mixer_norm_ = norm_of(c.mixer_norm), feed_forward_norm_ = norm_of(c.feed_forward_norm);
  join_ = t.matrix(at + "nextn.eh_proj.weight", c.width, 2 * c.width);
  embedding_norm_ = norm_of("nextn.enorm"), hidden_norm_ = norm_of("nextn.hnorm");
  const bool own = t.has(at + "nextn.shared_head_norm.weight");
  output_norm_ = own ? norm_of("nextn.shared_head_norm") : detail::norm_of(c, t, "", c.output_norm);
  output_ = t.matrix_or_none(at + "nextn.shared_head_head.weight", c.vocabulary, c.width);
  embedding_ = t.matrix_or_none(at + "nextn.embed_tokens.weight", c.vocabulary, c.width);
}

void draft_head::forward(step& s, const any_decoder& d, activations out) const NIBBLE_NOEXCEPT {
  const std::size_t width = join_.rows();
  const activations both = s.scratch(2 * width), x = s.scratch(width);
  const activations token = both.columns(0, width);
  std::array<rope_angles, rotations::most> angles;
  activations query_scales;
  {
    const auto watched = s.watch(operation::embedding, 0);
    embed(s, embedding_.empty() ? d.embedding_ : embedding_, s.ids(), token);
    scale(s, token, d.config_.embedding_scale);
    apply(s, embedding_norm_, token, token);
    apply(s, hidden_norm_, s.hidden(), both.columns(width, width));
    linear(s, both, {{join_, x}});
    angles = d.rotations_.angles(s, s.positions());
    query_scales = d.query_scales_of(s);
  }
  const step_context context{d.rotations_.ropes(), angles, query_scales};
  const activations y = s.pick(s.wanted(), x);
  attention_.forward(s, 0, context, detail::input_of(x, mixer_norm_), s.wanted(), added_to(y));
  if (s.wanted().count == 0 || s.cancelled()) return;
  feed_forward_->forward(s, 0, detail::input_of(y, feed_forward_norm_), added_to(y));
  const auto watched = s.watch(operation::output, 0);
  if (s.keep().tokens > 0) apply(s, output_norm_, y, s.keep());
  d.give_logits(s, detail::input_of(y, output_norm_), output_.empty() ? d.output_ : output_, out);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
