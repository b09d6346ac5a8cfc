// The protocol of published studies: one fixed prompt, continued greedily through a session, warmed up once and repeated.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "answers.hpp"
#include "command.hpp"
#include "costs.hpp"
#include "nibble/generate/session.hpp"
#include "shapes.hpp"
#include "statistics.hpp"

namespace bench {
namespace {

using json = nlohmann::ordered_json;
using clock = std::chrono::steady_clock;

double since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

/// When the tokens of one run came.
struct run {
  double first_s = 0, total_s = 0;
  std::vector<double> token_ms;  ///< of each after the first
};

run generate(nibble::session& session, const arguments& a) {
  run r;
  session.reset();
  const auto start = clock::now();
  auto previous = start;
  for (const auto& event : session.generate(a.text, {.max_tokens = a.generate})) {
    if (event.id == nibble::no_token) continue;
    if (previous == start) {
      r.first_s = since(start);
    } else {
      r.token_ms.push_back(since(previous) * 1e3);
    }
    previous = clock::now();
  }
  r.total_s = since(start);
  if (r.token_ms.empty()) throw std::runtime_error("the model ends this prompt at once: nothing to measure");
  return r;
}

json summary(const std::vector<double>& x) { return {{"mean", mean(x)}, {"sd", standard_deviation(x)}, {"median", median(x)}}; }

/// What one model file costs.
json measured(const arguments& a) {
  const auto start = clock::now();
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const double load_s = since(start);
  const nibble::session_options options{.prefill_chunk = a.chunk, .kv = kv_type(a.kv)};
  nibble::session session(model, options);
  check_answers(model, 1, options);

  std::vector<double> all_tps, decode_tps, first_ms, token_ms;
  for (std::size_t i = 0; i <= a.repeat; ++i) {
    const run r = generate(session, a);
    if (i == 0) continue;  // warms up
    const auto later = double(r.token_ms.size());
    all_tps.push_back((later + 1) / r.total_s);
    decode_tps.push_back(later / (r.total_s - r.first_s));
    first_ms.push_back(r.first_s * 1e3);
    token_ms.insert(token_ms.end(), r.token_ms.begin(), r.token_ms.end());
  }

  const std::size_t prompt = session.stats().prompt_tokens, generated = session.stats().generated_tokens;
  json out = identity(a);
  out.update({{"threads", a.threads},
              {"kv", a.kv},
              {"prompt", a.text},
              {"prompt_tokens", prompt},
              {"generated_tokens", generated},
              {"runs", a.repeat},
              {"load_s", load_s},
              {"memory_mb", mib(model.plan(options).total())},
              {"tokens_per_s", summary(all_tps)},
              {"decode_tokens_per_s", summary(decode_tps)},
              {"first_token_ms", summary(first_ms)},
              {"token_ms_p50_p95_p99", p50_p95_p99(token_ms)}});
  const auto peak = peak_rss_mb();  // of the model, before the buffer of a measurement
  out["peak_rss_mb"] = peak ? json(*peak) : json(nullptr);
  if (a.limits) {
    const auto machine = measure_machine(a.threads, buffer_for(model.weight_bytes()));
    out["limits"] = to_json(machine);
    out["decode_limit"] =
        beside_limit(median(decode_tps), costs(a.model, model).decode(prompt, generated - 1, 1, kv_type(a.kv)), machine);
  }
  return out;
}

/// A file that is gone when this is.
class temporary_file {
 public:
  explicit temporary_file(fs::path path) : path_(std::move(path)) {}
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

/// One shape in several formats, each beside the first, as a table.
void study_shape(const arguments& a) {
  json all = json::array();
  std::cout << "| configuration | memory, MiB | tokens/s | speed-up | first token, ms | decoding of the limit "
               "|\n|---|---|---|---|---|---|\n";
  for (const std::string& format : a.formats) {
    arguments one = a;
    const temporary_file file(fs::temp_directory_path() / ("nibble-" + a.model.string() + "-" + format + ".gguf"));
    one.model = file.path();
    std::cerr << "writing " << a.model.string() << " in " << format << "\n";
    write_shape(a.model.string(), a.layers, format, file.path());
    std::cerr << "measuring\n";
    all.push_back(measured(one));
    const json& row = all.back();
    const double tps = row["tokens_per_s"]["median"], first = all[0]["tokens_per_s"]["median"];
    std::cout << std::fixed << "| " << a.model.string() << " " << format << " | " << std::setprecision(0)
              << row["memory_mb"].get<double>() << " | " << std::setprecision(1) << tps << " | " << std::setprecision(2)
              << tps / first << "x | " << std::setprecision(0) << row["first_token_ms"]["median"].get<double>() << " | ";
    if (a.limits) std::cout << 100 * row["decode_limit"]["of_limit"].get<double>() << "%";
    std::cout << " |" << std::endl;
  }
  if (a.output.empty()) return;
  std::ofstream file(a.output, std::ios::binary);
  if (!(file << all.dump(1) << '\n').flush()) throw std::runtime_error(a.output.string() + ": cannot be written");
}

}  // namespace

void study(const arguments& a) {
  const auto shapes = shape_names();
  if (std::find(shapes.begin(), shapes.end(), a.model.string()) != shapes.end()) return study_shape(a);
  std::cout << measured(a).dump(1) << std::endl;
}

}  // namespace bench
