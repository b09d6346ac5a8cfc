/// Medians and quantiles of what was measured.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

namespace bench {

/// The least of them that at least this fraction of them does not pass; precondition: there is one.
inline double quantile(std::vector<double> x, double fraction) {
  std::sort(x.begin(), x.end());
  const double place = std::ceil(fraction * double(x.size())) - 1;
  return x[static_cast<std::size_t>(std::clamp(place, 0.0, double(x.size() - 1)))];
}
/// The one in the middle, or the mean of the two there; precondition: there is one.
inline double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  const std::size_t half = x.size() / 2;
  return x.size() % 2 == 1 ? x[half] : (x[half - 1] + x[half]) / 2;
}

inline double mean(const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0) / double(x.size()); }
/// Of a sample: divided by one less than its size; 0 for one value.
inline double standard_deviation(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += (v - mean(x)) * (v - mean(x));
  return x.size() > 1 ? std::sqrt(sum / double(x.size() - 1)) : 0;
}

/// What half, 95% and 99% of them do not pass; null without any.
inline nlohmann::ordered_json p50_p95_p99(const std::vector<double>& x) {
  if (x.empty()) return {nullptr, nullptr, nullptr};
  return {quantile(x, .5), quantile(x, .95), quantile(x, .99)};
}

/// f(x), or null without any x.
template <class F>
nlohmann::ordered_json or_null(const std::vector<double>& x, F f) {
  return x.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(f(x));
}

}  // namespace bench
