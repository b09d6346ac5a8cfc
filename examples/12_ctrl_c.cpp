// Ctrl-C ends the reply, within a layer and in the prompt too, and not the program; a second one ends the program.
//
//     12_ctrl_c model.gguf ["prompt"] [tokens]        tokens: a Ctrl-C of its own, after so many
#include <atomic>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>

#include "arguments.hpp"

// A signal handler may do little, but it may set a flag: the call looks at it.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_interrupt(int) {
  interrupted = true;
  std::signal(SIGINT, SIG_DFL);
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 12_ctrl_c MODEL.gguf [PROMPT] [TOKENS]\n";
    return 2;
  }
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model);

  std::signal(SIGINT, on_interrupt);
  const nibble::stop_token cancel(interrupted);

  std::size_t left = argc > 3 ? argument<std::size_t>("TOKENS", argv[3], 0, SIZE_MAX) : 0;
  auto reason = nibble::finish::none;
  while (reason != nibble::finish::cancelled) {  // one text after the other
    auto reply = session.generate(argc > 2 ? argv[2] : "Once upon a time", {.max_tokens = 100, .cancel = cancel});
    for (auto& event : reply) {
      std::cout << event.text << std::flush;
      if (left > 0 && --left == 0) std::raise(SIGINT);
    }
    reason = reply.reason();
    if (reason != nibble::finish::cancelled) session.reset();
  }
  // the session ends with the last token that was shown, and can go on
  std::cout << "\n[" << name_of(reason) << " at " << session.position() << " tokens]\n";
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
