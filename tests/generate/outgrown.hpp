/// What tests of sessions share whose texts outgrow their context, by whatever they forget then.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/generate_each.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/sample/temperature.hpp"
#include "support/smallest_model.hpp"

namespace nibble_test {

inline const nibble::any_model& llama() {
  static const auto model = nibble::any_model::load(smallest_model("llama", 32, 3).bytes(), {.threads = 2});
  return model;
}
inline tokens some_tokens(std::size_t count, const nibble::any_model& model) {
  tokens out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + i * 7919 % (model.vocabulary() - 3)));
  return out;
}
inline reply answer(nibble::session& s, const tokens& prompt, std::size_t count) {
  return read(s.try_generate(prompt, {.max_tokens = count, .sampler = nibble::temperature{1.1f}, .seed = 3}).value());
}

/// A scheduler's answers of `count` tokens are those of sessions alone, also where they had to make room: a prompt for each
/// length.
inline void check_schedulers(const nibble::session_options& room, std::initializer_list<std::size_t> lengths,
                             std::size_t count) {
  const nibble::any_model& model = llama();
  nibble::session_options one = room;
  one.forks = 0;
  const std::size_t of_one = model.plan(one).kv;
  for (const std::size_t bytes : {std::size_t{0}, of_one * 2}) {
    nibble::session_options shared = one;
    shared.kv_bytes = bytes;
    nibble::scheduler s(model, {.running = 3, .room = shared});
    std::vector<nibble::answer> answers;
    std::vector<reply> expected;
    for (const std::size_t length : lengths) {
      const tokens prompt = some_tokens(length, model);
      const nibble::generate_options options{
          .max_tokens = count, .sampler = attentive() | nibble::temperature{1.1f}, .seed = length};
      nibble::session alone(model, room);
      expected.push_back(read(alone.try_generate(prompt, options).value()));
      answers.push_back(s.submit({.prompt = prompt, .options = options}));
    }
    while (s.run_once()) continue;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      CHECK(answers[i].ids() == expected[i].ids);
      CHECK(answers[i].reason() == expected[i].reason);
      CHECK(answers[i].ids().size() == count);
    }
    CHECK((s.stats().preemptions > 0) == (bytes > 0));
    CHECK(s.stats().page_bytes == 0);
  }
}

/// Replies side by side are those of sessions alone.
inline void check_side_by_side(const nibble::session_options& room) {
  const nibble::any_model& model = llama();
  const std::vector<std::string> prompts{"A", "DEED", std::string(300, 'B')};
  const attentive sampler{model.tokenizer().eos().value_or(nibble::no_token)};
  const nibble::generate_options options{.max_tokens = 300, .sampler = sampler | nibble::temperature{1.1f}, .seed = 5};
  std::vector<tokens> ids(prompts.size());
  const auto ends = nibble::generate_each(
      model, prompts, options, [&](std::size_t i, const nibble::token_event& e) { ids[i].push_back(e.id); }, room);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    nibble::generate_options of_one = options;
    of_one.seed += i;
    nibble::session alone(model, room);
    const reply expected = read(alone.generate(prompts[i], of_one));
    CHECK(ids[i] == expected.ids);
    CHECK(ends[i] == expected.reason);
  }
  CHECK(std::count(ends.begin(), ends.end(), finish::max_tokens) == 3);
}

}  // namespace nibble_test
