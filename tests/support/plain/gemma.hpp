/// Gemma 4 and Gemma 3n in double precision: inputs of each layer, keys of other layers, experts beside a dense feed-forward,
/// and four streams.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "support/plain/attention.hpp"
#include "support/plain/feed_forward.hpp"

namespace nibble_test {

class plain_gemma {
 public:
  /// @param   own  layers that have keys and values of their own: the others read those of the last two of them
  plain_gemma(const family& f, const smallest_model& m, std::size_t layers, std::size_t own)
      : f_(f), t_(m), layers_(layers), own_(own), kept_(layers) {}

  /// Logits after each token, of Gemma 4.
  std::vector<row> of_4(const std::vector<int>& ids) {
    auto x = embeddings(ids);
    const auto inputs = inputs_of(ids, x);
    for (std::size_t i = 0; i < layers_; ++i) {
      const plain_layer l{t_, f_, i};
      const auto mixed = attention(l, normed_rows(l, "attn_norm.weight", x));
      for (std::size_t t = 0; t < x.size(); ++t) {
        x[t] = plus(x[t], rms(mixed[t], l["post_attention_norm.weight"]));
        row fed = dense(l, rms(x[t], l["ffn_norm.weight"]));
        if (l.has("ffn_gate_inp.weight")) {
          row asked = rms(x[t], l["ffn_gate_inp.scale"]);
          for (double& v : asked) v /= std::sqrt(double(plain_width));
          const row given = experts(l, choose(l, asked), rms(x[t], l["pre_ffw_norm_2.weight"]));
          fed = plus(rms(fed, l["post_ffw_norm_1.weight"]), rms(given, l["post_ffw_norm_2.weight"]));
        }
        x[t] = plus(x[t], rms(fed, l["post_ffw_norm.weight"]));
        if (!inputs.empty()) x[t] = plus(x[t], from_input(l, x[t], inputs[t]));
        if (l.has("layer_output_scale.weight"))
          for (double& v : x[t]) v *= l["layer_output_scale.weight"][0];
      }
    }
    return logits(x);
  }

  /// Of Gemma 3n.
  std::vector<row> of_3n(const std::vector<int>& ids) {
    std::array<std::vector<row>, 4> x;
    x[0] = embeddings(ids);
    const auto inputs = inputs_of(ids, x[0]);
    for (std::size_t a = 1; a < 4; ++a)
      for (const row& r : x[0]) x[a].push_back(as_long_as(r, t_.product("altup_proj.weight", r, {}, a - 1, 3)));
    for (std::size_t i = 0; i < layers_; ++i) layer_of_3n({t_, f_, i}, x, inputs);
    for (std::size_t t = 0; t < ids.size(); ++t) {
      row sum = x[0][t];
      for (std::size_t a = 1; a < 4; ++a) {
        sum = plus(sum, as_long_as(x[0][t], t_.product("altup_unembd_proj.weight", x[a][t], {}, a - 1, 3)));
      }
      for (double& v : sum) v /= 4;
      x[0][t] = sum;
    }
    return logits(x[0]);
  }

 private:
  struct kept {
    std::vector<std::vector<row>> k, v;  // by head and token
  };

  static row plus(row a, const row& b, double by = 1) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += by * b[i];
    return a;
  }
  static row as_long_as(const row& like, row x) {
    const double by = std::sqrt(dot(like, like) / dot(x, x));
    for (double& v : x) v *= by;
    return x;
  }
  static std::vector<row> normed_rows(const plain_layer& l, const std::string& gain, std::vector<row> x) {
    for (row& r : x) r = rms(r, l[gain]);
    return x;
  }

  std::vector<row> embeddings(const std::vector<int>& ids) const {
    std::vector<row> x;
    for (const int id : ids) {
      x.push_back(part_of(t_["token_embd.weight"], std::size_t(id) * plain_width, plain_width));
      for (double& v : x.back()) v *= std::sqrt(double(plain_width));
    }
    return x;
  }
  std::vector<row> logits(std::vector<row> x) const {
    for (row& r : x) {
      r = t_.product("token_embd.weight", rms(r, t_["output_norm.weight"]));
      if (f_.output_cap > 0)
        for (double& v : r) v = f_.output_cap * std::tanh(v / f_.output_cap);
    }
    return x;
  }
  /// Of each token, the inputs of all layers; nothing where there are none.
  std::vector<row> inputs_of(const std::vector<int>& ids, const std::vector<row>& x) const {
    std::vector<row> out;
    if (!t_.has("per_layer_token_embd.weight")) return out;
    const row& gain = t_["per_layer_proj_norm.weight"];
    for (std::size_t t = 0; t < x.size(); ++t) {
      row made = t_.product("per_layer_model_proj.weight", x[t]), all;
      for (double& v : made) v /= std::sqrt(double(plain_width));
      const row looked = part_of(t_["per_layer_token_embd.weight"], std::size_t(ids[t]) * made.size(), made.size());
      for (std::size_t i = 0; i < layers_; ++i) {
        const row part = rms(part_of(made, i * gain.size(), gain.size()), gain);
        all.insert(all.end(), part.begin(), part.end());
      }
      all = plus(all, looked, std::sqrt(double(gain.size())));
      for (double& v : all) v /= std::sqrt(2.0);
      out.push_back(all);
    }
    return out;
  }
  row from_input(const plain_layer& l, const row& x, const row& inputs) const {
    row gate = l.product("inp_gate.weight", x);
    for (std::size_t k = 0; k < gate.size(); ++k) gate[k] = activated(f_, gate[k]) * inputs[l.index * gate.size() + k];
    return rms(l.product("proj.weight", gate), l["post_norm.weight"]);
  }

