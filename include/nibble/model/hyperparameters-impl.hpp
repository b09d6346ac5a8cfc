/// Definitions of model/hyperparameters.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/model/hyperparameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// A key that changes what a model computes, without tensors that would tell. Its value changes nothing where it is `neutral`
/// or `also`, or that of the key `same_as`.
struct deciding_key {
  std::string_view key;
  double neutral = 0, also = 0;
  std::string_view same_as = {};
};
inline constexpr deciding_key deciding_keys[] = {
    {"use_parallel_residual"},
    {"hidden_activation"},
    {"embedding_scale", 0, 1},
    {"residual_scale", 0, 1},
    {"logit_scale", 0, 1},
    {"attn_logit_softcapping"},
    {"final_logit_softcapping"},
    {"router_logit_softcapping"},
    {"activation_sparsity_scale"},
    {"swiglu_clamp_exp"},
    {"swiglu_clamp_shexp"},
    {"rescale_every_n_layers"},
    {"expert_group_count", 0, 1},
    {"attention.causal", 1, 1},
    {"attention.scale"},
    {"attention.output_scale", 0, 1},
    {"attention.clamp_kqv"},
    {"attention.max_alibi_bias"},
    {"attention.sliding_window"},
    {"attention.temperature_scale"},
    {"attention.temperature_length"},
    {"attention.shared_kv_layers"},
    {"attention.rope_pattern", 1, 1},
    {"attention.key_length_swa", 0, 0, "attention.key_length"},
    {"attention.value_length_swa", 0, 0, "attention.value_length"},
    {"rope.dimension_count_swa", 0, 0, "rope.dimension_count"},
    {"rope.freq_base_swa", 0, 0, "rope.freq_base"},
    {"rope.global.freq_base", 0, 0, "rope.freq_base"},
    {"rope.local.freq_base", 0, 0, "rope.freq_base"},
    {"rope.scaling.factor", 0, 1},
    {"rope.scale_linear", 0, 1},
    {"rope.scaling.attn_factor", 0, 1},
    {"rope.scaling.alpha", 0, 1},
};

/// A number or bool of any type, or an array of them: all its elements.
inline std::optional<std::vector<double>> numbers_of(const value& v) {
  const auto as = [&]<class T>(std::type_identity<T>) -> std::optional<std::vector<double>> {
    if (!v.is_array()) {
      const auto one = v.try_as<T>();
      return one ? std::optional(std::vector<double>{static_cast<double>(*one)}) : std::nullopt;
    }
    const auto all = v.try_as_array<T>();
    return all ? std::optional(std::vector<double>(all->begin(), all->end())) : std::nullopt;
  };
  if (auto found = as(std::type_identity<double>())) return found;
  if (auto found = as(std::type_identity<std::int64_t>())) return found;
  if (auto found = as(std::type_identity<std::uint64_t>())) return found;
  return as(std::type_identity<bool>());
}
inline bool all_are(const value& v, double a, double b) {
  const auto numbers = numbers_of(v);
  return numbers && std::all_of(numbers->begin(), numbers->end(), [&](double x) { return x == a || x == b; });
}
/// For a sentence.
inline std::string shown(const value& v) {
  if (const auto text = v.try_as<std::string_view>()) return quoted(*text);
  const auto numbers = numbers_of(v);
  return v.is_array() || !numbers ? v.type_name() : std::to_string(numbers->front());
}
}  // namespace detail

hyperparameters::hyperparameters(const metadata& meta, std::string_view architecture, const nibble::limits& most)
    : meta_(meta), prefix_(std::string(architecture) + "."), most_(most) {}

bool hyperparameters::has(std::string_view key) const { return find(key) != nullptr; }
const value* hyperparameters::find(std::string_view key) const { return meta_.find(name_of(key)); }
void hyperparameters::need(std::string_view key) {
  if (!has(key)) fail(meta_.try_get<bool>(name_of(key)).failure());
}
void hyperparameters::ignore(std::string_view key) {
  if (const value* found = find(key)) read_.push_back(found);
}

template <class T>
std::optional<T> hyperparameters::read(std::string_view key) {
  ignore(key);
  const auto found = meta_.try_get<T>(name_of(key));
  if (!found) return fail(found.failure()), std::nullopt;
  return *found;
}

std::size_t hyperparameters::count(std::string_view key, std::uint64_t least, std::uint64_t most) {
  return in_bounds(key, read<std::uint64_t>(key).value_or(least), least, most);
}
std::size_t hyperparameters::count_of_any_or(std::string_view name, std::uint64_t fallback, std::uint64_t least,
                                             std::uint64_t most) {
  if (!meta_.find(name)) return static_cast<std::size_t>(fallback);
  const auto found = meta_.try_get<std::uint64_t>(name);
  if (!found) return fail(found.failure()), static_cast<std::size_t>(least);
  if (*found >= least && *found <= most) return static_cast<std::size_t>(*found);
  fail(error(errc::bad_value, "key '" + std::string(name) + "': expected " + std::to_string(least) + " to " +
                                  std::to_string(most) + ", found " + std::to_string(*found)));
  return static_cast<std::size_t>(least);
}
std::size_t hyperparameters::count_or(std::string_view key, std::uint64_t fallback, std::uint64_t least, std::uint64_t most) {
  return has(key) ? count(key, least, most) : static_cast<std::size_t>(fallback);
}
std::vector<std::size_t> hyperparameters::counts(std::string_view key, std::size_t n, std::uint64_t least, std::uint64_t most) {
  const value* found = find(key);
  if (!found || !found->is_array()) return std::vector<std::size_t>(n, count(key, least, most));
  ignore(key);
  std::vector<std::size_t> out(n, static_cast<std::size_t>(least));
  if (found->size() != n) {
    reject(key, "expected a number, or " + std::to_string(n) + " of them", found->type_name());
    return out;
  }
  const auto all = meta_.try_get_array<std::uint64_t>(name_of(key));
  if (!all) return fail(all.failure()), out;
  for (std::size_t i = 0; i < n; ++i) out[i] = in_bounds(key, (*all)[i], least, most);
  return out;
}

