// What guessing ahead saves: a text is continued with guesses and without, in pairs, and both must say the same.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "command.hpp"
#include "nibble/core/checksum.hpp"
#include "nibble/generate/draft_block.hpp"
#include "nibble/generate/draft_model.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/sample/temperature.hpp"

namespace bench {
namespace {

struct reply {
  nibble::generation_stats stats;
  std::vector<nibble::token> ids;
  double seconds, cpu_seconds;
};

/// One reply of a session of its own; of its time, that behind the prompt.
reply run(const nibble::any_model& model, const arguments& a, std::span<const nibble::token> prompt,
          const nibble::speculation& how) {
  nibble::session_options room{.context = prompt.size() + a.generate + 1, .prefill_chunk = a.chunk, .kv = kv_type(a.kv)};
  room.speculation = how;
  nibble::session session(model, room);
  nibble::generate_options options{.max_tokens = a.generate, .seed = 1};
  if (a.temperature > 0) options.sampler = nibble::any_sampler(nibble::temperature{float(a.temperature)});
  reply r{};
  std::clock_t began = 0;
  auto generation = session.generate(prompt, options);
  for (const auto& event : generation) {
    if (r.ids.empty()) began = std::clock();  // the prompt is read
    if (event.id != nibble::no_token) r.ids.push_back(event.id);
  }
  r.cpu_seconds = double(std::clock() - began) / CLOCKS_PER_SEC;
  r.stats = generation.stats();
  r.seconds = std::chrono::duration<double>(r.stats.generation_time).count();
  return r;
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

void speculate(const arguments& a) {
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const std::string text = a.input.empty() ? a.text : read_text(a.input);
  const auto prompt = model.tokenizer().encode(text, {.special = a.special});
  nibble::speculation how = nibble::prompt_lookup{.always = a.always};
  if (!a.draft.empty()) {
    how = nibble::draft_model{.model = nibble::any_model::load(a.draft, {.threads = a.threads}), .always = a.always};
  }
  if (a.block) how = nibble::draft_block{.always = a.always};
  std::vector<double> plain, guessing, gains, cpu_gains;
  reply last{}, first{};
  for (std::size_t i = 0; i < a.repeat; ++i) {
    const bool guesses_first = i % 2 == 1;
    reply one = run(model, a, prompt, guesses_first ? how : nibble::speculation());
    reply two = run(model, a, prompt, guesses_first ? nibble::speculation() : how);
    if (guesses_first) std::swap(one, two);
    if (one.ids != two.ids) throw std::runtime_error("wrong answers: a session that guesses says something else");
    plain.push_back(one.stats.generation_speed()), guessing.push_back(two.stats.generation_speed());
    gains.push_back(one.seconds / two.seconds), cpu_gains.push_back(one.cpu_seconds / two.cpu_seconds);
    first = std::move(one), last = std::move(two);
  }
  auto out = identity(a);
  const auto& s = last.stats;
  out["guesses_by"] = a.block ? "draft_block" : a.draft.empty() ? "prompt_lookup" : a.draft.filename().string();
  out["prompt"] = prompt.size(), out["generated"] = last.ids.size();
  out["steps"] = s.speculation_steps, out["guessed"] = s.guessed_tokens, out["accepted"] = s.accepted_guesses;
  out["acceptance"] = s.guessed_tokens > 0 ? double(s.accepted_guesses) / double(s.guessed_tokens) : 0.0;
  out["plain_tps"] = median(plain), out["tps"] = median(guessing);
  out["speed_up"] = median(gains), out["cpu_speed_up"] = median(cpu_gains);
  out["least_speed_up"] = *std::min_element(gains.begin(), gains.end());
  out["ids_hash"] = nibble::detail::checksum(std::as_bytes(std::span(last.ids)));
  std::cout << out.dump() << '\n';
}

}  // namespace bench
