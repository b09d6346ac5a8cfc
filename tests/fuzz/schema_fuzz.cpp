/// Fuzz target: any bytes as a JSON Schema, compiled and walked. What is accepted can be gone on with, what ends is JSON, and
/// no value is of a schema and of its opposite.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/text/json.hpp"

namespace {

using nibble::json;

/// Of a schema within another document, in which it stays what it is.
std::optional<nibble::grammar> opposite(std::string_view text, const nibble::grammar_limits& most) {
  auto read = json::try_parse(text);
  if (!read || !read->is(nibble::json_kind::object) || read->find("$ref")) return std::nullopt;
  if (!read->find("$id")) read->set("$id", "urn:schema");
  auto made = nibble::grammar::try_from_schema(json::object({{"not", *std::move(read)}}), most);
  return made ? std::optional(*std::move(made)) : std::nullopt;
}

/// Takes whatever byte is accepted first, in an order that the input chooses.
void walk(const nibble::grammar& g, const std::optional<nibble::grammar>& other, std::string_view input) {
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
    if (!parser.may_end()) continue;
    if (!json::try_parse(said)) std::abort();
    if (!other) continue;
    nibble::grammar_parser opponent(*other);
    if (opponent.accept(said) && opponent.may_end()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  nibble::grammar_limits most;
  most.states = 5'000, most.schema_nodes = 500, most.alternatives = 100;
  if (const auto g = nibble::grammar::try_from_schema(text, most)) walk(*g, opposite(text, most), text);
  return 0;
}
