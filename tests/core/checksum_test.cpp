#include "nibble/core/checksum.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <set>
#include <span>
#include <vector>

#include "nibble/core/rng.hpp"

using nibble::detail::checksum;
using nibble::detail::running_checksum;

namespace {
std::vector<std::byte> some_bytes(std::size_t count) {
  nibble::rng random(count);
  std::vector<std::byte> out(count);
  for (auto& b : out) b = static_cast<std::byte>(random.uniform() * 256);
  return out;
}
}  // namespace

TEST_CASE("a byte that changes, in any place, changes the sum, and so does a byte more") {
  std::set<std::uint64_t> sums;
  auto bytes = some_bytes(37);
  for (std::size_t size = 0; size <= bytes.size(); ++size) sums.insert(checksum(std::span(bytes).first(size)));
  for (auto& b : bytes) {
    b ^= std::byte{4};
    sums.insert(checksum(bytes));
    b ^= std::byte{4};
  }
  CHECK(sums.size() == 38 + 37);
}

TEST_CASE("bytes that come in parts have the sum of the whole") {
  nibble::rng random(1);
  for (std::size_t size = 0; size < 70; ++size) {
    const auto bytes = some_bytes(size);
    for (int round = 0; round < 8; ++round) {
      running_checksum sum(size);
      for (std::span<const std::byte> rest(bytes); !rest.empty();) {
        const auto count = static_cast<std::size_t>(random.uniform() * double(rest.size() + 1));
        sum.add(rest.first(count));
        rest = rest.subspan(count);
      }
      CHECK(sum.sum() == checksum(bytes));
    }
  }
}
