/// The definitions behind roofline.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/model/roofline.hpp"
#include "nibble/model/tensor_source.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Bytes of a tensor's matrices in panels; 0 for a format that no kernel knows.
inline std::uint64_t panel_bytes(const tensor_info& t, std::uint64_t rows) noexcept {
  std::size_t group = 0;
  visit_format(t.type, [&]<class Q>(std::type_identity<Q>) { group = group_bytes<Q>(static_cast<std::size_t>(t.cols())); });
  return product_of_sizes(as_size(rows / panel_rows + (rows % panel_rows != 0)), group);
}

/// Whether kernels multiply a format of weights, or of keys, as floats.
inline bool is_float(tensor_type t) noexcept {
  return t == tensor_type::f32 || t == tensor_type::f16 || t == tensor_type::bf16;
}

/// Bytes of one position's keys and values in one layer.
inline std::uint64_t kv_position_bytes(const kv_shape& s, tensor_type format) noexcept {
  std::size_t page = 0;
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format>) {
    if (Format::type == format) page = product_of_sizes(s.heads, kv_page_bytes<Format>(s));
    return Format::type == format;
  });
  return page / page_positions;
}

/// What a step does with the tensors of one file.
class tensor_work {
 public:
  tensor_work(const gguf_file& file, std::span<const kv_shape> kv) : layers_(kv.size()) {
    const std::string prefix(file.meta().get<std::string_view>("general.architecture").value_or(""));
    const auto counts = [&](const char* key, std::uint64_t fallback) {
      auto all = file.meta().try_get_array<std::uint64_t>(prefix + key);
      if (all && !all->empty()) return *std::move(all);
      return std::vector<std::uint64_t>{file.meta().get<std::uint64_t>(prefix + key).value_or(fallback)};
    };
    experts_ = file.meta().get<std::uint64_t>(prefix + ".expert_count").value_or(0);
    used_ = counts(".expert_used_count", experts_);
    for (std::uint64_t& n : used_) n = std::min(n, experts_);
    heads_ = counts(".attention.head_count", 0);
    for (std::size_t i = 0; i < kv.size(); ++i)
      if (kv[i].heads > 0 || kv[i].state > 0) last_keeping_ = i;
    output_ = file.find("output.weight") ? file.find("output.weight") : file.find("token_embd.weight");
  }

  /// Adds what a tensor costs that is multiplied with.
  void add(step_work& w, const tensor_info& t, const step_shape& s) const {
    const std::uint64_t tokens = (is_for_wanted(t) ? s.logits : s.tokens) * s.sequences;
    if (t.n_dims < 2 || tokens == 0 || !is_multiplied(t)) return;
    const std::uint64_t rows = t.rows(), all = is_expert(t) ? std::max<std::uint64_t>(experts_, 1) : 1;
    const std::uint64_t used = is_expert(t) ? at(used_, layer_of(t.name).value_or(0)) : 1;
    const std::uint64_t products = rows * t.cols() * tokens * used / all;
    w.weight_bytes += panel_bytes(t, rows) * std::min(all, used * tokens) / all;
    w.multiply_adds += products;
    if (is_float(t.type)) w.float_multiply_adds += products;
  }

  /// Heads that ask in a layer.
  std::uint64_t heads(std::size_t layer) const noexcept { return at(heads_, layer); }
  /// The first of a step's tokens that asks in a layer.
  std::size_t first_asking(std::size_t layer, const step_shape& s) const noexcept {
    return layer < last_keeping_ ? 0 : s.tokens - std::min(s.logits, s.tokens);
  }

 private:
  static std::uint64_t at(const std::vector<std::uint64_t>& numbers, std::size_t layer) noexcept {
    return numbers[std::min(layer, numbers.size() - 1)];
  }
  /// Whether only tokens go through a matrix whose logits are wanted: that of the output, those behind the last layer that
  /// keeps something, and of this layer all that make nothing that is kept.
  bool is_for_wanted(const tensor_info& t) const noexcept {
    const auto layer = layer_of(t.name);
    if (!layer || *layer != last_keeping_) return layer ? *layer > last_keeping_ : &t == output_;
    const std::string_view name = std::string_view(t.name).substr(t.name.find('.', 4) + 1);
    if (name == "ssm_out.weight") return true;
    constexpr std::string_view makes_kept[] = {"attn_k", "attn_v", "attn_qkv", "ssm_", "shortconv.in_proj"};
    return std::none_of(std::begin(makes_kept), std::end(makes_kept), [&](auto s) { return name.starts_with(s); });
  }
  /// Rows are looked up in tables; blocks behind the layers draft, and take no part in a step.
  bool is_multiplied(const tensor_info& t) const noexcept {
    for (const char* table : {"token_embd.weight", "per_layer_token_embd.weight", "position_embd.weight", "token_types.weight"})
      if (t.name == table) return &t == output_;
    const auto layer = layer_of(t.name);
    return !layer || *layer < layers_;
  }
  /// One tensor of all experts, or one of each, as files before 2024 have them: "blk.0.ffn_up.3.weight".
  static bool is_expert(const tensor_info& t) noexcept {
    const std::string_view name = t.name;
    if (t.n_dims == 3) return name.find("_exps.") != name.npos;
    const std::size_t at = name.find(".ffn_"), dot = at == name.npos ? at : name.find('.', at + 1);
    return dot != name.npos && dot + 1 < name.size() && name[dot + 1] >= '0' && name[dot + 1] <= '9';
  }

  std::size_t layers_, last_keeping_ = 0;
  std::uint64_t experts_;
  std::vector<std::uint64_t> used_, heads_;  // of each layer, or one number for all
  const tensor_info* output_;
};

}  // namespace detail

step_work work_of(const gguf_file& file, std::span<const kv_shape> kv, const step_shape& s) {
  step_work w{.tokens = s.tokens * s.sequences};
  const detail::tensor_work tensors(file, kv);
  for (const tensor_info& t : file.tensors()) tensors.add(w, t, s);
  for (std::size_t layer = 0; layer < kv.size(); ++layer) {
    const kv_shape& k = kv[layer];
    w.kv_bytes += k.state * sizeof(float) * s.sequences;
    const std::size_t window = k.window > 0 ? k.window : s.depth + s.tokens;
    std::uint64_t pairs = 0;  // of a query and a position that it sees
    for (std::size_t t = tensors.first_asking(layer, s) + 1; t <= s.tokens; ++t) pairs += std::min(s.depth + t, window);
    if (k.heads > 0) {
      pairs *= tensors.heads(layer) * s.sequences;
      w.multiply_adds += pairs * (k.key_dim + k.value_dim);
      w.float_multiply_adds += pairs * (k.value_dim + (detail::is_float(s.kv) ? k.key_dim : 0));
    }
    const std::size_t seen = std::min(s.depth + s.tokens, window + s.tokens - 1);
    w.kv_bytes += seen * detail::kv_position_bytes(k, s.kv) * s.sequences;
  }
  return w;
}

step_limit roofline(const step_work& work, const machine_speed& machine) noexcept {
  const double read = double(work.weight_bytes + work.kv_bytes) / machine.bytes_per_second;
  const double fast = machine.multiply_adds_per_second, given = machine.float_multiply_adds_per_second;
  const double multiply = double(work.multiply_adds - work.float_multiply_adds) / fast +
                          double(work.float_multiply_adds) / (given > 0 ? given : fast);
  const double seconds = std::max(read, multiply);
  return {std::chrono::duration<double>(seconds), read >= multiply ? bound::memory : bound::compute,
          double(work.tokens) / seconds};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
