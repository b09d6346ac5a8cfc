// Text through a callback, which may stop it; cancelling from another thread; what it cost.
//
//     02_stream_callback model.gguf ["prompt"]
#include <chrono>
#include <iostream>
#include <nibble/nibble.hpp>
#include <thread>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: 02_stream_callback MODEL.gguf [PROMPT]\n";
    return 2;
  }
  auto model = nibble::any_model::load(argv[1]);
  auto session = nibble::session(model);
  const char* prompt = argc > 2 ? argv[2] : "Once upon a time";

  // the callback sees each piece as soon as it is certain; returning false ends the generation
  int sentences = 0;
  auto until_second_sentence = [&](const nibble::token_event& event) {
    std::cout << event.text << std::flush;
    return event.text.find('.') == event.text.npos || ++sentences < 2;
  };
  auto reason = session.generate(prompt, {.max_tokens = 100, .stop = {"\n\n"}}, until_second_sentence);
  std::cout << "\n[" << name_of(reason) << ", " << session.position() << " tokens in the session]\n\n";

  // the session goes on where it stands; here in a thread of its own, which another one stops within a layer
  nibble::stop_source cancel;
  std::thread writer([&] {
    reason = session.generate("", {.max_tokens = 10'000, .cancel = cancel.get_token()},
                              [](const nibble::token_event& event) { std::cout << event.text << std::flush; });
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  cancel.request_stop();
  writer.join();
  std::cout << "\n[" << name_of(reason) << ", " << session.stats().generation_speed() << " tokens/s]\n";
}
