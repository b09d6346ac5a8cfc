/// Fuzz target: any bytes as a JSON Schema, compiled and walked. What is accepted can be gone on with, and what ends is JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/text/json.hpp"

namespace {

/// Takes whatever byte is accepted first, in an order that the input chooses.
void walk(const nibble::grammar& g, std::string_view input) {
  nibble::grammar_parser parser(g);
  std::string said;
  for (std::size_t step = 0; step < 40; ++step) {
    const unsigned first = step < input.size() ? static_cast<unsigned char>(input[step]) : 0;
    bool read = false;
    for (unsigned i = 0; i < 256 && !read; ++i) {
      const char byte = static_cast<char>((first + i * 37) & 255);
      read = parser.accept({&byte, 1});
      if (read) said += byte;
    }
    if (!read) {
      if (!parser.may_end()) std::abort();  // a dead end
      break;
    }
    if (parser.may_end() && !nibble::json::try_parse(said)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  nibble::grammar_limits most;
  most.states = 5'000, most.schema_nodes = 500, most.alternatives = 100;
  if (const auto g = nibble::grammar::try_from_schema(text, most)) walk(*g, text);
  return 0;
}
