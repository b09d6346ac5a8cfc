// A cascade: a small model answers, and where it is not sure of its own words, below a mean log-probability, a large one says
// the answer instead. Easy requests cost what the small one costs.
//
//     19_cascade small.gguf large.gguf [least mean log-probability]
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

#include "arguments.hpp"

namespace {
struct reply {
  std::string text;
  double mean_logprob = 0;
};

/// The answer of a model to a question, as its chat template wants it, or to a text that it goes on with where it has none.
reply ask(nibble::session& session, const std::string& question) {
  const nibble::generate_options options{.max_tokens = 48, .logprobs = true};
  session.reset();
  auto generation = [&] {
    if (!session.model().chat_form()) return session.generate(question, options);
    const std::vector<nibble::chat_message> messages{{"user", question}};
    return session.chat(messages, options);
  }();
  reply r;
  std::size_t tokens = 0;
  for (const auto& event : generation) {
    r.text += event.text;
    if (event.id != nibble::no_token) r.mean_logprob += event.logprob, ++tokens;
  }
  if (tokens > 0) r.mean_logprob /= double(tokens);
  return r;
}
}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: 19_cascade SMALL.gguf LARGE.gguf [LEAST_MEAN_LOGPROB]\n";
    return 2;
  }
  const double least = argc > 3 ? argument("LEAST_MEAN_LOGPROB", argv[3], -1e3, 0.0) : -0.5;
  nibble::thread_pool threads;  // both take turns on it
  const nibble::load_options on_threads{.executor = nibble::executor_ref(threads)};
  nibble::session small(nibble::any_model::load(argv[1], on_threads), {.context = 1024});
  nibble::session large(nibble::any_model::load(argv[2], on_threads), {.context = 1024});
  std::size_t handed_on = 0;
  for (const std::string question : {"Once upon a time there was", "The capital of France is", "What is 17 times 23?"}) {
    reply r = ask(small, question);
    std::cout << question << "\n  small, " << r.mean_logprob << ": " << r.text << '\n';
    if (r.mean_logprob >= least) continue;
    r = ask(large, question);
    std::cout << "  large, " << r.mean_logprob << ": " << r.text << '\n';
    ++handed_on;
  }
  std::cout << "[" << handed_on << " of 3 handed on]\n";
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
