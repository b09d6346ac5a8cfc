/// SHA-256 of bytes, for comparing with the sums that other tools write.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nibble_test {

/// The first 32 bits of the fraction of a prime's square or cube root, by integer arithmetic.
inline std::uint32_t fraction_of_root(std::uint64_t prime, int power) {
  std::uint64_t low = 0, high = std::uint64_t{1} << 36;  // the root, times 2^32
  while (high - low > 1) {
    const std::uint64_t middle = (low + high) / 2;
    long double value = 1;
    for (int i = 0; i < power; ++i) value *= static_cast<long double>(middle) / 4294967296.0L;
    (value <= static_cast<long double>(prime) ? low : high) = middle;
  }
  return static_cast<std::uint32_t>(low);
}

/// As 64 hexadecimal digits.
/// @source  FIPS 180-4
inline std::string sha256(std::span<const std::byte> bytes) {
  std::array<std::uint32_t, 64> constants{};
  std::array<std::uint32_t, 8> state{};
  std::size_t primes = 0;
  for (std::uint64_t candidate = 2; primes < 64; ++candidate) {
    bool prime = true;
    for (std::uint64_t d = 2; d * d <= candidate; ++d) prime = prime && candidate % d != 0;
    if (!prime) continue;
    if (primes < 8) state[primes] = fraction_of_root(candidate, 2);
    constants[primes++] = fraction_of_root(candidate, 3);
  }

  std::vector<std::byte> padded(bytes.begin(), bytes.end());
  padded.push_back(std::byte{0x80});
  while (padded.size() % 64 != 56) padded.push_back(std::byte{0});
  for (int i = 7; i >= 0; --i) padded.push_back(static_cast<std::byte>((std::uint64_t{bytes.size()} * 8) >> (8 * i)));

  for (std::size_t block = 0; block < padded.size(); block += 64) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t i = 0; i < 64; ++i) w[i / 4] = w[i / 4] << 8 | std::to_integer<std::uint32_t>(padded[block + i]);
    for (std::size_t i = 16; i < 64; ++i) {
      const std::uint32_t a = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
      const std::uint32_t b = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::uint32_t one =
          h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + w[i];
      const std::uint32_t two = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
    }
    const std::array<std::uint32_t, 8> change = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) state[i] += change[i];
  }
  std::string hex;
  for (const std::uint32_t word : state)
    for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(word >> shift) & 15];
  return hex;
}

}  // namespace nibble_test
