// Requests that come at times of their own, answered by a scheduler, or one after the other for comparison; and random ones.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "command.hpp"
#include "nibble/core/rng.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/sample/logit_bias.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "nibble/text/tokenizer.hpp"
#include "statistics.hpp"

namespace bench {
namespace {

using json = nlohmann::ordered_json;
using clock = std::chrono::steady_clock;

double seconds(clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// A request as a file has it.
struct asked {
  double arrival = 0;  ///< seconds
  std::vector<nibble::token> prompt;
  std::size_t max_tokens = 0;
  std::uint64_t seed = 0;
  int priority = 0;
  float temperature = 0;    ///< 0: the most likely token
  bool ignore_end = false;  ///< its answer has max_tokens

  nibble::generate_options options(const nibble::tokenizer& t) const {
    nibble::logit_bias never;
    for (nibble::token id = 0; ignore_end && static_cast<std::size_t>(id) < t.size(); ++id) {
      if (t.is_end(id)) never.biases.emplace_back(id, -std::numeric_limits<float>::infinity());
    }
    const std::size_t kept = temperature > 0 ? 40 : 1;
    return {.max_tokens = max_tokens,
            .sampler = never | nibble::top_k{kept} | nibble::temperature{temperature > 0 ? temperature : 1},
            .seed = seed};
  }
};

/// When the tokens of its answer came, and what they are.
struct told {
  std::vector<nibble::token> ids;
  std::vector<double> at;  ///< seconds since the beginning
  double queue_s = 0;      ///< from its arrival
  std::size_t cached = 0, preemptions = 0;
  std::string reason;

  std::string hash() const {  // FNV-1a
    std::uint64_t h = 14695981039346656037u;
    for (const nibble::token id : ids) h = (h ^ static_cast<std::uint32_t>(id)) * 1099511628211u;
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
    return text;
  }
  std::vector<double> gaps_ms() const {
    std::vector<double> out;
    for (std::size_t i = 1; i < at.size(); ++i) out.push_back((at[i] - at[i - 1]) * 1e3);
    return out;
  }
};

std::vector<asked> read_requests(const fs::path& path, const nibble::tokenizer& tokenizer) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + ": cannot be opened");
  const json all = json::parse(file);
  std::vector<asked> out;
  for (const json& r : all.is_object() ? all.at("requests") : all) {
    asked a;
    a.arrival = r.value("arrival", 0.0), a.max_tokens = r.value("max_tokens", std::size_t{64});
    a.seed = r.value("seed", std::uint64_t{0}), a.priority = r.value("priority", 0);
    a.temperature = r.value("temperature", 0.0f), a.ignore_end = r.value("ignore_end", false);
    const json& prompt = r.at("prompt");
    if (prompt.is_string()) {
      a.prompt = tokenizer.encode(prompt.get<std::string>());
    } else {
      a.prompt = prompt.get<std::vector<nibble::token>>();
    }
    out.push_back(std::move(a));
  }
  if (out.empty()) throw std::runtime_error(path.string() + ": no requests");
  std::stable_sort(out.begin(), out.end(), [](const asked& a, const asked& b) { return a.arrival < b.arrival; });
  return out;
}

nibble::session_options room_of(const arguments& a, const std::vector<asked>& all) {
  std::size_t context = a.context;
  for (const asked& r : all) context = std::max(context, r.prompt.size() + r.max_tokens);
  return {.context = context,
          .prefill_chunk = a.chunk,
          .kv = kv_type(a.kv),
          .marks = false,
          .state_interval = 0,
          .kv_bytes = a.kv_mb << 20,
          .prefix_cache = !a.no_prefixes};
}

class schedule_run {
 public:
  explicit schedule_run(const arguments& a)
      : a_(a),
        model_(nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped})),
        asked_(read_requests(a.input, model_.tokenizer())),
        told_(asked_.size()) {}

  void run() {
    warm_up();
    json totals;
    a_.one_by_one ? alone(totals) : together(totals);
    print(std::move(totals));
  }

 private:
  void warm_up() {
    nibble::session s(model_, {.context = 64});
    for (auto& event : s.generate("", {.max_tokens = 4})) static_cast<void>(event);
  }

  void together(json& totals) {
    const nibble::session_options room = room_of(a_, asked_);
    nibble::scheduler s(model_, {.running = a_.sequences, .room = room, .pace = a_.pace});
    std::vector<nibble::answer> answers;
    std::vector<double> submitted;
    std::size_t most_used = 0;
    start_ = clock::now();
    for (bool busy = true; busy || answers.size() < asked_.size();) {
      while (answers.size() < asked_.size() && asked_[answers.size()].arrival <= now()) {
        const std::size_t i = answers.size();
        submitted.push_back(now());
        answers.push_back(s.submit({.prompt = asked_[i].prompt,
                                    .options = asked_[i].options(model_.tokenizer()),
                                    .priority = asked_[i].priority,
                                    .on_event = [this, i](const nibble::token_event& e) { add(i, e); }}));
      }
      busy = s.run_once();
      most_used = std::max(most_used, s.stats().page_bytes);
      if (!busy && answers.size() < asked_.size()) {
        std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, asked_[answers.size()].arrival - now())));
      }
    }
    elapsed_ = now();
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto stats = answers[i].stats();
      told_[i].queue_s = submitted[i] - asked_[i].arrival + seconds(stats.queue_time);
      told_[i].cached = stats.cached_tokens, told_[i].preemptions = stats.preemptions;
      told_[i].reason = name_of(answers[i].reason());
    }
    const auto stats = s.stats();
    totals = {{"steps", stats.steps},
              {"preemptions", stats.preemptions},
              {"kv_mb_most_used", mib(most_used)},
              {"kv_mb", mib(s.memory().kv)}};
  }

  void alone(json& totals) {
    nibble::session_options room = room_of(a_, asked_);
    room.kv_bytes = 0;
    nibble::session s(model_, room);
    start_ = clock::now();
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, asked_[i].arrival - now())));
      told_[i].queue_s = now() - asked_[i].arrival;
      s.reset();
      auto reply = s.generate(asked_[i].prompt, asked_[i].options(model_.tokenizer()));
      for (const auto& event : reply) add(i, event);
      told_[i].reason = name_of(reply.reason());
    }
    elapsed_ = now();
    totals = {{"kv_mb", mib(model_.plan(room).kv)}};
  }

  double now() const { return seconds(clock::now() - start_); }
  void add(std::size_t i, const nibble::token_event& event) {
    if (event.id == nibble::no_token) return;
    told_[i].ids.push_back(event.id);
    told_[i].at.push_back(now());
  }

  /// The line of one request.
  static json line_of(const asked& q, const told& t) {
    const double first_ms = t.at.empty() ? 0 : (t.at.front() - q.arrival) * 1e3;
    return {{"arrival_s", q.arrival},
            {"prompt", q.prompt.size()},
            {"priority", q.priority},
            {"tokens", t.ids.size()},
            {"reason", t.reason},
            {"hash", t.hash()},
            {"queue_ms", t.queue_s * 1e3},
            {"first_token_ms", t.at.empty() ? json(nullptr) : json(first_ms)},
            {"end_s", t.at.empty() ? json(nullptr) : json(t.at.back())},
            {"token_ms_p50_p95_p99", p50_p95_p99(t.gaps_ms())},
            {"cached_tokens", t.cached},
            {"preemptions", t.preemptions}};
  }

  void print(json totals) {
    json out = identity(a_);
    out.update({{"threads", a_.threads},
                {"kv", a_.kv},
                {"running", a_.one_by_one ? 1 : a_.sequences},
                {"one_by_one", a_.one_by_one},
                {"pace", a_.pace},
                {"requests", json::array()}});
    std::vector<double> queue, first, gaps, all;
    std::size_t prompts = 0, generated = 0, cached = 0;
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      const asked& q = asked_[i];
      const told& t = told_[i];
      const auto ms = t.gaps_ms();
      out["requests"].push_back(line_of(q, t));
      prompts += q.prompt.size(), generated += t.ids.size(), cached += t.cached;
      queue.push_back(t.queue_s * 1e3);
      if (!t.at.empty()) {
        first.push_back((t.at.front() - q.arrival) * 1e3);
        all.push_back((t.at.back() - q.arrival) * 1e3);
      }
      gaps.insert(gaps.end(), ms.begin(), ms.end());
    }
    json sums{{"requests", asked_.size()},
              {"prompt_tokens", prompts},
              {"cached_tokens", cached},
              {"generated_tokens", generated},
              {"elapsed_s", elapsed_},
              {"generated_tps", double(generated) / elapsed_},
              {"tokens_tps", double(prompts + generated) / elapsed_},
              {"queue_ms_p50_p95_p99", p50_p95_p99(queue)},
              {"first_token_ms_p50_p95_p99", p50_p95_p99(first)},
              {"token_ms_p50_p95_p99", p50_p95_p99(gaps)},
              {"request_ms_p50_p95_p99", p50_p95_p99(all)}};
    sums.update(totals);
    out["totals"] = std::move(sums);
    std::cout << out.dump(1) << std::endl;
  }

  arguments a_;
  nibble::any_model model_;
  std::vector<asked> asked_;
  std::vector<told> told_;
  clock::time_point start_;
  double elapsed_ = 0;
};

}  // namespace

