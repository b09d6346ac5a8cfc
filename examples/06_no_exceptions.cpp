// Without exceptions: every call that can fail has a try_ twin that returns a result. Builds with -fno-exceptions too.
//
//     06_no_exceptions model.gguf
#include <iostream>
#include <nibble/nibble.hpp>

nibble::result<std::size_t> tell_a_story(const char* path) {
  auto file = nibble::gguf_file::try_open(path);
  if (!file) return std::move(file).failure();

  // what it will take is known to the byte before it is taken, and a cap is kept
  const nibble::session_options options{.context = 256, .prefill_chunk = 64};
  auto plan = nibble::any_model::try_plan(*file, options);
  if (!plan) return std::move(plan).failure();
  std::cout << "weights " << plan->weights << ", tokenizer " << plan->tokenizer << ", cache " << plan->kv << ", all "
            << plan->total() << " bytes\n";

  auto model = nibble::any_model::try_load(*file, {.memory_cap = plan->total()});
  if (!model) return std::move(model).failure();
  auto session = nibble::session::try_create(*model, options);
  if (!session) return std::move(session).failure();

  // a prompt of text cannot fail; how a generation ends is a value
  for (auto& event : session->generate("Once upon a time", {.max_tokens = 32})) std::cout << event.text << std::flush;
  std::cout << '\n';

  // tokens can: these are not in any vocabulary
  const nibble::token nonsense[] = {-1};
  if (auto refused = session->try_generate(nonsense); !refused) std::cout << refused.failure().what() << '\n';
  return session->position();
}

int main(int argc, char** argv) {
  auto tokens = tell_a_story(argc > 1 ? argv[1] : "");
  if (!tokens) {
    std::cerr << tokens.failure().what() << '\n';  // which file, what was expected, what was found
    return tokens.failure().code() == nibble::errc::io ? 2 : 1;
  }
  std::cout << *tokens << " tokens\n";
}
