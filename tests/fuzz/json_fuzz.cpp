/// Fuzz target: JSON from any bytes. What is read is written, and read again to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "nibble/text/json.hpp"
#include "nibble/text/utf8.hpp"

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = nibble::json::try_parse({reinterpret_cast<const char*>(data), size});
  if (!read) {
    require(std::string_view(read.failure().what()).size() < 500);
    return 0;
  }
  const std::string text = read->text();
  require(nibble::is_utf8(text));
  const auto again = nibble::json::try_parse(text);
  require(again && again->text() == text);
  static_cast<void>(read->real());
  static_cast<void>(read->integer());
  return 0;
}
