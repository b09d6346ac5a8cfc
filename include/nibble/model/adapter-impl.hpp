/// Definitions of model/adapter.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/core/checksum.hpp"
#include "nibble/core/heap_bytes.hpp"
#include "nibble/kernels/format_info.hpp"
#include "nibble/layers/low_rank.hpp"
#include "nibble/model/adapter.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/loaded_model.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// What an adapter is made of. The factors stand in one memory.
struct loaded_adapter {
  any_model model;  // whose weights the factors name
  aligned_buffer memory = {};
  std::vector<low_rank_factors> factors = {};
  std::vector<float> directions = {};  // (layers, width)
  std::uint64_t fingerprint = 0;
};

/// Reads an adapter. Sizes are those of tensors in a file that was validated, so nothing here is larger than a few times it.
class adapter_reader {
 public:
  adapter_reader(const any_model& model, const loaded_model& loaded, const gguf_file& file)
      : loaded_(loaded), file_(file), made_{model} {}

  result<loaded_adapter> read() {
    const auto architecture = file_.meta().try_get<std::string_view>("general.architecture");
    if (!architecture) return architecture.failure();
    NIBBLE_TRY(*architecture == "controlvector" ? read_directions() : read_factors(*architecture));
    return std::move(made_);
  }

 private:
  /// One pair: what it names in the model, and its tensors.
  struct pair {
    std::string_view base;
    const tensor_info *a, *b;
    std::span<const placed_matrix> parts;  // of the tensor, which a model may have taken apart
  };

  result<void> read_factors(std::string_view architecture) {
    NIBBLE_TRY(check_kind(architecture));
    auto pairs = find_pairs();
    if (!pairs) return std::move(pairs).failure();
    const auto alpha = file_.meta().try_get<float>("adapter.lora.alpha");
    if (!alpha && alpha.failure().code() != errc::missing_key) return alpha.failure();
    if (alpha && !std::isfinite(*alpha)) return error(errc::bad_value, "adapter.lora.alpha: expected a finite number");

    if (alpha) made_.fingerprint = checksum(std::as_bytes(std::span(&*alpha, 1)));
    std::size_t bytes = 0;
    for (const pair& p : *pairs) {
      for (const placed_matrix& part : p.parts) bytes = sum_of_sizes(bytes, bytes_of(p, part));
    }
    auto memory = aligned_buffer::try_allocate(bytes);
    if (!memory) return std::move(memory).failure().in("adapter");
    made_.memory = *std::move(memory);
    for (const pair& p : *pairs) {
      const auto rank = static_cast<float>(p.a->dims[1]);
      NIBBLE_TRY(take(p, alpha && *alpha != 0 ? *alpha / rank : 1));
    }
    std::sort(made_.factors.begin(), made_.factors.end(),
              [](const auto& one, const auto& other) { return std::less<>()(one.base, other.base); });
    return {};
  }

  result<void> check_kind(std::string_view architecture) const {
    const auto kind = file_.meta().try_get<std::string_view>("adapter.type");
    if (!kind) return kind.failure();
    if (*kind != "lora") return error(errc::bad_value, "adapter.type: expected lora, found " + detail::quoted(*kind));
    if (architecture != loaded_.architecture_name()) {
      return error(errc::unknown_architecture, "general.architecture: expected " + std::string(loaded_.architecture_name()) +
                                                   ", as the model has it, found " + detail::quoted(architecture));
    }
    if (file_.meta().find("adapter.alora.invocation_tokens")) {
      return error(errc::bad_value,
                   "adapter.alora.invocation_tokens: an adapter that tokens of its own switch on is not supported");
    }
    return {};
  }

