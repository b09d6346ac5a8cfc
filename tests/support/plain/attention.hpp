/// Attention of a small model in double precision: of heads of their own keys, and latent.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "support/plain/tensors.hpp"

namespace nibble_test {

constexpr std::size_t plain_heads = 2;

inline bool sees_window(const plain_layer& l) {
  return l.f.window > 0 && (l.f.period == 0 || l.index % l.f.period != l.f.sees_all);
}
inline bool sees(const plain_layer& l, std::size_t token, std::size_t other) {
  const std::size_t apart = token > other ? token - other : other - token;
  if (l.f.both_ways) return !sees_window(l) || apart <= l.f.window / 2;
  return other <= token && (!sees_window(l) || apart < l.f.window);
}

/// The angle of pair i of `numbers` that are rotated, and what cosine and sine are multiplied by.
struct plain_turn {
  double angle, magnitude;
};
inline plain_turn turn_of(const plain_layer& l, std::size_t position, std::size_t i, std::size_t numbers) {
  const family& f = l.f;
  const double base = sees_window(l) && f.window_base > 0 ? f.window_base : f.base, n = double(numbers);
  const double angle = double(position) * std::pow(base, -2 * double(i) / n);
  if (f.yarn == 0) return {angle, 1};
  const auto place = [&](double turns) {
    return n * std::log(f.yarn_positions / (turns * 2 * std::acos(-1.0))) / (2 * std::log(base));
  };
  const double low = std::max(0.0, std::floor(place(32))), high = std::min(n - 1, std::ceil(place(1)));
  const double kept = 1 - std::clamp((double(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
  return {angle / f.yarn * (1 - kept) + angle * kept, f.yarn_scores > 0 ? 1 : 1 + 0.1 * std::log(f.yarn)};
}
/// Rotates the first `numbers` numbers of a head.
inline void rotate(const plain_layer& l, row& head, std::size_t position, std::size_t numbers) {
  for (std::size_t i = 0; i < numbers / 2; ++i) {
    const auto [angle, magnitude] = turn_of(l, position, i, numbers);
    double &a = head[l.f.interleaved ? 2 * i : i], &b = head[l.f.interleaved ? 2 * i + 1 : i + numbers / 2];
    const double turned = a * std::cos(angle) - b * std::sin(angle);
    b = (a * std::sin(angle) + b * std::cos(angle)) * magnitude, a = turned * magnitude;
  }
}

/// Queries or keys of a token, head by head, normed and rotated.
inline std::vector<row> headed(const plain_layer& l, row all, std::size_t heads, std::size_t position,
                               const std::string& gain) {
  const family& f = l.f;
  const bool turns = f.rotates && (f.stands_still == 0 || (l.index + 1) % std::size_t(f.stands_still) != 0);
  const row none;
  const std::string bias = gain.substr(0, gain.rfind('.')) + ".bias";
  const row &by = l.has(gain) ? l[gain] : none, &shift = l.has(bias) ? l[bias] : none;
  const auto norm = [&](row& x) { x = normed(x, by, shift, plain_eps, f.layer_norm); };
  if (f.queries == family::all_heads) norm(all);
  std::vector<row> out;
  for (std::size_t h = 0; h < heads; ++h) {
    row head = part_of(all, h * all.size() / heads, all.size() / heads);
    if (f.queries == family::each_head) norm(head);
    if (turns) rotate(l, head, position, f.rotated > 0 ? f.rotated : head.size());
    if (f.queries == family::each_head_rotated) norm(head);
    out.push_back(std::move(head));
  }
  return out;
}

/// What layers that see all keep of a text: the recent tokens, and of others those that have received most.
class plain_hitters {
 public:
  plain_hitters(const plain_layer& l, std::size_t tokens)
      : size_(sees_window(l) ? 0 : l.f.hitters), recent_(l.f.recent), received_(tokens), dropped_(tokens) {}
  bool dropped(std::size_t token) const { return dropped_[token]; }
  void receive(std::size_t token, double weight) { received_[token] += weight; }
  /// To be told behind each token. Drops 64 at once where there are as many as may be.
  void end(std::size_t token) {
    std::vector<std::size_t> kept;
    for (std::size_t t = 0; t <= token; ++t)
      if (!dropped_[t]) kept.push_back(t);
    if (size_ == 0 || kept.size() < size_) return;
    kept.resize(size_ - recent_);
    std::sort(kept.begin(), kept.end(), [&](std::size_t a, std::size_t b) { return received_[a] < received_[b]; });
    for (std::size_t i = 0; i < 64; ++i) dropped_[kept[i]] = true;
  }

 private:
  std::size_t size_, recent_;
  row received_;
  std::vector<bool> dropped_;
};

/// What one head of one token gives: a mean of what it sees.
/// @param   score  of a token, before the mask
template <class Score>
row mean_of_seen(const plain_layer& l, std::size_t head, std::size_t token, const std::vector<row>& values, const Score& score,
                 plain_hitters* hitters = nullptr) {
  row p, out(values[0].size());
  std::vector<std::size_t> seen;
  for (std::size_t s = 0; s < values.size(); ++s) {
    if (!sees(l, token, s) || (hitters && hitters->dropped(s))) continue;
    double x = score(s);
    if (l.f.cap > 0) x = l.f.cap * std::tanh(x / l.f.cap);
    if (l.f.alibi > 0) x -= std::exp2(-l.f.alibi * double(head + 1) / plain_heads) * std::abs(double(token) - double(s));
    seen.push_back(s), p.push_back(x);
  }
  if (l.f.sinks) p.push_back(l["attn_sinks.weight"][head]);
  softmax(p);
  for (std::size_t k = 0; k < seen.size(); ++k) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += p[k] * values[seen[k]][i];
    if (hitters) hitters->receive(seen[k], p[k]);
  }
  return out;
}
inline double dot(const row& a, const row& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
inline double heat(const family& f, std::size_t position) {
  return 1 + f.temperature * std::log(1 + std::floor(double(position) / f.temperature_positions));
}

/// Multiplies what heads gave by the gates of a token.
inline void close(const plain_layer& l, row& mixed, const row& gates) {
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    const double gate = gates[i * gates.size() / mixed.size()];
    mixed[i] *= l.f.gate_by == family::softplus ? softplus(gate) : sigmoid(gate);
  }
}

inline std::vector<row> attention(const plain_layer& l, const std::vector<row>& x) {
  std::vector<std::vector<row>> q, k, v;  // by token and head, or by head and token
  std::vector<row> gates, out;
  for (std::size_t t = 0; t < x.size(); ++t) {
    row asked = l.product("attn_q.weight", x[t], "attn_q.bias"), gate;
    if (l.f.gates_in_queries) {
      const std::size_t dim = asked.size() / 2 / plain_heads;
      row queries;
      for (std::size_t i = 0; i < asked.size(); ++i) (i / dim % 2 ? gate : queries).push_back(asked[i]);
      asked = queries;
    } else if (l.f.gates) {
      gate = l.product("attn_gate.weight", x[t]);
    }
    q.push_back(headed(l, asked, plain_heads, t, "attn_q_norm.weight")), gates.push_back(gate);
    const row keys = l.product("attn_k.weight", x[t], "attn_k.bias"), values = l.product("attn_v.weight", x[t], "attn_v.bias");
    const std::size_t kv_heads = keys.size() / q[0][0].size();
    k.resize(kv_heads), v.resize(kv_heads);
    const auto key = headed(l, keys, kv_heads, t, "attn_k_norm.weight");
    for (std::size_t h = 0; h < kv_heads; ++h) {
      k[h].push_back(key[h]), v[h].push_back(part_of(values, h * values.size() / kv_heads, values.size() / kv_heads));
    }
  }
  plain_hitters hitters(l, x.size());
  for (std::size_t t = 0; t < x.size(); ++t) {
    row mixed;
    for (std::size_t h = 0; h < plain_heads; ++h) {
      const std::size_t of = h * k.size() / plain_heads;
      const double scale = (l.f.scale > 0 ? l.f.scale : 1 / std::sqrt(double(q[t][h].size()))) * heat(l.f, t);
      const auto score = [&](std::size_t s) { return dot(q[t][h], k[of][s]) * scale; };
      const row one = mean_of_seen(l, h, t, v[of], score, &hitters);
      mixed.insert(mixed.end(), one.begin(), one.end());
    }
    hitters.end(t);
    if (!gates[t].empty()) close(l, mixed, gates[t]);
    out.push_back(l.product("attn_output.weight", mixed, "attn_output.bias"));
  }
  return out;
}

/// Keys and values of each head are made of one short row, as the paper says: no matrix is multiplied into another.
inline std::vector<row> latent_attention(const plain_layer& l, const std::vector<row>& x) {
  const std::size_t latent = l["attn_kv_a_norm.weight"].size(), rotated = l.f.latent_rotated;
  std::vector<std::vector<row>> q(x.size()), k(plain_heads), v(plain_heads);
  for (std::size_t t = 0; t < x.size(); ++t) {
    const bool twice = l.has("attn_q_a.weight");
    const row asked = twice ? l.product("attn_q_b.weight", rms(l.product("attn_q_a.weight", x[t]), l["attn_q_a_norm.weight"]))
                            : l.product("attn_q.weight", x[t]);
    const row joined = l.product("attn_kv_a_mqa.weight", x[t]);
    const row c = rms(part_of(joined, 0, latent), l["attn_kv_a_norm.weight"]);
    row turned = part_of(joined, latent, rotated);
    rotate(l, turned, t, rotated);
    for (std::size_t h = 0; h < plain_heads; ++h) {
      const std::size_t dim = asked.size() / plain_heads, plain = dim - rotated;
      row query = part_of(asked, h * dim, dim), query_turned = part_of(query, plain, rotated), key(plain), value;
      rotate(l, query_turned, t, rotated);
      std::copy(query_turned.begin(), query_turned.end(), query.begin() + std::ptrdiff_t(plain));
      if (l.has("attn_kv_b.weight")) {
        const row both = l.t.product(l.at + "attn_kv_b.weight", c, {}, h, plain_heads);
        key = part_of(both, 0, plain), value = part_of(both, plain, both.size() - plain);
      } else {
        const row& w = l["attn_k_b.weight"];  // turned round
        const double by = l.t.scale_of(l.at + "attn_k_b.weight", h, plain_heads);
        for (std::size_t i = 0; i < latent; ++i)
          for (std::size_t n = 0; n < plain; ++n) key[n] += by * w[(h * latent + i) * plain + n] * c[i];
        value = l.t.product(l.at + "attn_v_b.weight", c, {}, h, plain_heads);
      }
      key.insert(key.end(), turned.begin(), turned.end());
      q[t].push_back(query), k[h].push_back(key), v[h].push_back(value);
    }
  }
  std::vector<row> out;
  for (std::size_t t = 0; t < x.size(); ++t) {
    row mixed;
    for (std::size_t h = 0; h < plain_heads; ++h) {
      const double grown = l.f.yarn > 0 ? 1 + (l.f.yarn_scores > 0 ? l.f.yarn_scores : 0.1) * std::log(l.f.yarn) : 1;
      const double scale = heat(l.f, t) * grown * grown / std::sqrt(double(q[t][h].size()));
      const row one = mean_of_seen(l, h, t, v[h], [&](std::size_t s) { return dot(q[t][h], k[h][s]) * scale; });
      mixed.insert(mixed.end(), one.begin(), one.end());
    }
    out.push_back(l.product("attn_output.weight", mixed));
  }
  return out;
}

}  // namespace nibble_test
