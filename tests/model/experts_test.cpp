/// Experts as files hold them: in stacks, gate and up in one, one tensor an expert; and files whose experts contradict each
/// other.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/toys.hpp"
#include "support/files.hpp"
#include "support/hostile.hpp"
#include "support/model_parts.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
const auto qwen3moe = golden("models/qwen3moe.gguf"), qwen2moe = golden("models/qwen2moe.gguf");
const std::vector<std::string> layers{"blk.0.", "blk.1."};

/// The gates and ups of each layer as one tensor: for each expert, rows of its gate, then of its up.
void fuse(model_parts& parts) {
  for (const auto& at : layers) {
    const auto gate = parts.at(at + "ffn_gate_exps.weight"), up = parts.at(at + "ffn_up_exps.weight");
    auto both = gate;
    both.name = at + "ffn_gate_up_exps.weight";
    both.dims[1] *= 2;
    both.data.clear();
    const auto each = std::ptrdiff_t(gate.data.size() / gate.dims[2]);
    for (std::ptrdiff_t e = 0; e < std::ptrdiff_t(gate.dims[2]); ++e) {
      both.data.insert(both.data.end(), gate.data.begin() + e * each, gate.data.begin() + (e + 1) * each);
      both.data.insert(both.data.end(), up.data.begin() + e * each, up.data.begin() + (e + 1) * each);
    }
    parts.remove(gate.name), parts.remove(up.name);
    parts.tensors.push_back(std::move(both));
  }
}
/// Each stack as a tensor for each expert, in an order that is not theirs.
void take_apart(model_parts& parts) {
  for (const auto& at : layers) {
    for (const std::string kind : {"gate", "up", "down"}) {
      const auto stack = parts.at(at + "ffn_" + kind + "_exps.weight");
      const auto each = std::ptrdiff_t(stack.data.size() / stack.dims[2]);
      for (auto e = std::ptrdiff_t(stack.dims[2]) - 1; e >= 0; --e) {
        auto one = stack;
        one.name = at + "ffn_" + kind + "." + std::to_string(e) + ".weight";
        one.dims.pop_back();
        one.data.assign(stack.data.begin() + e * each, stack.data.begin() + (e + 1) * each);
        parts.tensors.push_back(std::move(one));
      }
      parts.remove(stack.name);
    }
  }
}
template <class Change>
std::vector<std::byte> changed(Change&& change) {
  model_parts parts(qwen3moe);
  change(parts);
  return parts.bytes();
}
}  // namespace

TEST_CASE("gates and ups in one tensor, and one tensor an expert, give the bits of stacks, packed or mapped") {
  const auto ids = some_tokens(70);
  for (const auto type : {tensor_type::f32, tensor_type::q8_0}) {
    const auto recoded = [&](auto&& change) {
      return changed([&](model_parts& parts) {
        for (auto& t : parts.tensors) {
          if (t.name.find("_exps.") == std::string::npos) continue;
          const auto columns = std::size_t(t.dims[0]), rows = t.data.size() / sizeof(float) / columns;
          std::vector<float> values(rows * columns);
          dequantize_rows(t.type, t.data, rows, columns, values);
          t.data.resize(*try_quantized_bytes(type, rows, columns));
          quantize_rows(type, values, rows, columns, {}, t.data);
          t.type = type;
        }
        change(parts);
      });
    };
    const auto stacks = recoded([](auto&) {});
    const auto expected = fresh(any_model::load(stacks), ids);
    for (const auto& bytes : {recoded(fuse), recoded(take_apart)}) {
      CHECK(fresh(any_model::load(bytes), ids) == expected);
      CHECK(fresh(any_model::load(bytes, {.mapped = true}), ids) == expected);
      CHECK(any_model::try_plan(*gguf_file::try_parse(bytes))->weights ==
            any_model::try_plan(*gguf_file::try_parse(stacks))->weights);
    }
  }
}

TEST_CASE("progress of a mapped load counts each expert's tensor, and cancelling it ends the load there") {
  const auto bytes = changed(take_apart);
  std::size_t experts = 0;
  const auto file = gguf_file::parse(bytes);
  for (const auto& t : file.tensors()) experts += std::count(t.name.begin(), t.name.end(), '.') == 4;
  REQUIRE(experts > 12);
  std::size_t calls = 0, give_up = std::size_t(-1);
  const auto load = [&] {
    calls = 0;
    return any_model::try_load(
        bytes, {.threads = 1, .mapped = true, .progress = [&](std::size_t, std::size_t) { return calls++ < give_up; }});
  };
  REQUIRE(load());
  CHECK(calls >= experts);
  give_up = calls / 2;
  const auto cancelled = load();
  REQUIRE(!cancelled);
  CHECK(cancelled.failure().code() == errc::cancelled);
  CHECK(calls == give_up + 1);
}

TEST_CASE("an expert's tensor that is missing, of another shape or of another format is refused") {
  const auto apart = [](auto&& change) {
    const auto bytes = changed([&](model_parts& parts) { take_apart(parts), change(parts); });
    const auto loaded = any_model::try_load(bytes, {.threads = 1});
    return loaded ? std::string() : std::string(loaded.failure().what());
  };
  CHECK(apart([](auto&) {}).empty());
  CHECK(apart([](auto& m) { m.remove("blk.1.ffn_up.3.weight"); }) == "blk.1.ffn_up.3.weight: the tensor is missing");
  CHECK(apart([](auto& m) { drop_last_row(m.at("blk.1.ffn_up.3.weight")); }) ==
        "blk.1.ffn_up.3.weight: expected (32, 64), found (31, 64)");
  CHECK(apart([](auto& m) {
          auto& t = m.at("blk.1.ffn_up.3.weight");
          t.type = tensor_type::f16, t.data.resize(t.data.size() / 2);
        }) == "blk.1.ffn_up.3.weight: expected the format of its first, F32");
  CHECK(apart([](auto& m) {
          m.tensors.push_back(m.at("blk.0.ffn_up.0.weight")), m.tensors.back().name = "blk.0.ffn_up.6.weight";
        }).find("does not read this tensor") != std::string::npos);
}

