// Many conversations in one process: requests that come and go share the steps of a scheduler, within one budget of memory; and
// a session that is forked, saved, and loaded again.
//
//     16_many_conversations model.gguf
#include <filesystem>
#include <future>
#include <iostream>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 16_many_conversations MODEL.gguf\n";
    return 2;
  }
  auto model = nibble::any_model::load(argv[1]);
  const nibble::generate_options options{.max_tokens = 40, .sampler = nibble::top_k{40} | nibble::temperature{0.8f}, .seed = 1};

  // One thread makes the steps, here one of our own; any thread may ask, and read its answer as it grows. Four have the memory
  // of two whole contexts: what is too long for that waits.
  const std::size_t bytes = 2 * model.plan({.context = 512}).kv;
  nibble::scheduler scheduler(model, {.running = 4, .room = {.context = 512, .kv_bytes = bytes}});
  nibble::stop_source stop;
  const auto running = std::async(std::launch::async, [&] { scheduler.run(stop.get_token()); });
  const struct at_end {
    nibble::stop_source stop;
    ~at_end() { stop.request_stop(); }  // and what `running` is waits for the thread
  } stops{stop};
  std::vector<nibble::answer> answers;
  for (const std::string prompt : {"Once upon a time", "My dear Sir,", "It is a truth universally acknowledged, that"})
    answers.push_back(scheduler.submit({.prompt = model.tokenizer().encode(prompt), .options = options}));
  for (auto& answer : answers) {
    while (const auto text = answer.next()) std::cout << *text << std::flush;
    std::cout << "\n[" << name_of(answer.wait()) << "]\n\n";
  }

  // Two endings of one beginning, which is read once: a fork shares the memory of what both have said.
  nibble::session first(model, {.context = 512, .forks = 1});
  for (auto& event : first.generate("It was the best of times,", {.max_tokens = 20})) std::cout << event.text;
  nibble::session second = first.fork();
  for (nibble::session* s : {&first, &second}) {
    std::cout << "\n  ...";
    auto own = options;
    own.seed = s == &first ? 2 : 3;
    for (auto& event : s->generate("", own)) std::cout << event.text;
  }

  // What a session has said and read, as a file: it goes on tomorrow where it stopped.
  const auto file = std::filesystem::temp_directory_path() / "16_many_conversations.session";
  first.save(file);
  nibble::session tomorrow(model, {.context = 512});
  tomorrow.load(file);
  std::filesystem::remove(file);
  std::cout << "\n[" << tomorrow.position() << " tokens, as before: " << std::boolalpha
            << (tomorrow.position() == first.position()) << "]\n";
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
