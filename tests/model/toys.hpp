/// Toy architectures, one for each seam that architectures to come need, a toy format, their files, and how tests run them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/model.hpp"
#include "nibble/quant/encode.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"

namespace nibble_test {
using namespace nibble;
using floats = std::vector<float>;

// ---- toys ------------------------------------------------------------------------------------------------------------------

/// A mixer with a recurrent state: s' = s / 2 + v, out = o s', with v and o of attention's tensors.
class leaky_sum {
 public:
  leaky_sum(const arch::decoder_config& c, std::size_t layer, tensor_source& t)
      : v_(t.matrix(arch::layer_prefix(layer) + "attn_v.weight", c.layer[layer].kv_heads * c.layer[layer].value_dim, c.width)),
        o_(t.matrix(arch::layer_prefix(layer) + "attn_output.weight", c.width,
                    c.layer[layer].heads * c.layer[layer].value_dim)) {
    for (const char* name : {"attn_q.", "attn_k."}) t.ignore(arch::layer_prefix(layer) + name);
  }
  kv_shape keeps() const noexcept { return {.state = v_.rows()}; }

  void forward(step& s, std::size_t layer, const arch::step_context&, const layer_input& x, const step_rows& rows,
               layer_output out) const noexcept {
    const scratch_scope scope(s);
    const activations v = s.scratch(v_.rows()), sums = s.scratch(o_.columns());
    linear(s, x, {{v_, v}});
    s.for_each(s.all().runs.size(), [&](std::size_t i) {
      const auto runs = s.all().runs;
      const token_run& run = runs[i];
      const auto state = s.state(layer, run);
      std::copy(state.before.begin(), state.before.end(), state.after.begin());
      for (std::size_t t = run.first; t < run.first + run.count; ++t) {
        for (std::size_t k = 0; k < v_.rows(); ++k) state.after[k] = state.after[k] * 0.5f + v.row(t)[k];
        for (std::size_t k = 0; k < o_.columns(); ++k) sums.row(t)[k] = state.after[k % v_.rows()];
      }
    });
    linear(s, s.pick(rows, sums), {{o_, out}});
  }

 private:
  weight v_, o_;
};

/// Attention and recurrence by turns.
struct hybrid : arch::decoder<type_list<arch::self_attention, leaky_sum>> {
  static constexpr std::string_view name = "hybrid";
  using decoder::decoder;
  static config read(hyperparameters& h) {
    config c = config::read(h);
    for (std::size_t i = 0; i < c.layers; ++i) c.layer[i].mixer = i % 2;
    return c;
  }
};

/// Every layer has four experts, of which a token uses two.
struct mixture : arch::decoder<type_list<arch::self_attention>, type_list<arch::expert_feed_forward>> {
  static constexpr std::string_view name = "mixture";
  using decoder::decoder;
  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.experts = 4;
    c.router = {.used = 2, .renormalized = true};
    return c;
  }
};

/// Every token sees every other.
struct encoder : arch::decoder<> {
  static constexpr std::string_view name = "encoder";
  using decoder::decoder;
  static config read(hyperparameters& h) {
    config c = config::read(h);
    for (arch::layer_config& l : c.layer) l.mask = attention_mask::everything();
    return c;
  }
};

/// Four-bit codes of a table, one scale a block of 32.
struct table4 {
  static constexpr std::string_view name = "TABLE4";
  static constexpr auto type = static_cast<tensor_type>(1001);
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = 128;
  static constexpr std::array<std::int8_t, 16> codebook{-120, -90, -70, -50, -35, -20, -10, -3, 3, 10, 20, 35, 50, 70, 90, 120};
  using scales = block_scale;
  struct block {
    half d;
    std::array<std::uint8_t, 16> low;
  };
  static void codes(const block& stored, std::span<std::uint8_t, 32> out) noexcept {
    nibble::detail::split_nibbles<16>(stored.low, out);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 32> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    nibble::detail::join_nibbles<16>(code, out.low);
  }
  static void decode(const block& stored, std::span<float, 32> out) noexcept {
    nibble::detail::decode_codes<table4>(stored, out);
  }
  static void encode(std::span<const float, 32> values, const encode_hint& hint, block& out) noexcept {
    nibble::detail::encode_codes<table4>(values, hint, out);
  }
};
static_assert(sizeof(table4::block) == 18 && integer_format<table4>);

