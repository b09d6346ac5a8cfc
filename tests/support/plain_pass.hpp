/// plain_pass: the forward pass of a small dense decoder in double precision, written straight down from what its family is.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "support/smallest_model.hpp"

namespace nibble_test {

/// What a family is, where its file states no more than it must.
struct family {
  const char* name;
  bool layer_norm = false;                                // or RMS
  bool interleaved = false;                               // rotary pairs, or half-split
  bool rotates = true;                                    // or has learned positions
  bool side_by_side = false;                              // attention and feed-forward, and not one behind the other
  const char *first = "attn_norm", *second = "ffn_norm";  // norms of the two; without a second, one for both, if side by side
  bool norms_behind = false;                              // of what the two give
  double behind_eps = double(1e-5f);                      // and its epsilon
  enum { no_norm, each_head, each_head_rotated, all_heads } queries = no_norm;  // and keys
  enum { swiglu, swiglu_fused, geglu, relu_squared, gelu, xielu } feed_forward = swiglu;
  double embedding = 1;               // scale; 0: normed
  bool sinks = false, gates = false;  // of heads
  int stands_still = 0;               // every so many layers do not rotate; 1: none does
};

class plain_pass {
 public:
  using row = std::vector<double>;

  plain_pass(const family& f, const smallest_model& m) : f_(f) {
    for (const auto& t : m.tensors) {
      std::vector<float> x(t.data.size() / sizeof(float));
      std::memcpy(x.data(), t.data.data(), t.data.size());
      tensors_[t.name] = {x.begin(), x.end()};
    }
  }

  /// Logits after each token.
  std::vector<row> logits(const std::vector<int>& ids) {
    std::vector<row> x;
    for (const int id : ids) x.push_back(embedding_of(id, x.size()));
    for (int layer = 0; has("blk." + std::to_string(layer) + ".attn_output.weight"); ++layer) run(layer, x);
    const std::string output = has("output.weight") ? "output.weight" : "token_embd.weight";
    for (row& r : x) r = product(output, norm(r, "output_norm"));
    return x;
  }

 private:
  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  const row& tensor(const std::string& name) const { return tensors_.at(name); }

  row embedding_of(int id, std::size_t position) const {
    row r(tensor("token_embd.weight").begin() + id * width, tensor("token_embd.weight").begin() + (id + 1) * width);
    if (f_.embedding == 0) return normed(r, row(r.size(), 1.0));
    for (std::size_t i = 0; i < r.size(); ++i) {
      r[i] *= f_.embedding;
      if (!f_.rotates) r[i] += tensor("position_embd.weight")[position * width + i];
    }
    return r;
  }

  void run(int layer, std::vector<row>& x) {
    at_ = "blk." + std::to_string(layer) + ".";
    turns_ = f_.rotates && (f_.stands_still == 0 || (layer + 1) % f_.stands_still != 0);
    std::vector<row> first, mixed;
    for (const row& r : x) first.push_back(*f_.first ? norm(r, at_ + f_.first) : r);
    mixed = attention(first);
    for (std::size_t t = 0; t < x.size(); ++t) {
      if (f_.norms_behind) mixed[t] = normed(mixed[t], tensor(at_ + "post_attention_norm.weight"), f_.behind_eps);
      const row before = x[t];
      for (std::size_t i = 0; i < width; ++i) x[t][i] += mixed[t][i];
      const row& input = f_.side_by_side ? before : x[t];
      const bool shares = f_.side_by_side && !*f_.second;
      row fed = feed_forward(shares ? first[t] : *f_.second ? norm(input, at_ + f_.second) : input);
      if (f_.norms_behind) fed = normed(fed, tensor(at_ + "post_ffw_norm.weight"), f_.behind_eps);
      for (std::size_t i = 0; i < width; ++i) x[t][i] += fed[i];
    }
  }