  /// The pairs, each of which fits the matrix that it names.
  result<std::vector<pair>> find_pairs() const {
    std::vector<pair> out;
    for (const tensor_info& t : file_.tensors()) {
      if (t.name.ends_with(".lora_b")) {
        const std::string other = std::string(t.name.substr(0, t.name.size() - 1)) + "a";
        if (!file_.find(other)) return error(errc::missing_tensor, detail::quoted(other) + ": the tensor is missing");
        continue;
      }
      if (!t.name.ends_with(".lora_a")) {
        return error(errc::unread_tensor, detail::quoted(t.name) + ": expected pairs of .lora_a and .lora_b");
      }
      const std::string other = std::string(t.name.substr(0, t.name.size() - 1)) + "b";
      pair p{t.name.substr(0, t.name.size() - 7), &t, file_.find(other), {}};
      if (!p.b) return error(errc::missing_tensor, detail::quoted(other) + ": the tensor is missing");
      p.parts = parts_of(p.base);
      if (p.parts.empty()) {
        return error(errc::unread_tensor,
                     detail::quoted(p.base) + ": the model has no matrix of products of this name that can be adapted");
      }
      const placed_matrix& m = p.parts.front();
      NIBBLE_TRY(expect(*p.a, m.columns, p.a->dims[1]));
      NIBBLE_TRY(expect(*p.b, p.a->dims[1], m.rows_of_tensor));
      out.push_back(p);
    }
    if (out.empty()) return error(errc::missing_tensor, "expected pairs of .lora_a and .lora_b, found no tensors");
    return out;
  }
  static result<void> expect(const tensor_info& t, std::uint64_t columns, std::uint64_t rows) {
    if (t.dims[0] == columns && t.dims[1] == rows && t.dims[2] == 1 && t.dims[3] == 1) return {};
    return error(errc::shape_mismatch, detail::quoted(t.name) + ": expected (" + std::to_string(columns) + ", " +
                                           std::to_string(rows) + "), found " + t.shape());
  }
  /// The parts of a matrix of products. What stands outside of layers is a table, but for the output.
  std::span<const placed_matrix> parts_of(std::string_view name) const {
    if (!layer_of(name) && name != "output.weight") return {};
    const std::uint64_t sum = checksum(std::as_bytes(std::span(name.data(), name.size())));
    const auto below = [](const placed_matrix& m, std::uint64_t s) { return m.name < s; };
    const auto begin = std::lower_bound(loaded_.matrices.begin(), loaded_.matrices.end(), sum, below);
    auto end = begin;
    while (end != loaded_.matrices.end() && end->name == sum) ++end;
    return std::span(loaded_.matrices)
        .subspan(static_cast<std::size_t>(begin - loaded_.matrices.begin()), static_cast<std::size_t>(end - begin));
  }

  static std::size_t bytes_of(const pair& p, const placed_matrix& part) {
    const auto rank = static_cast<std::size_t>(p.a->dims[1]);
    const std::size_t a = weight::packed_bytes(format_of<f32>, rank, part.columns),
                      b = weight::packed_bytes(format_of<f32>, part.rows, rank);
    return sum_of_sizes(round_up(a, cache_line), round_up(b, cache_line));
  }

  /// Packs both factors for each part of the matrix: a is the same for all, and b's rows are the part's.
  result<void> take(const pair& p, float scale) {
    const auto rank = static_cast<std::size_t>(p.a->dims[1]);
    auto a = numbers(*p.a);
    if (!a) return std::move(a).failure();
    auto b = numbers(*p.b);
    if (!b) return std::move(b).failure();
    for (float& x : *b) x *= scale;
    for (const placed_matrix& part : p.parts) {
      low_rank_factors f{part.data, {}, {}};
      f.a = packed(std::span<const float>(*a), rank, part.columns);
      f.b = packed(std::span<const float>(*b).subspan(part.first * rank, part.rows * rank), part.rows, rank);
      made_.factors.push_back(f);
    }
    return {};
  }
  weight packed(std::span<const float> numbers, std::size_t rows, std::size_t columns) {
    std::byte* const panels = made_.memory.data() + used_;
    const weight stored = weight::stored(format_of<f32>, reinterpret_cast<const std::byte*>(numbers.data()), rows, columns);
    const std::size_t step = format_of<f32>.group_bytes(columns);
    for (std::size_t g = 0; g < stored.groups(); ++g) stored.pack_group(kernels(), g, panels + g * step);
    used_ += round_up(stored.groups() * step, cache_line);
    return weight::packed(format_of<f32>, panels, rows, columns);
  }