void schedule(const arguments& a) { schedule_run(a).run(); }

void random_requests(const arguments& a) {
  const std::size_t vocabulary = nibble::tokenizer::load(a.model).size();
  nibble::rng random(a.seed);
  const auto between = [&](const std::vector<std::size_t>& bounds) {
    const std::size_t least = bounds.front(), most = bounds.back();
    return least + static_cast<std::size_t>(random.uniform() * double(most - least + 1));
  };
  const auto some_id = [&] { return static_cast<nibble::token>(between({vocabulary / 10, vocabulary - 1})); };
  std::vector<nibble::token> beginning(a.shared);
  for (auto& id : beginning) id = some_id();
  json out = json::array();
  double arrival = 0;
  for (std::size_t i = 0; i < a.requests; ++i) {
    std::vector<nibble::token> prompt = beginning;
    const std::size_t length = std::max(between(a.prompts), a.shared + 1);
    while (prompt.size() < length) prompt.push_back(some_id());
    out.push_back(
        {{"arrival", arrival}, {"prompt", prompt}, {"max_tokens", between(a.answers)}, {"seed", i}, {"ignore_end", true}});
    if (a.rate > 0) arrival -= std::log(1 - random.uniform()) / a.rate;
  }
  std::ofstream to(a.output, std::ios::binary);
  if (!(to << json{{"requests", std::move(out)}}.dump() << '\n').flush())
    throw std::runtime_error(a.output.string() + ": cannot be written");
}

}  // namespace bench
