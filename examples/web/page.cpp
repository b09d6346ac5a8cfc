// A model in a web page: what worker.js calls. Built by tests/wasm.sh.
#include <emscripten.h>

#include <cstddef>
#include <nibble/nibble.hpp>
#include <optional>
#include <string>
#include <vector>

// The module's memory is nobody else's: only its own code names it the same in every version of emscripten.
EM_JS(void, take, (std::byte * to), {
  HEAPU8.set(Module.given, to);
  Module.given = null;
});

namespace {

std::vector<std::byte> file;  // stays as long as the model
std::optional<nibble::any_model> model;
std::optional<nibble::session> session;
std::optional<nibble::generation> reply;
std::optional<nibble::generation::iterator> at;  // the event that comes next
std::string text;                                // what was returned last

const char* say(std::string what) {
  text = std::move(what);
  return text.c_str();
}

}  // namespace

extern "C" {

// The file that the page has put into `given`. Returns what is wrong with it, or an empty text.
EMSCRIPTEN_KEEPALIVE const char* load(std::size_t size) {
  file.resize(size);
  take(file.data());
  auto loaded = nibble::any_model::try_load(file);
  if (!loaded) return say(loaded.failure().what());
  model.emplace(*std::move(loaded));
  session.emplace(*model, nibble::session_options{.context = 512});
  return say("");
}

EMSCRIPTEN_KEEPALIVE void begin(const char* prompt, std::size_t tokens) {
  at.reset();
  reply.emplace(session->generate(prompt, {.max_tokens = tokens}));
}

// The next piece of text; null at the end.
EMSCRIPTEN_KEEPALIVE const char* next() {
  if (at)
    ++*at;
  else
    at.emplace(reply->begin());
  return *at == reply->end() ? nullptr : say(std::string((**at).text));
}

EMSCRIPTEN_KEEPALIVE const char* target() { return nibble::kernels().target; }
}
