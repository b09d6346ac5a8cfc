// One long text: what formats of keys and values cost against F32, and what policies cost for texts that are longer than their
// context.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "command.hpp"
#include "decoder.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "statistics.hpp"

namespace bench {
namespace {

/// log of the sum of e^x.
double log_sum(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(double(x) - most);
  return most + std::log(sum);
}

/// How far what another row foretells is from what this one does: sum p log(p / q).
double divergence(std::span<const float> p, std::span<const float> q) {
  const double of_p = log_sum(p), of_q = log_sum(q);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = double(p[i]) - of_p;
    sum += std::exp(log_p) * (log_p - (double(q[i]) - of_q));
  }
  return sum;
}
std::size_t best_of(std::span<const float> logits) {
  return std::size_t(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace

void divergence(const arguments& a) {
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  auto ids = read_ids(a.input, model.vocabulary());
  ids.resize(std::min(ids.size(), a.context));
  nibble::session_options o = options_of(a, ids.size());
  auto other = nibble::evaluator::try_create(model, o).value();
  o.kv = nibble::tensor_type::f32, o.keys.reset(), o.values.reset(), o.rotated_keys.reset(), o.rotated_values.reset();
  auto exact = nibble::evaluator::try_create(model, o).value();
  std::vector<double> apart;
  std::vector<float> rows;
  double nll = 0, exact_nll = 0;
  std::size_t same = 0;
  for (std::size_t i = 0; i < ids.size(); i += a.chunk) {
    const auto part = std::span(ids).subspan(i, std::min(a.chunk, ids.size() - i));
    rows.clear();
    const auto keep = [&](std::size_t, std::span<const float> row) { rows.insert(rows.end(), row.begin(), row.end()); };
    expect_done(exact.feed_each(part, keep));
    const auto compare = [&](std::size_t k, std::span<const float> q) {
      const auto p = std::span<const float>(rows).subspan(k * q.size(), q.size());
      apart.push_back(divergence(p, q));
      same += best_of(p) == best_of(q);
      if (i + k + 1 == ids.size()) return;
      const auto next = static_cast<std::size_t>(ids[i + k + 1]);
      nll += log_sum(q) - double(q[next]), exact_nll += log_sum(p) - double(p[next]);
    };
    expect_done(other.feed_each(part, compare));
  }
  double mean = 0;
  for (const double d : apart) mean += d / double(apart.size());
  std::sort(apart.begin(), apart.end());
  const double scored = double(ids.size() - 1);
  std::cout << nlohmann::ordered_json{{"target", nibble::kernels().target},
                                      {"model", a.model.filename().string()},
                                      {"keys", std::string(name_of(*other.options().keys))},
                                      {"values", std::string(name_of(*other.options().values))},
                                      {"rotated_keys", *other.options().rotated_keys},
                                      {"rotated_values", *other.options().rotated_values},
                                      {"kv_mb", mib(other.memory().kv)},
                                      {"ids", ids.size()},
                                      {"kl_mean", mean},
                                      {"kl_p99", apart[apart.size() * 99 / 100]},
                                      {"top1", double(same) / double(apart.size())},
                                      {"perplexity", std::exp(nll / scored)},
                                      {"perplexity_f32", std::exp(exact_nll / scored)}}
            << std::endl;
}

void stream(const arguments& a) {
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const auto ids = read_ids(a.input, model.vocabulary());
  auto e = nibble::evaluator::try_create(model, options_of(a, a.context == 0 ? ids.size() : a.context)).value();
  double nll = 0, late = 0;
  std::size_t scored = 0, behind = 0;
  std::optional<double> early_rss;
  const auto how = e.feed_each(ids, [&](std::size_t i, std::span<const float> row) {
    if (i + 1 == ids.size()) return;
    if (i == ids.size() / 10) early_rss = peak_rss_mb();
    const double surprise = log_sum(row) - double(row[static_cast<std::size_t>(ids[i + 1])]);
    nll += surprise, ++scored;
    if (i >= a.behind) late += surprise, ++behind;
  });
  if (how != nibble::feed_outcome::done) throw std::runtime_error("--context: the text is longer, and --when-full is stop");
  std::cout << nlohmann::ordered_json{{"target", nibble::kernels().target},
                                      {"model", a.model.filename().string()},
                                      {"when_full", a.when_full},
                                      {"kept", a.kept},
                                      {"recent", e.hitters().recent},
                                      {"context", e.context()},
                                      {"kv_mb", mib(e.memory().kv)},
                                      {"states_mb", mib(e.memory().states)},
                                      {"ids", ids.size()},
                                      {"perplexity", std::exp(nll / double(scored))},
                                      {"behind", a.behind},
                                      {"perplexity_behind", behind ? std::exp(late / double(behind)) : 0},
                                      {"peak_rss_mb_early", early_rss.value_or(0)},
                                      {"peak_rss_mb", peak_rss_mb().value_or(0)}}
            << std::endl;
}

}  // namespace bench
