// Tokens a second: a prompt in steps, then one token of each sequence at a time behind `depth` positions. The first round warms
// up.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "answers.hpp"
#include "command.hpp"
#include "costs.hpp"
#include "decoder.hpp"
#include "statistics.hpp"

namespace bench {
namespace {

/// What the measured rounds took, each number on its own.
struct rounds {
  std::vector<double> prompt_tps, decode_tps, token_ms;

  rounds(decoder& d, const arguments& a) {
    for (std::size_t round = 0; round <= a.repeat; ++round) {
      const double prompt_s = d.prompt(a.prompt);
      const auto ms = d.decode(a.depth, a.generate);
      if (round == 0) continue;
      if (a.prompt > 0) prompt_tps.push_back(double(a.prompt) / prompt_s);
      if (a.generate > 0) {
        decode_tps.push_back(double(a.generate * a.sequences) * 1e3 / std::accumulate(ms.begin(), ms.end(), 0.0));
      }
      token_ms.insert(token_ms.end(), ms.begin(), ms.end());
    }
  }
};

}  // namespace

void speed(const arguments& a) {
  const auto start = std::chrono::steady_clock::now();
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const std::chrono::duration<double> load = std::chrono::steady_clock::now() - start;
  const std::size_t positions = std::max(a.prompt, a.depth + a.generate);
  if (positions > nibble::most_positions) {
    throw std::runtime_error("--depth, --generate: expected at most " + std::to_string(nibble::most_positions) +
                             " together, found " + std::to_string(positions));
  }
  const nibble::session_options options{.context = std::min(positions + 64, nibble::most_positions),
                                        .prefill_chunk = a.chunk,
                                        .kv = kv_type(a.kv),
                                        .marks = false};
  decoder d(model, a.sequences, options);
  check_answers(model, a.sequences, options);

  const auto [prompt_tps, decode_tps, token_ms] = rounds(d, a);
  const auto peak = peak_rss_mb();
  const auto plan = model.plan(options);
  const costs cost(a.model, model);
  nlohmann::ordered_json out = identity(a);
  out.update({{"threads", a.threads},
              {"kv", a.kv},
              {"sequences", a.sequences},
              {"load_s", std::round(load.count() * 100) / 100},
              {"prompt", a.prompt},
              {"prompt_tps", or_null(prompt_tps, median)},
              {"depth", a.depth},
              {"generate", a.generate},
              {"decode_tps", or_null(decode_tps, median)},
              {"token_ms_p50_p95_p99", p50_p95_p99(token_ms)},
              {"read_gb_s", nullptr},
              {"prompt_all", prompt_tps},
              {"decode_all", decode_tps},
              {"weights_mb", mib(plan.weights)},
              {"kv_mb", mib(plan.kv * a.sequences)},
              {"scratch_mb", mib(plan.scratch)},
              {"peak_rss_mb", peak ? nlohmann::ordered_json(*peak) : nlohmann::ordered_json(nullptr)}});
  const auto decoding = cost.decode(a.depth, a.generate, a.sequences, kv_type(a.kv));
  if (!decode_tps.empty()) {
    out["read_gb_s"] = median(decode_tps) * double(decoding.weight_bytes) / double(decoding.tokens) / 1e9;
  }
  if (a.limits) {
    const auto machine = measure_machine(a.threads, buffer_for(plan.weights));
    out["limits"] = to_json(machine);
    if (!prompt_tps.empty()) {
      out["prompt_limit"] = beside_limit(median(prompt_tps), cost.prompt(a.prompt, a.chunk, kv_type(a.kv)), machine);
    }
    if (!decode_tps.empty()) out["decode_limit"] = beside_limit(median(decode_tps), decoding, machine);
  }
  std::cout << out.dump() << std::endl;
}

}  // namespace bench
