// What a chat template writes of the values in a JSON file.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "command.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/template/jinja_template.hpp"

namespace bench {

namespace {
std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path.string() + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}
}  // namespace

void render_template(const arguments& a) {
  const auto source = nibble::jinja_template::parse(text_of(a.model));
  const auto values = nibble::json::try_parse(text_of(a.input));
  if (!values) throw std::runtime_error(a.input.string() + ": " + values.failure().what());
  if (!values->is(nibble::json_kind::object))
    throw std::runtime_error(a.input.string() + ": expected an object of values, found " + nibble::detail::described(*values));
  nibble::template_options options;
  if (a.now != 0) options.now = a.now;
  std::string out;
  for (const auto& part : source.render(*values, options)) out += part.text;
  std::cout << out << std::flush;
  if (!std::cout) throw std::runtime_error("standard output cannot be written");
}

}  // namespace bench
