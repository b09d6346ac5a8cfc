/// plain_pass: the forward pass of a small model in double precision, written straight down from what its family is.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/plain/attention.hpp"
#include "support/plain/feed_forward.hpp"
#include "support/plain/recurrence.hpp"

namespace nibble_test {

class plain_pass {
 public:
  plain_pass(const family& f, const smallest_model& m) : f_(f), t_(m) {}

  /// The hidden state of each token, behind the last norm.
  std::vector<row> hidden(const std::vector<int>& ids) const {
    std::vector<row> x;
    for (const int id : ids) x.push_back(embedding_of(id, x.size()));
    for (std::size_t i = 0; is_layer(i); ++i) run({t_, f_, i}, x);
    for (row& r : x)
      if (*f_.last) r = norm(r, f_.last);
    return x;
  }
  /// Logits after each token.
  std::vector<row> logits(const std::vector<int>& ids) const {
    auto x = hidden(ids);
    const std::string output = t_.has("output.weight") ? "output.weight" : "token_embd.weight";
    for (row& r : x) {
      r = t_.product(output, r, "output.bias");
      for (double& v : r) v *= f_.logits, v = f_.output_cap > 0 ? f_.output_cap * std::tanh(v / f_.output_cap) : v;
    }
    return x;
  }

 private:
  bool is_layer(std::size_t i) const {
    const plain_layer l{t_, f_, i};
    return has_mixer(l) || has_feed_forward(l);
  }
  static bool has_mixer(const plain_layer& l) {
    return l.has("attn_output.weight") || l.has("ssm_out.weight") || l.has("shortconv.out_proj.weight");
  }
  static bool has_feed_forward(const plain_layer& l) { return l.has("ffn_up.weight") || l.has("ffn_gate_inp.weight"); }

  row embedding_of(int id, std::size_t position) const {
    row r = part_of(t_["token_embd.weight"], std::size_t(id) * plain_width, plain_width);
    if (f_.embedding == 0) return normed(r, row(plain_width, 1.0), {}, plain_eps, false);
    for (std::size_t i = 0; i < plain_width; ++i) {
      r[i] *= f_.embedding;
      if (t_.has("position_embd.weight")) r[i] += t_["position_embd.weight"][position * plain_width + i];
      if (t_.has("token_types.weight")) r[i] += t_["token_types.weight"][i];
    }
    return *f_.embedding_norm ? norm(r, f_.embedding_norm) : r;
  }

  static std::vector<row> mixed(const plain_layer& l, const std::vector<row>& x) {
    if (l.has("shortconv.out_proj.weight")) return short_convolution(l, x);
    if (l.has("attn_kv_a_mqa.weight")) return latent_attention(l, x);
    if (!l.has("ssm_out.weight")) return attention(l, x);
    auto out = l.has("ssm_d") ? mamba2(l, x) : delta_net(l, x);
    if (l.has("attn_output.weight")) {  // side by side
      const auto attended = attention(l, x);
      for (std::size_t t = 0; t < x.size(); ++t)
        for (std::size_t i = 0; i < x[t].size(); ++i) out[t][i] += attended[t][i];
    }
    return out;
  }
  void add(const plain_layer& l, row& x, row given, const char* behind, const char* sum) const {
    if (f_.norms_behind) given = normed(given, l[behind], {}, f_.behind_eps, f_.layer_norm);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += f_.residual * given[i];
    if (*sum) x = norm(x, l.at + sum);
  }

  void run(const plain_layer& l, std::vector<row>& x) const {
    std::vector<row> first;
    const std::vector<row> before = x;
    for (const row& r : x) {
      const bool is_normed = *f_.first && t_.has(name_of(l.at + f_.first));
      first.push_back(is_normed ? norm(r, l.at + f_.first) : r);
    }
    if (has_mixer(l)) {
      auto given = mixed(l, first);
      for (std::size_t t = 0; t < x.size(); ++t) {
        for (std::size_t i = 0; i < plain_width && *f_.first_inner_sum; ++i) given[t][i] += x[t][i];
        if (*f_.first_inner_sum) given[t] = norm(given[t], l.at + f_.first_inner_sum);
        add(l, x[t], given[t], "post_attention_norm.weight", f_.first_sum);
      }
    }
    if (!has_feed_forward(l)) return;
    for (std::size_t t = 0; t < x.size(); ++t) {
      const row& input = f_.side_by_side ? before[t] : x[t];
      const bool shares = f_.side_by_side && !*f_.second;
      const row n = shares ? first[t] : *f_.second ? norm(input, l.at + f_.second) : input;
      add(l, x[t], l.has("ffn_gate_inp.weight") ? expert_feed_forward(l, n) : dense(l, n), "post_ffw_norm.weight",
          f_.second_sum);
    }
  }

  static std::string name_of(const std::string& name) {
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name + ".weight";
  }
  row norm(const row& x, const std::string& name) const {
    const row none;
    return normed(x, t_[name_of(name)], t_.has(name + ".bias") ? t_[name + ".bias"] : none, plain_eps, f_.layer_norm);
  }

  family f_;
  plain_tensors t_;
};

/// The difference of what was found and what was expected, as a part of what was expected.
inline double error_of(std::span<const float> found, const row& expected) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double(found[i]) - expected[i], 2), size += std::pow(expected[i], 2);
  }
  return std::sqrt(error / size);
}

/// gemma2 with a short window, and caps that are felt.
inline const family capped_gemma2{.name = "gemma2",
                                  .norms_behind = true,
                                  .feed_forward = family::geglu,
                                  .embedding = std::sqrt(32.0),
                                  .window = 4,
                                  .period = 2,
                                  .sees_all = 1,
                                  .cap = 0.5,
                                  .output_cap = 3};
inline smallest_model capped_gemma2_file(int layers) {
  return made("gemma2",
              {{"attention.sliding_window", nibble::value(4)},
               {"attn_logit_softcapping", nibble::value(0.5f)},
               {"final_logit_softcapping", nibble::value(3.0f)}},
              layers);
}

}  // namespace nibble_test