TEST_CASE("gates and ups in one tensor of other rows, or beside those apart, are refused") {
  const auto fused = [](auto&& change) {
    const auto bytes = changed([&](model_parts& parts) { fuse(parts), change(parts); });
    const auto loaded = any_model::try_load(bytes, {.threads = 1});
    return loaded ? std::string() : std::string(loaded.failure().what());
  };
  CHECK(fused([](auto&) {}).empty());
  CHECK(fused([](auto& m) {
          auto& t = m.at("blk.0.ffn_gate_up_exps.weight");
          t.dims[1] /= 2, t.data.resize(t.data.size() / 2);
        }) == "blk.0.ffn_gate_up_exps.weight: expected (6, 64, 64), found (6, 32, 64)");
  CHECK(fused([](auto& m) {
          m.tensors.push_back(m.at("blk.0.ffn_down_exps.weight"));
          m.tensors.back().name = "blk.0.ffn_up_exps.weight";
        }).find("blk.0.ffn_up_exps.weight: qwen3moe does not read this tensor") != std::string::npos);
}

TEST_CASE("groups of experts that do not divide them, or have too few for a token, are refused") {
  const auto u32 = [](std::uint32_t n) { return value(n); };
  const auto groups = [&](std::uint32_t count, std::uint32_t used, const std::string& sentence) {
    return hostile{"groups",
                   [=](model_parts& m) {
                     m.meta.set("qwen3moe.expert_group_count", value(count));
                     m.meta.set("qwen3moe.expert_group_used_count", value(used));
                   },
                   errc::bad_value, sentence};
  };
  check(qwen3moe, {groups(4, 2, "expected a divisor of the 6 experts"), groups(6, 1, "1 groups have the 2 that a token uses"),
                   groups(3, 4, "expected 1 to 3, found 4"), groups(3, 0, "expected 1 to 3, found 0"),
                   groups(65, 1, "expected 0 to 64, found 65"),
                   set("qwen3moe.expert_group_count", u32(3), errc::missing_key, "expert_group_used_count' is missing"),
                   set("qwen3moe.expert_gating_func", u32(4), errc::bad_value, "expected 0 to 3, found 4")});
}

TEST_CASE("a shared expert that is missing, of other sizes, wider than any may be, or without its gate is refused") {
  const auto u32 = [](std::uint32_t n) { return value(n); };
  check(qwen2moe, {without_tensor("blk.0.ffn_gate_inp_shexp.weight"),
                   without_tensor("blk.0.ffn_down_shexp.weight"),
                   set("qwen2moe.expert_shared_feed_forward_length", u32(64), errc::shape_mismatch,
                       "blk.0.ffn_gate_shexp.weight: expected (64, 64), found (48, 64)"),
                   set("qwen2moe.expert_shared_feed_forward_length", u32(262145), errc::bad_value, "expected 0 to 262144"),
                   {"many",
                    [](model_parts& m) {
                      m.meta.erase("qwen2moe.expert_shared_feed_forward_length");
                      m.meta.set("qwen2moe.expert_shared_count", value(1024));
                      m.meta.set("qwen2moe.expert_feed_forward_length", value(262144));
                    },
                    errc::bad_value, "expected experts that are no wider than 262144 together, found 1024"}});
}

namespace {
/// Experts and one that all tokens share, which read the residual itself; branches are added to it as they are, or by way of
/// room of their own.
template <bool Directly>
struct without_norm : arch::decoder<type_list<arch::self_attention>, type_list<arch::expert_feed_forward>> {
  static constexpr std::string_view name = "without_norm";
  using decoder::decoder;
  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.feed_forward_norm = "";
    c.experts = 4, c.shared_hidden = c.layer[0].hidden;
    c.router = {.used = 2, .renormalized = true};
    if (!Directly) c.residual_scale = 2;
    return c;
  }
};
void make_shared_expert(model_parts& parts) {
  parts.recode(tensor_type::f32);
  for (const auto& at : layers) {
    for (const std::string kind : {"ffn_gate", "ffn_up", "ffn_down"}) {
      auto t = parts.at(at + kind + ".weight");
      t.name = at + kind + "_shexp.weight";
      parts.tensors.push_back(std::move(t));
    }
    parts.remove(at + "ffn_norm.weight");
  }
  make_experts(parts);
}
/// Branches of half the size.
void halve(model_parts& parts) {
  for (auto& t : parts.tensors) {
    if (t.name.find("attn_output") == std::string::npos && t.name.find("ffn_down") == std::string::npos) continue;
    auto* x = reinterpret_cast<float*>(t.data.data());
    for (std::size_t i = 0; i < t.data.size() / sizeof(float); ++i) x[i] /= 2;
  }
}
}  // namespace

TEST_CASE("an expert that all share reads what the others read, and not what they have added to it") {
  const auto ids = some_tokens(20);
  const auto found = fresh(model<without_norm<true>>::load(file_of("without_norm", make_shared_expert)), ids);
  const auto expected = fresh(model<without_norm<false>>::load(file_of("without_norm",
                                                                       [](auto& parts) {
                                                                         make_shared_expert(parts);
                                                                         halve(parts);
                                                                       })),
                              ids);
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-3));
  check_bits<model<without_norm<true>>>(file_of("without_norm", make_shared_expert));
}