  result<void> read_directions() {
    if (!loaded_.takes_directions) {
      return error(errc::unknown_architecture, std::string(loaded_.architecture_name()) + " models take no control vectors");
    }
    if (file_.tensors().empty()) return error(errc::missing_tensor, "expected direction.N, found no tensors");
    const std::size_t layers = loaded_.kv().size(), width = loaded_.width;
    made_.directions.assign(product_of_sizes(layers, width), 0);
    for (const tensor_info& t : file_.tensors()) {
      std::size_t layer = 0;
      const std::string_view number = t.name.starts_with("direction.") ? t.name.substr(10) : std::string_view();
      const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), layer);
      if (number.empty() || failed != std::errc() || end != number.data() + number.size() || layer >= layers) {
        return error(errc::unread_tensor, detail::quoted(t.name) + ": expected direction.N, where N is one of the model's " +
                                              std::to_string(layers) + " layers");
      }
      NIBBLE_TRY(expect(t, width, 1));
      auto direction = numbers(t);
      if (!direction) return std::move(direction).failure();
      std::copy(direction->begin(), direction->end(), made_.directions.begin() + static_cast<std::ptrdiff_t>(layer * width));
    }
    return {};
  }

  /// A tensor as floats, all of them finite.
  result<std::vector<float>> numbers(const tensor_info& t) {
    const format_info* format = find_format(t.type);
    if (!format || !format->compiled()) {
      return error(errc::unknown_format, detail::quoted(t.name) + ": numbers of format " + std::string(name_of(t.type)) +
                                             (format ? ", " + std::string(left_out) : ""));
    }
    std::vector<std::byte> copy;
    const auto bytes = part_of(file_, t, 0, static_cast<std::size_t>(t.bytes), copy);
    if (!bytes) return bytes.failure();
    made_.fingerprint = checksum(std::as_bytes(std::span(&t.type, 1)), made_.fingerprint);
    made_.fingerprint = checksum(*bytes, checksum(std::as_bytes(std::span(t.name)), made_.fingerprint));
    const auto rows = static_cast<std::size_t>(t.rows()), columns = static_cast<std::size_t>(t.cols());
    std::vector<float> out(product_of_sizes(rows, columns));
    const weight stored = weight::stored(*format, bytes->data(), rows, columns);
    for (std::size_t r = 0; r < rows; ++r) stored.decode_row(kernels(), r, out.data() + r * columns);
    if (std::all_of(out.begin(), out.end(), [](float x) { return std::isfinite(x); })) return out;
    return error(errc::bad_value, detail::quoted(t.name) + ": expected finite numbers");
  }

  const loaded_model& loaded_;
  const gguf_file& file_;
  loaded_adapter made_;
  std::size_t used_ = 0;
};
}  // namespace detail

result<adapter> adapter::try_load(const any_model& model, const std::filesystem::path& path, const limits& most) {
  const auto file = gguf_file::try_open(path, most);
  if (!file) return file.failure();
  auto made = try_load(model, *file);
  if (!made) return std::move(made).failure().in(detail::path_text(path));
  return made;
}
result<adapter> adapter::try_load(const any_model& model, const gguf_file& file) {
  auto made = detail::adapter_reader(model, model.loaded(), file).read();
  if (!made) return std::move(made).failure();
  return adapter(std::make_shared<const detail::loaded_adapter>(*std::move(made)));
}

std::size_t adapter::memory_bytes() const noexcept {
  return sizeof *loaded_ + loaded_->memory.size() + detail::heap_bytes(loaded_->factors) +
         detail::heap_bytes(loaded_->directions);
}
std::uint64_t adapter::fingerprint() const noexcept { return loaded_->fingerprint; }
bool adapter::is_of(const detail::loaded_model& model) const noexcept { return &loaded_->model.loaded() == &model; }
active_adapter adapter::active() const noexcept { return {loaded_->factors, loaded_->directions, {}, {}}; }

}  // namespace NIBBLE_ABI
}  // namespace nibble