  std::vector<row> attention(const std::vector<row>& x) {
    std::vector<row> q, k, v, out;
    for (std::size_t t = 0; t < x.size(); ++t) {
      q.push_back(headed(x[t], t, "q")), k.push_back(headed(x[t], t, "k"));
      v.push_back(product(at_ + "attn_v.weight", x[t], at_ + "attn_v.bias"));
      row mixed(width);
      for (std::size_t h = 0; h < heads; ++h) {
        const double sink = f_.sinks ? std::exp(tensor(at_ + "attn_sinks.weight")[h]) : 0;
        double total = sink;
        for (std::size_t s = 0; s <= t; ++s) {
          double score = 0;
          for (std::size_t i = h * dim; i < (h + 1) * dim; ++i) score += q[t][i] * k[s][i];
          const double p = std::exp(score / std::sqrt(double(dim)));
          total += p;
          for (std::size_t i = h * dim; i < (h + 1) * dim; ++i) mixed[i] += p * v[s][i];
        }
        for (std::size_t i = h * dim; i < (h + 1) * dim; ++i) mixed[i] /= total;
      }
      if (f_.gates) {
        const row gate = product(at_ + "attn_gate.weight", x[t]);
        for (std::size_t i = 0; i < width; ++i) mixed[i] /= 1 + std::exp(-gate[i]);
      }
      out.push_back(product(at_ + "attn_output.weight", mixed));
    }
    return out;
  }

  /// Queries or keys of a token, normed and rotated.
  row headed(const row& x, std::size_t position, const std::string& which) const {
    row r = product(at_ + "attn_" + which + ".weight", x, at_ + "attn_" + which + ".bias");
    const std::string gain = at_ + "attn_" + which + "_norm.weight";
    if (f_.queries == family::all_heads) r = normed(r, tensor(gain));
    for (std::size_t h = 0; h < heads; ++h) {
      row head(r.begin() + std::ptrdiff_t(h * dim), r.begin() + std::ptrdiff_t((h + 1) * dim));
      if (f_.queries == family::each_head) head = normed(head, tensor(gain));
      for (std::size_t i = 0; turns_ && i < dim / 2; ++i) {
        const double angle = double(position) * std::pow(1e4, -2.0 * double(i) / double(dim));
        double &a = head[f_.interleaved ? 2 * i : i], &b = head[f_.interleaved ? 2 * i + 1 : i + dim / 2];
        const double turned = a * std::cos(angle) - b * std::sin(angle);
        b = a * std::sin(angle) + b * std::cos(angle), a = turned;
      }
      if (f_.queries == family::each_head_rotated) head = normed(head, tensor(gain));
      std::copy(head.begin(), head.end(), r.begin() + std::ptrdiff_t(h * dim));
    }
    return r;
  }

  row feed_forward(const row& x) const {
    row h = product(at_ + "ffn_up.weight", x), gate;
    if (f_.feed_forward == family::swiglu_fused) {
      gate.assign(h.begin(), h.begin() + std::ptrdiff_t(h.size() / 2));
      h.erase(h.begin(), h.begin() + std::ptrdiff_t(h.size() / 2));
    } else if (f_.feed_forward == family::swiglu || f_.feed_forward == family::geglu) {
      gate = product(at_ + "ffn_gate.weight", x);
    }
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = activated(gate.empty() ? h[i] : gate[i]) * (gate.empty() ? 1 : h[i]);
    return product(at_ + "ffn_down.weight", h);
  }
  double activated(double x) const {
    const double numbers = 0.5, softplus = std::log1p(std::exp(numbers));  // of xIELU, as the smallest file states them
    switch (f_.feed_forward) {
      case family::relu_squared:
        return x > 0 ? x * x : 0;
      case family::gelu:
      case family::geglu:
        return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
      case family::xielu:
        return x > 0 ? softplus * x * x + numbers * x
                     : (std::expm1(std::min(x, numbers)) - x) * (numbers + softplus) + numbers * x;
      default:
        return x / (1 + std::exp(-x));
    }
  }

  row norm(const row& x, const std::string& name) const { return normed(x, tensor(name + ".weight")); }
  row normed(row x, const row& gain, double eps = double(1e-5f)) const {
    double mean = 0, square = 0;
    for (const double v : x) mean += f_.layer_norm ? v / double(x.size()) : 0;
    for (const double v : x) square += (v - mean) * (v - mean) / double(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = (x[i] - mean) / std::sqrt(square + eps) * gain[i];
    return x;
  }
  row product(const std::string& name, const row& x, const std::string& bias = {}) const {
    const row& w = tensor(name);
    row out(w.size() / x.size());
    for (std::size_t r = 0; r < out.size(); ++r) {
      for (std::size_t i = 0; i < x.size(); ++i) out[r] += w[r * x.size() + i] * x[i];
      if (has(bias)) out[r] += tensor(bias)[r];
    }
    return out;
  }

  static constexpr std::size_t width = 32, heads = 2, dim = 16;
  family f_;
  std::map<std::string, row> tensors_;
  std::string at_;
  bool turns_ = true;
};

}  // namespace nibble_test
