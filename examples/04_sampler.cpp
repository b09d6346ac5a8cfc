// How the next token is chosen: steps in a chain, steps of your own, and samplers from text.
//
//     04_sampler model.gguf ["penalties=repetition:1.1|top_k=40|temperature=0.8"]
#include <iostream>
#include <nibble/nibble.hpp>
#include <unordered_set>

// a step is any callable on candidates&: this one takes some away
struct ban_tokens {
  std::unordered_set<nibble::token> banned;
  void operator()(nibble::candidates& c) const {
    c.remove_if([&](const nibble::candidate& x) { return banned.contains(x.id); });
  }
};

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: 04_sampler MODEL.gguf [SAMPLER]\n";
    return 2;
  }
  auto model = nibble::any_model::load(argv[1]);

  auto tell = [&](const char* title, nibble::any_sampler sampler) {
    auto session = nibble::session(model);
    std::cout << title << ":\n  ";
    for (auto& event : session.generate("Once upon a time", {.max_tokens = 32, .sampler = std::move(sampler), .seed = 7}))
      std::cout << event.text << std::flush;
    std::cout << "\n\n";
  };

  tell("greedy", nibble::any_sampler::greedy());
  tell("the usual chain", nibble::top_k{40} | nibble::top_p{0.95f} | nibble::temperature{0.8f});

  // steps run from left to right; a lambda is one too, and may ask for the tokens so far and the random numbers
  auto no_repeat = [](nibble::candidates& c, nibble::sample_context& context) {
    if (context.recent.empty()) return;
    if (float* logit = c.find(context.recent.back())) *logit -= 5.0f;
  };
  tell("with steps of our own", ban_tokens{{13, 42}} | nibble::top_k{100} | no_repeat | nibble::temperature{1.1f});

  // from text, as a command line or a settings file has it
  auto parsed = nibble::try_parse_sampler(argc > 2 ? argv[2] : "penalties=repetition:1.1|top_k=40|temperature=0.8");
  if (!parsed) {
    std::cerr << parsed.failure().what() << '\n';
    return 1;
  }
  tell("from text", *parsed);
}
