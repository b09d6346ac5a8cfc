/// Recurrences of a small model in double precision, token by token: short convolution, Mamba-2, the gated delta rule.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "support/plain/tensors.hpp"

namespace nibble_test {

constexpr std::size_t plain_groups = 2;  // heads that share keys

/// Each number's sum over the last tokens, as its taps weigh them: the last tap meets the newest.
inline std::vector<row> convolved(const plain_layer& l, const std::vector<row>& x, const std::string& name) {
  const row& taps = l[name + ".weight"];
  const std::size_t channels = x[0].size(), count = taps.size() / channels;
  std::vector<row> out;
  for (std::size_t t = 0; t < x.size(); ++t) {
    row y(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t j = 0; j < count; ++j)
        if (t + j + 1 >= count) y[c] += taps[c * count + j] * x[t + j + 1 - count][c];
      if (l.has(name + ".bias")) y[c] += l[name + ".bias"][c];
    }
    out.push_back(std::move(y));
  }
  return out;
}

inline std::vector<row> short_convolution(const plain_layer& l, const std::vector<row>& x) {
  std::vector<row> gated, open, out;
  for (const row& r : x) {
    const row all = l.product("shortconv.in_proj.weight", r);
    const std::size_t n = all.size() / 3;
    row y = part_of(all, 2 * n, n);
    for (std::size_t i = 0; i < n; ++i) y[i] *= all[i];
    gated.push_back(y), open.push_back(part_of(all, n, n));
  }
  gated = convolved(l, gated, "shortconv.conv");
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (std::size_t i = 0; i < gated[t].size(); ++i) gated[t][i] *= open[t][i];
    out.push_back(l.product("shortconv.out_proj.weight", gated[t]));
  }
  return out;
}

/// The inputs of a recurrence pass through the convolution and SiLU.
inline std::vector<row> smoothed(const plain_layer& l, const std::vector<row>& x) {
  auto out = convolved(l, x, "ssm_conv1d");
  for (row& r : out)
    for (double& v : r) v = silu(v);
  return out;
}

inline std::vector<row> mamba2(const plain_layer& l, const std::vector<row>& x) {
  const std::size_t heads = l["ssm_a"].size(), inner = l["ssm_out.weight"].size() / x[0].size(), dim = inner / heads;
  const std::size_t channels = l["ssm_conv1d.bias"].size(), n = (channels - inner) / 2 / plain_groups;
  std::vector<row> z, xbc, steps, out;
  for (const row& r : x) {
    const row all = l.product("ssm_in.weight", r);
    z.push_back(part_of(all, 0, inner)), xbc.push_back(part_of(all, inner, channels));
    steps.push_back(part_of(all, inner + channels, heads));
  }
  xbc = smoothed(l, xbc);
  std::vector<row> state(heads, row(dim * n));
  for (std::size_t t = 0; t < x.size(); ++t) {
    row y(inner);
    for (std::size_t h = 0; h < heads; ++h) {
      const double step = softplus(steps[t][h] + l["ssm_dt.bias"][h]), decay = std::exp(step * l["ssm_a"][h]);
      const std::size_t key = inner + h * plain_groups / heads * n, query = key + plain_groups * n;
      for (std::size_t p = 0; p < dim; ++p) {
        const double value = xbc[t][h * dim + p];
        double& sum = y[h * dim + p] = l["ssm_d"][h] * value;
        for (std::size_t i = 0; i < n; ++i) {
          double& s = state[h][p * n + i];
          s = decay * s + step * value * xbc[t][key + i];
          sum += s * xbc[t][query + i];
        }
      }
    }
    for (std::size_t i = 0; i < inner; ++i) y[i] *= silu(z[t][i]);
    for (std::size_t g = 0; l.has("ssm_norm.weight") && g < plain_groups; ++g) {
      const std::size_t each = inner / plain_groups;
      const row one = rms(part_of(y, g * each, each), part_of(l["ssm_norm.weight"], g * each, each));
      std::copy(one.begin(), one.end(), y.begin() + std::ptrdiff_t(g * each));
    }
    out.push_back(l.product("ssm_out.weight", y));
  }
  return out;
}

