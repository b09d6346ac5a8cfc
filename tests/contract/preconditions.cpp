/// Breaks every stated precondition, in a build with NIBBLE_CHECKED=1: each is an exception that says so. check.py compares the
/// list with the docs of all headers.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nibble/nibble.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/tensor/map.hpp"

namespace {
const nibble::any_model* model = nullptr;
const nibble::result<int> three = 3, broken = nibble::error(nibble::errc::io, "broken");

nibble::evaluator evaluator() { return nibble::evaluator::try_create(*model, {.context = 16, .prefill_chunk = 4}).value(); }
nibble::batch_evaluator batch() { return nibble::batch_evaluator::try_create(*model, 2, {.context = 16}).value(); }
nibble::step_runner runner() { return nibble::step_runner::try_create(*model, {.context = 16, .prefill_chunk = 4}, 2).value(); }
const auto outside = nibble::token{1 << 30};
std::shared_ptr<const nibble::token_trie> trie() { return std::make_shared<const nibble::token_trie>(model->tokenizer()); }

void run(std::vector<nibble::token> ids, std::vector<nibble::token_run> runs, std::vector<std::uint32_t> wanted) {
  auto r = runner();
  r.run(ids, runs, wanted, {});
}
void step(std::vector<nibble::batch_evaluator::entry> entries) {
  auto b = batch();
  static_cast<void>(b.step(entries));
}
void chunks(const std::vector<std::pair<std::size_t, std::vector<nibble::token>>>& parts) {
  auto b = nibble::batch_evaluator::try_create(*model, 2, {.context = 16, .prefill_chunk = 4}).value();
  std::vector<nibble::batch_evaluator::chunk> all;
  for (const auto& [sequence, tokens] : parts) all.push_back({sequence, tokens});
  static_cast<void>(b.step(all));
}

struct breach {
  const char* header;
  const char* function;
  std::function<void()> commit;
};

const std::vector<breach> breaches{
    {"error.hpp", "operator*", [] { static_cast<void>(*broken); }},
    {"error.hpp", "operator*", [] { static_cast<void>(*nibble::result<std::string>(nibble::error(nibble::errc::io, ""))); }},
    {"error.hpp", "operator*",
     [] { static_cast<void>(nibble::result<std::string>(nibble::error(nibble::errc::io, ""))->size()); }},
    {"error.hpp", "failure", [] { static_cast<void>(three.failure()); }},
    {"error.hpp", "failure", [] { static_cast<void>(nibble::result<void>().failure()); }},
    {"gguf/reader.hpp", "bytes",
     [] {
       const auto bytes = nibble::gguf_writer({}).bytes();
       static_cast<void>(nibble::gguf_file::parse(bytes).bytes({.name = "x", .offset = bytes.size(), .bytes = 1}));
     }},
    {"gguf/reader.hpp", "bytes",
     [] {
       const auto bytes = nibble::gguf_writer({}).bytes();
       nibble::gguf_file::parse(bytes).release({.name = "x", .shard = 1}, 0, 0);
     }},
    {"tensor/scratch.hpp", "take",
     [] {
       auto arena = nibble::scratch_arena::try_create(256).value();
       arena.take(192);
       arena.take(65);
     }},
    {"tensor/scratch.hpp", "subset",
     [] {
       const std::uint32_t list[] = {0};
       static_cast<void>(nibble::activations{nullptr, 4, 8}.subset(list, 1).subset(list, 1));
     }},
    {"tensor/view.hpp", "elements",
     [] {
       float x[4] = {};
       static_cast<void>(nibble::tensor_view<float, 2>(x, {2, 1}, {2, 1}).elements());
     }},
    {"tensor/map.hpp", "map",
     [] {
       float x[4] = {};
       const nibble::tensor_view<float, 1> two(x, {2}), four(x, {4});
       nibble::map(two, four, [](auto v) { return v; });
     }},
    {"tensor/map.hpp", "zip",
     [] {
       float x[4] = {};
       const nibble::tensor_view<float, 1> two(x, {2}), four(x, {4});
       nibble::zip(four, two, four, [](auto a, auto) { return a; });
     }},
    {"model/step_runner.hpp", "run",
     [] {
       run({outside}, {{0, 1, 0, 0}}, {});
     }},
    {"model/step_runner.hpp", "run",
     [] {
       run({1, 1}, {{0, 1, 0, 0}, {0, 1, 0, 0}}, {});
     }},
    {"model/step_runner.hpp", "run",
     [] {
       run({1}, {{0, 1, 0, 2}}, {});
     }},
    {"model/step_runner.hpp", "run",
     [] {
       run({1, 1, 1, 1, 1}, {{0, 5, 0, 0}}, {});
     }},
    {"model/step_runner.hpp", "run",
     [] {
       run({1, 1, 1}, {{0, 3, 0, 0}}, {0, 1, 2});
     }},
    {"model/step_runner.hpp", "run",
     [] {
       run({1, 1}, {{0, 2, 0, 0}}, {2});
     }},
    {"model/evaluator.hpp", "feed", [] { static_cast<void>(evaluator().feed(std::array{outside})); }},
    {"model/evaluator.hpp", "feed", [] { static_cast<void>(evaluator().feed(std::array{nibble::token{-1}})); }},
    {"model/evaluator.hpp", "feed",
     [] { static_cast<void>(evaluator().feed_each(std::array{nibble::token{-1}}, [](auto, auto) {})); }},
    {"model/evaluator.hpp", "output",
     [] {
       auto e = evaluator();
       static_cast<void>(e.output(0));
     }},
    {"model/evaluator.hpp", "draft",
     [] { static_cast<void>(evaluator().draft(std::array{nibble::token{1}}, std::array{0.5f})); }},
    {"model/evaluator.hpp", "draft_each",
     [] { static_cast<void>(evaluator().draft_each(std::array{nibble::token{1}}, std::array{0.5f}, [](auto, auto) {})); }},
    {"model/batch_evaluator.hpp", "feed", [] { static_cast<void>(batch().feed(0, std::array{outside})); }},
    {"model/batch_evaluator.hpp", "feed", [] { static_cast<void>(batch().feed(2, std::array{nibble::token{1}})); }},
    {"model/batch_evaluator.hpp", "recall",
     [] {
       auto b = batch();
       static_cast<void>(b.feed(0, std::array{nibble::token{1}}));
       b.recall(0, std::array{nibble::token{1}});
     }},
    {"model/batch_evaluator.hpp", "adapt", [] { batch().adapt(0, std::array{1.0f}); }},
    {"model/batch_evaluator.hpp", "adapt", [] { batch().adapt(2, {}); }},
    {"model/step_runner.hpp", "adapt",
     [] {
       auto b = batch();
       static_cast<void>(b.feed(0, std::array{nibble::token{1}}));
       b.adapt(0, {});
     }},
    {"model/batch_evaluator.hpp", "remember", [] { batch().remember(0, std::array{nibble::token{1}}); }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       chunks({{0, {}}});
     }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       chunks({{0, std::vector<nibble::token>(5, 1)}});
     }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       chunks({{0, std::vector<nibble::token>(4, 1)}, {1, std::vector<nibble::token>(1, 1)}});
     }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       chunks({{0, std::vector<nibble::token>(1, outside)}});
     }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       chunks({{0, std::vector<nibble::token>(1, 1)}, {0, std::vector<nibble::token>(1, 1)}});
     }},
    {"model/step_runner.hpp", "try_fork", [] { static_cast<void>(runner().try_fork()); }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       step({{0, -1}});
     }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       step({{0, 1}, {0, 1}});
     }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       step({{2, 1}});
     }},
    {"model/batch_evaluator.hpp", "step",
     [] {
       step({{0, 1}, {1, 1}, {1, 1}});
     }},
    {"text/utf8.hpp", "decode_utf8", [] { static_cast<void>(nibble::decode_utf8("abc", 3)); }},
    {"text/utf8.hpp", "append_utf8",
     [] {
       std::string out;
       nibble::append_utf8(char32_t{0xD800}, out);
     }},
    {"text/special_tokens.hpp", "add", [] { nibble::special_tokens().add("", 1); }},
    {"sample/candidates.hpp", "assign",
     [] {
       std::vector<float> logits((std::size_t{1} << 23) + 1);
       nibble::candidates().assign(logits);
     }},
    {"sample/candidates.hpp", "operator[]", [] { static_cast<void>(nibble::candidates()[0]); }},
    {"sample/candidates.hpp", "keep",
     [] {
       std::vector<float> logits(65);
       nibble::candidates c;
       c.assign(logits);
       c.keep(std::vector<std::uint64_t>(1));
     }},
    {"sample/candidates.hpp", "keep_likely",
     [] {
       std::vector<float> logits{1, 2};
       nibble::candidates c;
       c.assign(logits);
       c.keep_likely(1.0, 2.0f);
     }},
    {"sample/candidates.hpp", "softmax",
     [] {
       std::vector<double> out(1);
       nibble::softmax(nibble::candidates(), out);
     }},
    {"grammar/matcher.hpp", "is_allowed", [] { static_cast<void>(nibble::is_allowed(nibble::token_mask(), 0)); }},
    {"grammar/matcher.hpp", "grammar_matcher",
     [] { static_cast<void>(nibble::grammar_matcher(nibble::grammar::from_choices({"a"}), nullptr)); }},
    {"grammar/constraint.hpp", "grammar_constraint",
     [] { static_cast<void>(nibble::grammar_constraint(nibble::grammar::from_choices({"a"}), nullptr)); }},
    {"grammar/constraint.hpp", "operator()",
     [] {
       nibble::grammar_constraint constraint(nibble::grammar::from_choices({"a"}), trie());
       std::vector<float> logits(model->tokenizer().size() + 1);
       nibble::candidates c;
       c.assign(logits);
       nibble::rng random(1);
       nibble::sample_context context{{}, random};
       constraint(c, context);
     }},
    {"sample/softmax.hpp", "least_logit", [] { static_cast<void>(nibble::least_logit(0, 1.0f)); }},
    {"generate/event_builder.hpp", "choose",
     [] {
       nibble::event_builder events(model->tokenizer());
       nibble::sampling_scratch scratch;
       std::vector<float> logits(3);
       static_cast<void>(events.choose(logits, {}, scratch));
     }},
    {"sample/candidates.hpp", "best", [] { static_cast<void>(nibble::candidates().best()); }},
    {"generate/event_builder.hpp", "accept",
     [] {
       nibble::event_builder events(model->tokenizer());
       nibble::token_choice choice{};
       choice.id = outside;
       static_cast<void>(events.accept(choice));
     }},
    {"generate/generation.hpp", "operator*",
     [] {
       nibble::session session(*model, {.context = 16});
       auto reply = session.generate("Hi", {.max_tokens = 0});
       static_cast<void>(*reply.begin());
     }},
};
}  // namespace

int main(int, char** argv) {
  const auto loaded = nibble::any_model::load(argv[1], {.threads = 1});
  model = &loaded;
  bool good = true;
  for (const breach& b : breaches) {
    const char* outcome = "nothing";
    try {
      b.commit();
    } catch (const nibble::error& e) {
      if (e.code() == nibble::errc::precondition) continue;
      outcome = "another error";
    }
    std::cout << b.header << ": " << b.function << ": " << outcome << '\n';
    good = false;
  }
  return good ? 0 : 1;
}