float hyperparameters::positive(std::string_view key) { return checked(key, read<float>(key).value_or(1.0f), false); }
float hyperparameters::positive_or(std::string_view key, float fallback) { return has(key) ? positive(key) : fallback; }
float hyperparameters::positive_or_zero(std::string_view key, float fallback) {
  return has(key) ? checked(key, read<float>(key).value_or(1.0f), true) : fallback;
}
float hyperparameters::positive_of(std::initializer_list<std::string_view> keys, float fallback) {
  std::optional<float> out;
  for (const std::string_view key : keys) {
    if (!has(key)) continue;
    const float found = positive(key);
    if (out && *out != found) reject(key, "expected " + std::to_string(*out) + ", as another key says", std::to_string(found));
    if (!out) out = found;
  }
  return out.value_or(fallback);
}
float hyperparameters::number_or(std::string_view key, float fallback) {
  const float found = has(key) ? read<float>(key).value_or(fallback) : fallback;
  if (std::isfinite(found)) return found;
  return reject(key, "expected a finite number", std::to_string(found)), fallback;
}
std::vector<float> hyperparameters::shared_numbers(const std::string& key, std::size_t n) {
  std::vector<float> out(n);
  const auto all = meta_.try_get_array<float>(key);
  if (!all) return fail(all.failure()), out;
  const bool finite = std::all_of(all->begin(), all->end(), [](float x) { return std::isfinite(x); });
  if (all->size() == n && finite) return *all;
  fail(error(errc::bad_value, "key '" + key + "': expected " + std::to_string(n) + " finite numbers, found " +
                                  (finite ? std::to_string(all->size()) : "others")));
  return out;
}
bool hyperparameters::flag(std::string_view key) { return read<bool>(key).value_or(false); }
bool hyperparameters::flag_or(std::string_view key, bool fallback) { return has(key) ? flag(key) : fallback; }
std::optional<std::vector<bool>> hyperparameters::flags_or_none(std::string_view key, std::size_t n, std::size_t drafts) {
  const value* found = find(key);
  if (!found || !found->is_array()) return std::nullopt;
  ignore(key);
  std::vector<bool> out(n);
  auto all = meta_.try_get_array<bool>(name_of(key));
  if (!all) return fail(all.failure()), out;
  if (all->size() == n + drafts) all->resize(n);
  if (all->size() != n) return reject(key, "expected " + std::to_string(n) + " flags", found->type_name()), out;
  return *all;
}
std::size_t hyperparameters::elements(std::string_view key) {
  ignore(key);
  const value* found = find(key);
  return found && found->is_array() ? as_size(found->size()) : 0;
}
std::string_view hyperparameters::text_or(std::string_view key, std::string_view fallback) {
  return has(key) ? read<std::string_view>(key).value_or(fallback) : fallback;
}

void hyperparameters::refuse_unread() {
  const std::string architecture = prefix_.substr(0, prefix_.size() - 1);
  for (const detail::deciding_key& k : detail::deciding_keys) {
    const value* found = find(k.key);
    if (!found || std::find(read_.begin(), read_.end(), found) != read_.end()) continue;
    const auto numbers = detail::numbers_of(*found);
    if (!k.same_as.empty()) {
      const value* other = find(k.same_as);
      if (other && numbers && numbers == detail::numbers_of(*other)) continue;
    } else if (detail::all_are(*found, k.neutral, k.also)) {
      continue;
    } else if (k.key == "attention.sliding_window" && numbers && numbers->size() == 1) {
      const auto context = meta_.get<std::uint64_t>(name_of("context_length"));
      if (context && numbers->front() >= static_cast<double>(*context)) continue;  // it sees everything
    }
    return reject(k.key, "expected none, for " + architecture + " does not read this key, and it changes the results",
                  detail::shown(*found));
  }
}

void hyperparameters::reject(std::string_view key, std::string_view expected, std::string_view found) {
  fail(error(errc::bad_value, "key '" + name_of(key) + "': " + std::string(expected) + ", found " + std::string(found)));
}
void hyperparameters::fail(const error& e) {
  if (!failure_) failure_ = e;
}
std::size_t hyperparameters::in_bounds(std::string_view key, std::uint64_t found, std::uint64_t least, std::uint64_t most) {
  if (found >= least && found <= most) return static_cast<std::size_t>(found);
  reject(key, "expected " + std::to_string(least) + " to " + std::to_string(most), std::to_string(found));
  return static_cast<std::size_t>(least);
}
float hyperparameters::checked(std::string_view key, float found, bool may_be_zero) {
  if (std::isfinite(found) && (found > 0 || (may_be_zero && found == 0))) return found;
  reject(key, may_be_zero ? "expected a positive number, or 0" : "expected a positive number", std::to_string(found));
  return 1;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
