// Several prompts answered side by side: each pass over the weights makes one token for every reply that is not at its end.
//
//     11_side_by_side model.gguf ["prompt" ...]
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

// The one that evaluates is a batch_evaluator; an event_builder for each reply makes text of its logits.
struct reply {
  nibble::event_builder builder;
  std::vector<nibble::token> tokens;
  std::string text = {};

  // The next token; false at the end.
  bool go_on(std::span<float> logits, nibble::sampling_scratch& scratch) {
    if (const auto event = builder.next(logits, tokens, scratch)) {
      text += event->text;
      if (event->id != nibble::no_token) tokens.push_back(event->id);
    }
    return builder.reason() == nibble::finish::none;
  }
};

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 11_side_by_side MODEL.gguf [PROMPT...]\n";
    return 2;
  }
  std::vector<std::string> prompts(argv + 2, argv + argc);
  if (prompts.empty()) prompts = {"Once upon a time", "My dear Sir,", "It is a truth universally acknowledged, that"};

  using batch = nibble::batch_evaluator;
  auto model = nibble::any_model::load(argv[1]);
  auto evaluator = batch::try_create(model, prompts.size(), {.context = 512}).value();
  nibble::sampling_scratch scratch;  // one for all: they choose in turn
  std::vector<reply> replies;
  std::vector<batch::entry> next;  // the newest token of each reply that goes on
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const nibble::generate_options options{
        .max_tokens = 40, .sampler = nibble::top_k{40} | nibble::temperature{0.8f}, .seed = i, .stop = {"\n\n"}};
    reply& r =
        replies.emplace_back(reply{nibble::event_builder(model.tokenizer(), options), model.tokenizer().encode(prompts[i])});
    if (evaluator.feed(i, r.tokens) == nibble::feed_outcome::done && r.go_on(evaluator.logits(0), scratch))
      next.push_back({i, r.tokens.back()});
  }
  while (!next.empty() && evaluator.step(next) == nibble::feed_outcome::done) {
    std::vector<batch::entry> rest;
    for (std::size_t row = 0; row < next.size(); ++row) {
      reply& r = replies[next[row].sequence];
      if (r.go_on(evaluator.logits(row), scratch)) rest.push_back({next[row].sequence, r.tokens.back()});
    }
    next = std::move(rest);
  }
  for (std::size_t i = 0; i < prompts.size(); ++i)
    std::cout << prompts[i] << replies[i].text << "\n[" << name_of(replies[i].builder.reason()) << "]\n\n";
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
