// Tokens a second: a prompt in steps, then one token at a time behind `depth` positions. The first round warms up.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "command.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"

namespace bench {
namespace {

using seconds = std::chrono::duration<double>;
using clock = std::chrono::steady_clock;

double since(clock::time_point start) { return seconds(clock::now() - start).count(); }

nlohmann::ordered_json quantile(std::vector<double> x, double fraction) {
  if (x.empty()) return nullptr;
  std::sort(x.begin(), x.end());
  return x[std::min(x.size() - 1, static_cast<std::size_t>(fraction * double(x.size())))];
}
nlohmann::ordered_json median(const std::vector<double>& x) { return quantile(x, 0.5); }

/// Ids that spread over the vocabulary, the same for every engine that is compared.
constexpr std::size_t highest_word = 499;
std::vector<nibble::token> words(std::size_t count) {
  std::vector<nibble::token> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<nibble::token>(300 + i * 7919 % 200);
  return out;
}

/// Bytes of weights that one token reads: all, but for a table of embeddings that is not the output too.
std::size_t bytes_a_token(const nibble::any_model& model, const fs::path& path) {
  const auto file = nibble::gguf_file::open(path);
  const auto* table = file.find("token_embd.weight");
  if (!table || !file.find("output.weight")) return model.weight_bytes();
  std::size_t unread = 0;
  nibble::visit_format(table->type, [&]<class Q>(std::type_identity<Q>) {
    const auto groups = (static_cast<std::size_t>(table->dims[1]) + nibble::panel_rows - 1) / nibble::panel_rows;
    unread = groups * nibble::group_bytes<Q>(static_cast<std::size_t>(table->dims[0]));
  });
  return model.weight_bytes() - unread;
}

void feed(nibble::evaluator<nibble::any_model>& e, std::span<const nibble::token> ids) {
  if (e.feed(ids) != nibble::feed_outcome::done) throw std::runtime_error("the context is full");
}

}  // namespace

void speed(const arguments& a) {
  if (a.sequences != 1) throw std::runtime_error("--sequences: this version decodes one sequence at a time");
  auto start = clock::now();
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads});
  const double load_s = since(start);
  if (model.vocabulary() <= highest_word) throw std::runtime_error("speed feeds ids up to 499, but this vocabulary is smaller");
  const nibble::session_options options{
      .context = std::max(a.prompt, a.depth + a.generate) + 64, .step_tokens = a.chunk, .kv = kv_type(a.kv)};
  auto e = nibble::evaluator<nibble::any_model>::try_create(model, options).value();

  const auto prompt = words(a.prompt), depth = words(a.depth), generated = words(a.generate);
  std::vector<double> prompt_tps, decode_tps, token_ms;
  for (std::size_t round = 0; round <= a.repeat; ++round) {
    e.truncate(0);
    start = clock::now();
    feed(e, prompt);
    if (round > 0 && a.prompt > 0) prompt_tps.push_back(double(a.prompt) / since(start));
    e.truncate(0);
    feed(e, depth);
    start = clock::now();
    for (const auto& word : generated) {
      const auto begin = clock::now();
      feed(e, {&word, 1});
      if (round > 0) token_ms.push_back(since(begin) * 1e3);
    }
    if (round > 0 && a.generate > 0) decode_tps.push_back(double(a.generate) / since(start));
  }

  const auto peak = peak_rss_mb();
  const auto plan = model.plan(options);
  const auto mb = [](std::size_t bytes) { return double(bytes) / (1024 * 1024); };
  nlohmann::ordered_json out{
      {"engine", engine_name()},
      {"target", nibble::kernels().target},
      {"compiler", compiler_name()},
      {"model", a.model.filename().string()},
      {"threads", a.threads},
      {"chunk", a.chunk},
      {"kv", a.kv},
      {"sequences", a.sequences},
      {"load_s", std::round(load_s * 100) / 100},
      {"prompt", a.prompt},
      {"prompt_tps", median(prompt_tps)},
      {"depth", a.depth},
      {"generate", a.generate},
      {"decode_tps", median(decode_tps)},
      {"token_ms_p50_p95_p99", {quantile(token_ms, .5), quantile(token_ms, .95), quantile(token_ms, .99)}},
      {"read_gb_s", nullptr},
      {"prompt_all", prompt_tps},
      {"decode_all", decode_tps},
      {"weights_mb", mb(plan.weights)},
      {"kv_mb", mb(plan.kv)},
      {"scratch_mb", mb(plan.scratch)},
      {"peak_rss_mb", nullptr}};
  if (!decode_tps.empty()) out["read_gb_s"] = median(decode_tps).get<double>() * double(bytes_a_token(model, a.model)) / 1e9;
  if (peak) out["peak_rss_mb"] = *peak;
  std::cout << out.dump() << std::endl;
}

}  // namespace bench
