// The rows of a tensor as floats: so that anyone can compare what a format's blocks are taken for.
#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "command.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/quant/quantize.hpp"

namespace bench {

void decode(const arguments& a) {
  const auto file = nibble::gguf_file::open(a.model);
  const nibble::tensor_info* tensor = file.find(a.tensor);
  if (!tensor) throw std::runtime_error(a.model.string() + ": there is no tensor '" + a.tensor + "'");
  const auto rows = static_cast<std::size_t>(tensor->rows()), columns = static_cast<std::size_t>(tensor->cols());
  const std::size_t row_bytes = nibble::quantized_bytes(tensor->type, 1, columns);
  const std::size_t at_once = std::max<std::size_t>(1, (std::size_t{1} << 20) / columns);
  std::vector<float> values;
  std::ofstream out(a.output, std::ios::binary);
  for (std::size_t row = 0; row < rows; row += at_once) {
    const std::size_t now = std::min(at_once, rows - row);
    values.resize(now * columns);
    nibble::dequantize_rows(tensor->type, file.bytes(*tensor).subspan(row * row_bytes, now * row_bytes), now, columns, values);
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  if (!out.flush()) throw std::runtime_error(a.output.string() + ": cannot be written");
}

}  // namespace bench