/// What a token asks of the gated delta rule.
struct delta_inputs {
  row qkv, gate, strength, step;
};
inline delta_inputs delta_inputs_of(const plain_layer& l, const row& x, std::size_t heads, std::size_t n) {
  delta_inputs in;
  const std::size_t shared = heads / plain_groups, keys = plain_groups * n;
  if (l.has("ssm_in.weight")) {  // key head by key head
    const row all = l.product("ssm_in.weight", x);
    const std::size_t each = all.size() / plain_groups;
    in.qkv.resize(2 * keys + heads * n), in.gate.resize(heads * n);
    for (std::size_t g = 0; g < plain_groups; ++g) {
      const auto copy = [&](std::size_t from, std::size_t count, row& to, std::size_t at) {
        std::copy_n(all.begin() + std::ptrdiff_t(g * each + from), count, to.begin() + std::ptrdiff_t(at + g * count));
      };
      copy(0, n, in.qkv, 0), copy(n, n, in.qkv, keys), copy(2 * n, shared * n, in.qkv, 2 * keys);
      copy((2 + shared) * n, shared * n, in.gate, 0);
    }
  } else {
    in.qkv = l.product("attn_qkv.weight", x), in.gate = l.product("attn_gate.weight", x);
  }
  if (l.has("ssm_ba.weight")) {
    const row both = l.product("ssm_ba.weight", x);
    for (std::size_t i = 0; i < both.size(); ++i) (i / shared % 2 ? in.step : in.strength).push_back(both[i]);
  } else {
    in.strength = l.product("ssm_beta.weight", x), in.step = l.product("ssm_alpha.weight", x);
  }
  return in;
}

inline std::vector<row> delta_net(const plain_layer& l, const std::vector<row>& x) {
  const std::size_t heads = l["ssm_a"].size(), n = l["ssm_norm.weight"].size(), keys = plain_groups * n;
  std::vector<delta_inputs> in;
  std::vector<row> qkv, out;
  for (const row& r : x) in.push_back(delta_inputs_of(l, r, heads, n)), qkv.push_back(in.back().qkv);
  qkv = smoothed(l, qkv);
  std::vector<row> state(heads, row(n * n));
  for (std::size_t t = 0; t < x.size(); ++t) {
    row y;
    for (std::size_t h = 0; h < heads; ++h) {
      const std::size_t g = l.f.interleaved_keys ? h % plain_groups : h * plain_groups / heads;
      const auto unit = [&](row v) {
        double length = 0;
        for (const double e : v) length += e * e;
        for (double& e : v) e /= std::max(std::sqrt(length), plain_eps);
        return v;
      };
      const row q = unit(part_of(qkv[t], g * n, n)), k = unit(part_of(qkv[t], keys + g * n, n));
      const double decay = std::exp(softplus(in[t].step[h] + l["ssm_dt.bias"][h]) * l["ssm_a"][h]);
      row o(n);
      for (std::size_t c = 0; c < n; ++c) {
        double found = 0;
        for (std::size_t r = 0; r < n; ++r) found += (state[h][r * n + c] *= decay) * k[r];
        const double news = sigmoid(in[t].strength[h]) * (qkv[t][2 * keys + h * n + c] - found);
        for (std::size_t r = 0; r < n; ++r) o[c] += (state[h][r * n + c] += k[r] * news) * q[r] / std::sqrt(double(n));
      }
      o = rms(o, l["ssm_norm.weight"]);
      for (std::size_t c = 0; c < n; ++c) y.push_back(o[c] * silu(in[t].gate[h * n + c]));
    }
    out.push_back(l.product("ssm_out.weight", y));
  }
  return out;
}

}  // namespace nibble_test
