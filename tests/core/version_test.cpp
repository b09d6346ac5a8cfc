#include "nibble/core/version.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

static_assert(nibble::version >= nibble::version_number{0, 1, 0});
static_assert(nibble::version_number{0, 9, 9} < nibble::version_number{1, 0, 0});

TEST_CASE("the version's text and numbers agree") {
  const auto [a, b, c] = nibble::version;
  CHECK(std::string_view(nibble::version_text) == std::to_string(a) + "." + std::to_string(b) + "." + std::to_string(c));
}
