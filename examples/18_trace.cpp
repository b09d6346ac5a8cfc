// Where the time of a step goes: an observer is a part of the model's type, and a model without one pays nothing for it. This
// one writes a trace, to be opened in ui.perfetto.dev or chrome://tracing.
//
//     18_trace model.gguf [trace.json]
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <nibble/nibble.hpp>
#include <string>
#include <vector>

namespace {
using clock = std::chrono::steady_clock;
double microseconds(clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

/// Keeps what it is shown. Sessions call it on their own threads; here there is one.
struct recorder {
  struct span {
    nibble::operation_event event;
    clock::time_point end;
  };
  std::vector<span>* spans = nullptr;

  void operator()(const nibble::operation_event& event) const { spans->push_back({event, clock::now()}); }
};
}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 18_trace MODEL.gguf [TRACE.json]\n";
    return 2;
  }
  const std::string path = argc > 2 ? argv[2] : "trace.json";
  std::vector<recorder::span> spans;
  spans.reserve(1 << 16);
  const auto begin = clock::now();
  auto model = nibble::model<nibble::arch::gemma3, nibble::kv_cache<>, recorder>::load(argv[1], {}, recorder{&spans});
  nibble::session session(model);
  for (auto& event : session.generate("Once upon a time", {.max_tokens = 16})) std::cout << event.text;

  std::map<std::string, double> total;
  std::ofstream file(path);
  file << "[\n";
  for (const auto& [event, end] : spans) {
    const std::string name(name_of(event.what));
    total[name] += microseconds(event.time);
    file << (&event == &spans.front().event ? "" : ",\n") << "{\"name\":\"" << name
         << "\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":" << microseconds(end - event.time - begin)
         << ",\"dur\":" << microseconds(event.time) << ",\"args\":{\"layer\":" << event.layer << ",\"tokens\":" << event.tokens
         << "}}";
  }
  file << "\n]\n";
  std::cout << "\n\n";
  for (const auto& [name, time] : total) std::cout << name << ' ' << time / 1000 << " ms\n";
  std::cout << "[" << spans.size() << " operations in " << path << "]\n";
  return file.good() ? 0 : 1;
} catch (const nibble::error& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
