// The vector that a model makes of ids, or a row for each of them.
#include <bit>
#include <fstream>
#include <stdexcept>

#include "command.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/embedder.hpp"

namespace bench {

void embed(const arguments& a) {
  static_assert(std::endian::native == std::endian::little, "the file holds little-endian floats");
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const auto ids = read_ids(a.input, model.vocabulary());
  auto embedder = nibble::embedder::create(
      model, {.context = ids.size(), .pooling = static_cast<nibble::pooling>(a.pooling), .kv = kv_type(a.kv)});
  std::ofstream file(a.output, std::ios::binary);
  if (!file) throw std::runtime_error(a.output.string() + ": cannot be written");
  const auto numbers = embedder.embed(ids);
  file.write(reinterpret_cast<const char*>(numbers.data()), static_cast<std::streamsize>(numbers.size() * sizeof(float)));
  if (!file.flush()) throw std::runtime_error(a.output.string() + ": cannot be written");
}

}  // namespace bench
