// A weight format of your own: a struct with a block, a decoder and an encoder. This one has a power of two for a scale, so a
// block of 32 weights is 17 bytes. Since it is made of parts that the kernels know, integer_format holds for it, and a model
// whose weights have it loads and speaks (nonsense, for they are random).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <nibble/nibble.hpp>
#include <random>

#include "random_model.hpp"

struct q4_shift {
  static constexpr std::string_view name = "Q4_SHIFT";
  static constexpr auto type = static_cast<nibble::tensor_type>(1000);  // any number that no other format has
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = 8;
  using scales = nibble::block_scale;
  struct block {
    std::int8_t exponent;
    std::array<std::uint8_t, 16> pair;  // codes of columns 2 i and 2 i + 1
  };

  static void codes(const block& stored, std::span<std::uint8_t, 32> out) noexcept {
    for (std::size_t i = 0; i < 32; ++i) out[i] = stored.pair[i / 2] >> (i % 2 * 4) & 15;
  }
  static scales read_scales(const block& stored) noexcept { return {nibble::to_half(std::ldexp(1.0f, stored.exponent))}; }
  static void pack(std::span<const std::uint8_t, 32> code, const scales& s, block& out) noexcept {
    out.exponent = std::int8_t(std::ilogb(float(s.d)));
    for (std::size_t i = 0; i < 16; ++i) out.pair[i] = std::uint8_t(code[2 * i] | code[2 * i + 1] << 4);
  }
  static void decode(const block& stored, std::span<float, 32> out) noexcept {
    for (std::size_t i = 0; i < 32; ++i)
      out[i] = std::ldexp(float(stored.pair[i / 2] >> (i % 2 * 4) & 15) - zero_point, stored.exponent);
  }
  // The values of a file can be anything: a NaN counts as 0 here, and what is too large takes the largest code.
  static void encode(std::span<const float, 32> values, const nibble::encode_hint&, block& out) noexcept {
    float most = 0x1p-20f;
    for (const float v : values) most = std::fmax(most, std::fmin(std::abs(v), 65504.0f));
    out.exponent = std::int8_t(std::clamp(int(std::ceil(std::log2(most / 7.5f))), -24, 12));
    out.pair.fill(0);
    for (std::size_t i = 0; i < 32; ++i) {
      const float level = std::isnan(values[i]) ? 0 : std::round(std::ldexp(values[i], -out.exponent));
      out.pair[i / 2] = std::uint8_t(out.pair[i / 2] | int(std::clamp(level + zero_point, 0.0f, 15.0f)) << (i % 2 * 4));
    }
  }
};
static_assert(sizeof(q4_shift::block) == 17 && nibble::integer_format<q4_shift>);

// Encodes and decodes gaussian weights, and prints the root mean square error in units of theirs.
template <nibble::quant_format Q>
void show_error() {
  std::mt19937 random(1);
  std::normal_distribution<float> gaussian;
  double error = 0, power = 0;
  for (std::size_t b = 0; b < 100'000 / Q::block_size; ++b) {
    std::array<float, Q::block_size> before, after;
    for (float& v : before) v = gaussian(random);
    typename Q::block stored;
    Q::encode(before, {}, stored);
    Q::decode(stored, after);
    for (std::size_t i = 0; i < Q::block_size; ++i)
      error += std::pow(before[i] - after[i], 2.0), power += before[i] * before[i];
  }
  std::cout << Q::name << ": " << 8.0 * sizeof(typename Q::block) / Q::block_size << " bits a weight, error "
            << 100 * std::sqrt(error / power) << "%\n";
}

using my_formats = nibble::append<nibble::quant_formats, q4_shift>;

int main() {
  nibble::any_type(my_formats{}, []<class Q>(std::type_identity<Q>) { return show_error<Q>(), false; });

  auto model = nibble::basic_any_model<nibble::architectures, my_formats>::load(random_model<q4_shift>("llama"));
  nibble::session session(model);
  std::cout << "a model of " << model.weight_bytes() << " bytes: ";
  for (auto& event : session.generate("hello", {.max_tokens = 48})) std::cout << event.text;
  std::cout << '\n';
}
