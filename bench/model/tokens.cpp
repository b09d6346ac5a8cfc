// The ids of a text, without those that begin and end it.
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "command.hpp"
#include "nibble/text/tokenizer.hpp"

namespace bench {

void tokens(const arguments& a) {
  const auto words = nibble::tokenizer::load(a.model);
  std::ifstream text_file(a.input, std::ios::binary);
  if (!text_file) throw std::runtime_error(a.input.string() + ": cannot be read");
  const std::string text{std::istreambuf_iterator<char>(text_file), {}};
  std::ofstream out(a.output, std::ios::binary);
  out << nlohmann::json(words.encode(text, {.special = a.special, .bos = false, .eos = false}));
  if (!out.flush()) throw std::runtime_error(a.output.string() + ": cannot be written");
}

}  // namespace bench
