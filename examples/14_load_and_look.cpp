// Loading with a progress bar and a hard cap on memory, all that can go wrong caught, and how sure the model was.
//
//     14_load_and_look model.gguf [megabytes]
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <new>
#include <nibble/nibble.hpp>
#include <string>

#include "arguments.hpp"

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 14_load_and_look MODEL.gguf [MEGABYTES]\n";
    return 2;
  }
  nibble::load_options options;
  // Weights, and each session with them, take no more than this, or are refused before anything is taken. The cap is on memory,
  // not on addresses: a mapped file has addresses, too, which count where a system limits those (ulimit -v). One
  // that is read has none, and may change or vanish meanwhile.
  options.memory_cap = (argc > 2 ? argument<std::size_t>("MEGABYTES", argv[2], 1, SIZE_MAX >> 20) : 4096) << 20;
  options.access = nibble::file_access::read;
  options.progress = [](std::size_t done, std::size_t total) {
    const std::size_t percent = total ? 100 * done / total : 100;
    std::cerr << "\r[" << std::left << std::setw(25) << std::string(percent / 4, '#') << "] " << percent << '%' << std::flush;
    return true;  // false gives up: errc::cancelled
  };
  auto model = nibble::any_model::load(argv[1], options);
  std::cerr << '\n';
  auto session = nibble::session(model, {.context = 256});

  double sum = 0;
  auto reply = session.generate("Once upon a time", {.max_tokens = 16, .logprobs = true});
  for (auto& event : reply) {
    std::cout << std::fixed << std::setprecision(1) << std::setw(6) << 100 * std::exp(event.logprob) << "%  " << event.text
              << '\n';
    if (event.id != nibble::no_token) sum += event.logprob;
  }
  const std::size_t tokens = reply.stats().generated_tokens;
  if (tokens > 0) std::cout << "perplexity " << std::exp(-sum / double(tokens)) << '\n';
} catch (const nibble::error& e) {  // a file, a setting or the system: a sentence, and a code to branch on
  std::cerr << '\n' << e.what() << '\n';
  return e.code() == nibble::errc::out_of_memory ? 3 : 1;
} catch (const std::bad_alloc&) {  // the system refused a small piece of memory
  std::cerr << "\nout of memory\n";
  return 3;
} catch (const std::exception& e) {  // what your own callbacks and samplers throw passes through
  std::cerr << e.what() << '\n';
  return 1;
}
