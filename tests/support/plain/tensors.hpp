/// plain_tensors: the weights of a small model in double precision, and products with them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "support/plain/family.hpp"
#include "support/smallest_model.hpp"

namespace nibble_test {

using row = std::vector<double>;

class plain_tensors {
 public:
  explicit plain_tensors(const smallest_model& m) {
    for (const auto& t : m.tensors) {
      std::vector<float> x(t.data.size() / sizeof(float));
      std::memcpy(x.data(), t.data.data(), t.data.size());
      tensors_[t.name] = {x.begin(), x.end()};
    }
  }
  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  const row& operator[](const std::string& name) const { return tensors_.at(name); }

  /// The factor beside matrix `which` of `of` in one tensor.
  double scale_of(const std::string& name, std::size_t which = 0, std::size_t of = 1) const {
    const auto scales = tensors_.find(name.substr(0, name.size() - 6) + "scale");
    return scales != tensors_.end() && scales->second.size() == of ? scales->second[which] : 1;
  }
  /// Matrix `which` of `of` in one tensor, times x, times the factor beside it, plus its bias, where there are such.
  row product(const std::string& name, const row& x, const std::string& bias = {}, std::size_t which = 0,
              std::size_t of = 1) const {
    const row& w = tensors_.at(name);
    const double by = scale_of(name, which, of);
    row out(w.size() / x.size() / of);
    for (std::size_t r = 0; r < out.size(); ++r) {
      for (std::size_t i = 0; i < x.size(); ++i) out[r] += w[(which * out.size() + r) * x.size() + i] * x[i];
      out[r] *= by;
      if (has(bias)) out[r] += tensors_.at(bias)[which * out.size() + r];
    }
    return out;
  }

 private:
  std::map<std::string, row> tensors_;
};

/// One layer of a model.
struct plain_layer {
  const plain_tensors& t;
  const family& f;
  std::size_t index;
  std::string at = "blk." + std::to_string(index) + ".";

  bool has(const std::string& name) const { return t.has(at + name); }
  const row& operator[](const std::string& name) const { return t[at + name]; }
  row product(const std::string& name, const row& x, const std::string& bias = {}) const {
    return t.product(at + name, x, at + bias);
  }
};

inline double silu(double x) { return x / (1 + std::exp(-x)); }
inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double softplus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }
inline row part_of(const row& x, std::size_t first, std::size_t count) {
  return {x.begin() + std::ptrdiff_t(first), x.begin() + std::ptrdiff_t(first + count)};
}

/// x normed, with a gain and perhaps a bias.
inline row normed(row x, const row& gain, const row& bias, double eps, bool layer_norm) {
  double mean = 0, square = 0;
  for (const double v : x) mean += layer_norm ? v / double(x.size()) : 0;
  for (const double v : x) square += (v - mean) * (v - mean) / double(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = (x[i] - mean) / std::sqrt(square + eps) * gain[i % gain.size()] + (bias.empty() ? 0 : bias[i]);
  }
  return x;
}
constexpr std::size_t plain_width = 32;
constexpr double plain_eps = double(1e-5f);
inline row rms(const row& x, const row& gain) { return normed(x, gain, {}, plain_eps, false); }

/// The numbers of a softmax.
inline void softmax(row& x) {
  double most = x[0], total = 0;
  for (const double v : x) most = std::max(most, v);
  for (double& v : x) total += v = std::exp(v - most);
  for (double& v : x) v /= total;
}

}  // namespace nibble_test