// ---- files -----------------------------------------------------------------------------------------------------------------

/// The golden llama's tensors as another architecture's file, after `change`.
template <class Change>
std::vector<std::byte> file_of(std::string_view architecture, Change&& change) {
  model_parts parts(golden("models/llama.gguf"));
  metadata meta;
  for (const auto& [key, v] : parts.meta) {
    meta.set(key.starts_with("llama.") ? std::string(architecture) + key.substr(5) : key, v);
  }
  meta.set("general.architecture", value(architecture));
  parts.meta = std::move(meta);
  change(parts);
  return parts.bytes();
}
inline std::vector<std::byte> file_of(std::string_view architecture) {
  return file_of(architecture, [](auto&) {});
}

/// The golden's feed-forwards as stacks of four experts, each with its rows or columns turned a little, and a router.
inline void make_experts(model_parts& parts) {
  std::vector<model_parts::tensor> added;
  for (auto& t : parts.tensors) {
    if (t.name.find("ffn_gate.") == std::string::npos && t.name.find("ffn_up.") == std::string::npos &&
        t.name.find("ffn_down.") == std::string::npos) {
      continue;
    }
    auto stack = t;
    stack.name.replace(stack.name.find(".weight"), 7, "_exps.weight");
    stack.dims.push_back(4);
    stack.data.clear();
    for (std::size_t e = 0; e < 4; ++e) {
      const std::size_t by = e * t.data.size() / 8 / 64 * 64;
      stack.data.insert(stack.data.end(), t.data.begin() + std::ptrdiff_t(by), t.data.end());
      stack.data.insert(stack.data.end(), t.data.begin(), t.data.begin() + std::ptrdiff_t(by));
    }
    if (t.name.find("ffn_gate.") != std::string::npos) {
      auto router = t;
      router.name.replace(router.name.find("ffn_gate."), 9, "ffn_gate_inp.");
      router.dims[1] = 4;
      router.data.resize(t.data.size() / std::size_t(t.dims[1]) * 4);
      added.push_back(std::move(router));
    }
    added.push_back(std::move(stack));
  }
  std::erase_if(parts.tensors, [](const auto& t) {
    return t.name.find("ffn_gate.") != std::string::npos || t.name.find("ffn_up.") != std::string::npos ||
           t.name.find("ffn_down.") != std::string::npos;
  });
  for (auto& t : added) parts.tensors.push_back(std::move(t));
}

// ---- running ---------------------------------------------------------------------------------------------------------------

inline std::vector<token> some_tokens(std::size_t count, std::size_t from = 0) {
  std::vector<token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + (from + i) * 7919 % 500));
  return out;
}
inline evaluator evaluator_of(const any_model& model, session_options options = {}) {
  if (options.context == 0) options.context = 200;
  return evaluator::try_create(model, options).value();
}
inline floats row_after(evaluator& e, std::span<const token> ids) {
  REQUIRE(e.feed(ids) == feed_outcome::done);
  return {e.logits().begin(), e.logits().end()};
}
/// The logits after some tokens, in a sequence of their own.
inline floats fresh(const any_model& model, std::span<const token> ids) {
  auto e = evaluator_of(model);
  return row_after(e, ids);
}
/// The logits after twenty tokens of a model in memory, and of a golden.
inline floats logits_of(std::span<const std::byte> bytes) {
  const auto model = any_model::try_load(bytes, {.threads = 1});
  if (!model) INFO(model.failure().what());
  REQUIRE(model);
  return fresh(*model, some_tokens(20));
}
inline floats logits_of(const char* file) { return logits_of(read_all(golden(file))); }
/// Any threads and any chunks give the same bits: the logits after 100 tokens.
template <class Model>
floats check_bits(std::span<const std::byte> bytes) {
  const auto ids = some_tokens(100);
  floats expected;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const auto model = Model::load(bytes, {.threads = threads});
    for (const std::size_t chunk : {1u, 7u, 64u, 128u}) {
      auto e = evaluator_of(model, {.prefill_chunk = chunk});
      const auto found = row_after(e, ids);
      if (expected.empty()) expected = found;
      CHECK(found == expected);
    }
  }
  return expected;
}

}  // namespace nibble_test
