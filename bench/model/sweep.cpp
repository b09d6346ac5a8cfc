// One table of a model on this machine: prompts, decoding at depths and in batches, by threads and format of keys and values.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "answers.hpp"
#include "command.hpp"
#include "costs.hpp"
#include "decoder.hpp"
#include "statistics.hpp"

namespace bench {
namespace {

using json = nlohmann::ordered_json;

/// What is measured for every number of threads and every format.
struct matrix {
  std::vector<std::size_t> prompts, generates, depths, batches;
  std::size_t batch_generate, repeat;

  std::size_t figures() const { return prompts.size() + generates.size() * depths.size() + batches.size(); }
};
const matrix whole{{32, 128, 512, 4096}, {64, 256}, {0, 4096}, {1, 2, 4, 8, 16}, 64, 3};
const matrix quick{{32, 128}, {16}, {0, 256}, {1, 2, 4}, 16, 1};
const std::vector<std::string> formats{"f16", "q8_0"};

/// 1, 2, and one a core.
std::vector<std::size_t> thread_counts() {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::size_t> counts{1};
  if (cores > 1) counts.push_back(2);
  if (cores > 2) counts.push_back(cores);
  return counts;
}

/// Repeats one measurement; what has taken a minute is not repeated.
template <class F>
void repeat(std::size_t times, F&& measure) {
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < times; ++i) {
    if (i > 0 && std::chrono::steady_clock::now() - start > std::chrono::minutes(1)) return;
    measure();
  }
}

class sweeper {
 public:
  explicit sweeper(const arguments& a) : a_(a), m_(a.quick ? quick : whole), out_(identity(a)) {
    out_.update({{"file_mb", mib(fs::file_size(a.model))}, {"limits", json::array()}, {"figures", json::array()}});
  }

  void run() {
    const auto counts = thread_counts();
    figures_ = counts.size() * formats.size() * m_.figures();
    for (const std::size_t threads : counts) {
      a_.threads = threads;
      const auto model = nibble::any_model::load(a_.model, {.threads = threads});
      const costs cost(a_.model, model);
      for (const auto& kv : formats) {
        a_.kv = kv;
        measure(model, cost);
      }
    }
  }

 private:
  nibble::session_options options(std::size_t context) const {
    return {.context = context, .prefill_chunk = a_.chunk, .kv = kv_type(a_.kv), .marks = false};
  }

  void keep_peak() {
    const auto peak = peak_rss_mb();
    peak_known_ &= peak.has_value();
    peak_ = std::max(peak_, peak.value_or(0));
  }

  void measure(const nibble::any_model& model, const costs& cost) {
    const auto type = kv_type(a_.kv);
    const auto longest = options(std::max(m_.prompts.back(), m_.depths.back() + m_.generates.back()));
    check_answers(model, m_.batches.back(), longest);
    if (a_.limits) {
      keep_peak();
      machine_ = measure_machine(a_.threads, buffer_for(model.weight_bytes()));
      peak_known_ &= forget_peak_rss();  // its buffer is not the model's
      out_["limits"].push_back(to_json(machine_));
    }
    decoder d(model, 1, longest);
    d.prompt(m_.prompts.front());  // warms up
    const auto decode_at = [&](std::size_t depth) {
      for (const std::size_t generate : m_.generates) {
        json figure = decoding(d, depth, generate, 1, cost.decode(depth, generate, 1, type));
        add(std::move(figure), model.plan(options(depth + generate)));
      }
    };
    decode_at(m_.depths.front());
    for (const std::size_t prompt : m_.prompts) {
      std::vector<double> tps;
      repeat(m_.repeat, [&] { tps.push_back(double(prompt) / d.prompt(prompt)); });
      json figure{{"case", "prompt"}, {"prompt", prompt}, {"sequences", 1}};
      summarize(figure, tps, cost.prompt(prompt, a_.chunk, type));
      add(std::move(figure), model.plan(options(prompt)));
    }
    for (std::size_t i = 1; i < m_.depths.size(); ++i) decode_at(m_.depths[i]);
    for (const std::size_t sequences : m_.batches) {
      const auto o = options(m_.batch_generate);
      decoder batch(model, sequences, o);
      batch.decode(0, 1);  // warms up
      auto plan = model.plan(o);
      plan.kv *= sequences;
      json figure = decoding(batch, 0, m_.batch_generate, sequences, cost.decode(0, m_.batch_generate, sequences, type));
      figure["case"] = "batch";
      add(std::move(figure), plan);
    }
  }

  json decoding(decoder& d, std::size_t depth, std::size_t generate, std::size_t sequences, const nibble::step_work& work) {
    std::vector<double> tps, token_ms;
    repeat(m_.repeat, [&] {
      const auto ms = d.decode(depth, generate);
      tps.push_back(double(generate * sequences) * 1e3 / std::accumulate(ms.begin(), ms.end(), 0.0));
      token_ms.insert(token_ms.end(), ms.begin(), ms.end());
    });
    json figure{{"case", "decode"}, {"depth", depth}, {"generate", generate}, {"sequences", sequences}};
    summarize(figure, tps, work);
    figure["token_ms_p50_p95_p99"] = p50_p95_p99(token_ms);
    return figure;
  }

  void summarize(json& figure, const std::vector<double>& tps, const nibble::step_work& work) const {
    figure.update({{"tps", median(tps)},
                   {"low", quantile(tps, 0)},
                   {"high", quantile(tps, 1)},
                   {"rounds", tps.size()},
                   {"multiply_adds_a_byte", double(work.multiply_adds) / double(work.weight_bytes + work.kv_bytes)},
                   {"multiply_adds_a_token", double(work.multiply_adds) / double(work.tokens)}});
    if (a_.limits) figure.update(beside_limit(median(tps), work, machine_));
  }

  /// Keeps a figure, in the file too, and says so.
  void add(json figure, const nibble::memory_plan& plan) {
    json f{{"threads", a_.threads}, {"kv", a_.kv}};
    f.update(figure);
    f["planned_mb"] = mib(plan.total());
    out_["figures"].push_back(f);
    keep_peak();
    out_["peak_rss_mb"] = peak_known_ ? json(peak_) : json(nullptr);
    std::ofstream file(a_.output, std::ios::binary);
    if (!(file << out_.dump(1) << '\n').flush()) throw std::runtime_error(a_.output.string() + ": cannot be written");

    std::cerr << std::setw(3) << out_["figures"].size() << '/' << figures_ << "  threads " << a_.threads << "  KV " << std::left
              << std::setw(5) << a_.kv << std::setw(7) << f["case"].get<std::string>() << std::right << std::setw(5)
              << (f.contains("prompt") ? f["prompt"] : f["generate"]);
    if (f.contains("depth")) std::cerr << " at depth " << f["depth"] << ", sequences " << f["sequences"];
    std::cerr << std::fixed << std::setprecision(1) << "  " << f["tps"].get<double>() << " tokens/s";
    if (a_.limits) {
      std::cerr << ", " << 100 * f["of_limit"].get<double>() << "% of the limit by " << f["bound"].get<std::string>();
    }
    std::cerr << std::endl;
  }

  arguments a_;
  const matrix m_;
  json out_;
  std::size_t figures_ = 0;
  machine_limits machine_{};
  double peak_ = 0;  // MiB
  bool peak_known_ = true;
};

}  // namespace

void sweep(const arguments& a) { sweeper(a).run(); }

}  // namespace bench
