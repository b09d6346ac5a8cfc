/// Uses each part of the package: headers, what is compiled once, kernels.
#include <cmath>
#include <cstddef>
#include <iostream>
#include <nibble/nibble.hpp>
#include <vector>

int main() {
  constexpr std::size_t rows = 2, columns = 256;
  std::vector<float> values(rows * columns), again(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(float(i));
  std::vector<std::byte> bytes(nibble::quantized_bytes(nibble::tensor_type::q8_0, rows, columns));
  nibble::quantize_rows(nibble::tensor_type::q8_0, values, rows, columns, {}, bytes);
  nibble::dequantize_rows(nibble::tensor_type::q8_0, bytes, rows, columns, again);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::abs(values[i] - again[i]) > 0.01f) return 1;
  }
  const auto refused = nibble::any_model::try_load(bytes);
  std::cout << "nibble " << nibble::version_text << ", " << nibble::kernels().target << ": " << refused.failure().what()
            << '\n';
}
