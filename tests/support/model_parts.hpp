/// model_parts: a model file taken apart, to be changed and put together again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/gguf/reader.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/quant/quantize.hpp"
#include "support/files.hpp"

namespace nibble_test {

struct model_parts {
  struct tensor {
    std::string name;
    nibble::tensor_type type;
    std::vector<std::uint64_t> dims;
    std::vector<std::byte> data;
  };

  std::shared_ptr<std::vector<std::byte>> file;  // what borrowed metadata points into
  nibble::metadata meta;
  std::vector<tensor> tensors;

  explicit model_parts(const std::filesystem::path& path) : file(std::make_shared<std::vector<std::byte>>(read_all(path))) {
    const auto parsed = nibble::gguf_file::parse(*file);
    meta = parsed.meta();
    for (const auto& t : parsed.tensors()) {
      const auto data = parsed.bytes(t);
      tensors.push_back({std::string(t.name), t.type, {t.dims.begin(), t.dims.begin() + t.n_dims}, {data.begin(), data.end()}});
    }
  }

  tensor& at(std::string_view name) {
    for (auto& t : tensors)
      if (t.name == name) return t;
    throw std::out_of_range(std::string(name));
  }
  void remove(std::string_view name) {
    std::erase_if(tensors, [&](const tensor& t) { return t.name == name; });
  }

  /// Gives every matrix whose rows fit another format.
  void recode(nibble::tensor_type type) {
    for (auto& t : tensors) {
      if (t.dims.size() != 2 || t.dims[0] % nibble::find_tensor_type(static_cast<std::uint32_t>(type))->block_size != 0)
        continue;
      const auto columns = static_cast<std::size_t>(t.dims[0]), rows = static_cast<std::size_t>(t.dims[1]);
      std::vector<float> values(rows * columns);
      nibble::dequantize_rows(t.type, t.data, rows, columns, values);
      t.data.resize(*nibble::try_quantized_bytes(type, rows, columns));
      nibble::quantize_rows(type, values, rows, columns, {}, t.data);
      t.type = type;
    }
  }

  std::vector<std::byte> bytes() const {
    nibble::gguf_writer writer(meta);
    for (const auto& t : tensors) writer.add(t.name, t.type, t.dims, t.data);
    return writer.bytes();
  }
};

}  // namespace nibble_test
