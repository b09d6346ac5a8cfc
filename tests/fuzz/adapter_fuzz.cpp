/// Fuzz target: any bytes as an adapter. What is taken says the same to the bit in steps of any length.
///
/// Input that begins with "GGUF" is a file. Anything else is a recipe for one: a LoRA adapter or a control vector, some bytes
/// of which are changed.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/model/adapter.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/smallest_model.hpp"

namespace {

using namespace nibble;
using bytes = std::vector<std::byte>;

void require(bool truth) {
  if (!truth) std::abort();
}

const any_model& model() {
  static const any_model made = any_model::load(nibble_test::smallest_model("llama").bytes(), {.threads = 1});
  return made;
}

bytes lora_file() {
  metadata meta;
  meta.set("general.architecture", value("llama"));
  meta.set("adapter.type", value("lora"));
  meta.set("adapter.lora.alpha", value(4.0f));
  gguf_writer writer(meta);
  rng random(1);
  std::array<std::vector<float>, 2> numbers;
  for (auto& of_factor : numbers) {
    for (int i = 0; i < 3 * 32; ++i) of_factor.push_back(static_cast<float>(random.uniform() - 0.5));
  }
  writer.add("blk.0.attn_q.weight.lora_a", tensor_type::f32, std::array<std::uint64_t, 2>{32, 3},
             std::as_bytes(std::span(numbers[0])));
  writer.add("blk.0.attn_q.weight.lora_b", tensor_type::f32, std::array<std::uint64_t, 2>{3, 32},
             std::as_bytes(std::span(numbers[1])));
  return writer.bytes();
}
bytes vector_file() {
  metadata meta;
  meta.set("general.architecture", value("controlvector"));
  gguf_writer writer(meta);
  const std::vector<float> direction(32, 0.25f);
  writer.add("direction.1", tensor_type::f32, std::array<std::uint64_t, 1>{32}, std::as_bytes(std::span(direction)));
  return writer.bytes();
}

std::vector<float> logits_of(const adapter& with, std::size_t piece) {
  static constexpr std::array<token, 7> text{3, 17, 5, 29, 8, 11, 2};
  auto e = evaluator::try_create(model(), {.context = 16, .output_rows = text.size(), .adapters = {{with, 0.5f}}});
  require(e.has_value());
  std::vector<float> out;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto part = std::span(text).subspan(at, std::min(piece, text.size() - at));
    const auto how = e->feed_each(part, [&](std::size_t, std::span<float> y) { out.insert(out.end(), y.begin(), y.end()); });
    require(how == feed_outcome::done);
  }
  return out;
}

void try_adapter(std::span<const std::byte> input) {
  const auto file = gguf_file::try_parse(input);
  if (!file) return;
  const auto made = adapter::try_load(model(), *file);
  if (!made) return;
  const auto whole = logits_of(*made, 7), pieces = logits_of(*made, 2);
  require(whole.size() == pieces.size() && std::memcmp(whole.data(), pieces.data(), whole.size() * sizeof(float)) == 0);
}

/// Which of both; then up to 16 changes of three bytes each: where, and what comes there.
void try_recipe(std::span<const std::uint8_t> data) {
  static const std::array<bytes, 2> files{lora_file(), vector_file()};
  bytes file = files[data[0] % files.size()];
  for (std::size_t i = 1; i + 3 <= data.size() && i < 1 + 16 * 3; i += 3) {
    const std::size_t at = std::size_t{data[i]} | std::size_t{data[i + 1]} << 8;
    file[at % file.size()] = static_cast<std::byte>(data[i + 2]);
  }
  try_adapter(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("GGUF")) {
    try_adapter(std::as_bytes(std::span(data, size)));
  } else if (size >= 1) {
    try_recipe({data, size});
  }
  return 0;
}