  /// Values are normed head by head; scores are not scaled.
  std::vector<row> attention(const plain_layer& l, const std::vector<row>& x) {
    const bool has_own = l.index < own_;
    kept& k = kept_[has_own ? l.index : own_ - (sees_window(l) ? 2 : 1)];
    std::vector<row> out;
    for (std::size_t t = 0; has_own && t < x.size(); ++t) {
      const row values = l.product(l.has("attn_v.weight") ? "attn_v.weight" : "attn_k.weight", x[t]);
      k.k.resize(plain_heads), k.v.resize(plain_heads);
      const auto keys = headed(l, l.product("attn_k.weight", x[t]), plain_heads, t, "attn_k_norm.weight");
      for (std::size_t h = 0; h < plain_heads; ++h) {
        k.k[h].push_back(keys[h]);
        k.v[h].push_back(rms(part_of(values, h * values.size() / plain_heads, values.size() / plain_heads), {1.0}));
      }
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      const auto q = headed(l, l.product("attn_q.weight", x[t]), plain_heads, t, "attn_q_norm.weight");
      row mixed;
      for (std::size_t h = 0; h < plain_heads; ++h) {
        const row one = mean_of_seen(l, h, t, k.v[h], [&](std::size_t s) { return dot(q[h], k.k[h][s]); });
        mixed.insert(mixed.end(), one.begin(), one.end());
      }
      out.push_back(l.product("attn_output.weight", mixed));
    }
    return out;
  }

  /// How streams are mixed, as the active one says.
  row modalities(const plain_layer& l, const row& active) const {
    row in = rms(active, l["altup_router_norm.weight"]);
    for (double& v : in) v /= double(plain_width);
    row out = l.product("altup_router.weight", in);
    for (double& v : out) v = std::tanh(v);
    return out;
  }
  row sparse(const plain_layer& l, const row& x) const {
    row gate = l.product("ffn_gate.weight", x);
    const double n = double(gate.size());
    double mean = 0, squares = 0;
    for (const double v : gate) mean += v / n;
    for (const double v : gate) squares += (v - mean) * (v - mean) / (n - 1);
    const double least = mean + 1.6448533535003662 * std::sqrt(squares);
    for (double& v : gate) v = l.index < 10 ? std::max(0.0, v - least) : v;
    return l.product("ffn_down.weight", hidden_of(f_, gate, l.product("ffn_up.weight", x)));
  }
  void layer_of_3n(const plain_layer& l, std::array<std::vector<row>, 4>& x, const std::vector<row>& inputs) {
    auto predicted = x;
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      const row m = l.product("altup_predict_coef.weight", modalities(l, x[0][t]));
      for (std::size_t a = 0; a < 4; ++a)
        for (std::size_t b = 0; b < 4; ++b) predicted[a][t] = plus(predicted[a][t], x[b][t], m[a * 4 + b]);
    }
    const auto n = normed_rows(l, "attn_norm.weight", predicted[0]);
    const auto mixed = attention(l, n);
    for (std::size_t t = 0; t < inputs.size(); ++t) {
      row a = plus(predicted[0][t], rms(mixed[t], l["post_attention_norm.weight"]));
      const row low = l.product("laurel_r.weight", l.product("laurel_l.weight", n[t]));
      a = plus(a, plus(n[t], rms(low, l["laurel_post_norm.weight"])));
      for (double& v : a) v /= std::sqrt(2.0);
      const row found = plus(a, rms(sparse(l, rms(a, l["ffn_norm.weight"])), l["post_ffw_norm.weight"]));
      const row m = l.product("altup_correct_coef.weight", modalities(l, found));
      const row news = plus(found, predicted[0][t], -1);
      for (std::size_t s = 0; s < 4; ++s) x[s][t] = plus(predicted[s][t], news, m[s] + 1);
      row active = x[0][t];
      for (std::size_t i = 0; i < active.size(); ++i) active[i] *= l["altup_correct_scale.weight"][i];
      const row given = from_input(l, active, inputs[t]);
      for (std::size_t s = 1; s < 4; ++s) x[s][t] = plus(x[s][t], given);
    }
  }

  family f_;
  plain_tensors t_;
  std::size_t layers_, own_;
  std::vector<kept> kept_;
};

}  // namespace nibble_test
