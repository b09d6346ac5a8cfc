/// Fuzz target: any bytes as a GGUF file. Whatever is accepted must be readable to its end, and survive being written again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "nibble/gguf/reader.hpp"
#include "nibble/gguf/writer.hpp"
#include "support/equal.hpp"

namespace {

volatile std::uint64_t kept;  // so that no read is optimised away

void require(bool truth) {
  if (!truth) std::abort();
}

std::uint64_t sum(std::span<const std::byte> bytes) {
  std::uint64_t s = 0;
  for (const auto b : bytes) s += std::to_integer<unsigned>(b);
  return s;
}

template <class T>
std::uint64_t ask(const nibble::value& value) {
  std::uint64_t s = 0;
  if (const auto one = value.try_as<T>()) s += 1;
  if (const auto all = value.try_as_array<T>()) {
    require(all->size() == value.size());
    for (const auto& element : *all) {
      if constexpr (std::is_same_v<T, std::string_view>)
        s += sum(std::as_bytes(std::span(element)));
      else
        s += element != T{};
    }
  }
  return s;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = nibble::gguf_file::try_parse({reinterpret_cast<const std::byte*>(data), size});
  if (!file) {
    kept = kept + std::string_view(file.failure().what()).size();
    return 0;
  }
  nibble::gguf_writer writer(file->meta());
  for (const auto& [key, value] : file->meta()) {
    require(file->meta().find(key) == &value);
    kept = kept + value.type_name().size() + sum(value.bytes()) + ask<bool>(value) + ask<std::int8_t>(value) +
           ask<std::uint64_t>(value) + ask<float>(value) + ask<std::string_view>(value);
  }
  for (const auto& tensor : file->tensors()) {
    require(file->find(tensor.name) == &tensor);
    kept = kept + sum(file->bytes(tensor)) + tensor.shape().size();
    writer.add(tensor.name, tensor.type, std::span(tensor.dims).first(tensor.n_dims), file->bytes(tensor));
  }
  const auto again = writer.try_bytes();
  require(bool(again));
  const auto second = nibble::gguf_file::try_parse(*again);
  require(second && second->meta().size() == file->meta().size() && second->tensors().size() == file->tensors().size());
  for (std::size_t i = 0; i < file->tensors().size(); ++i)
    require(equal(file->bytes(file->tensors()[i]), second->bytes(second->tensors()[i])));
  return 0;
}
