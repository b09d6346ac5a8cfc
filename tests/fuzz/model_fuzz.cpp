/// Fuzz target: any bytes as a model. What loads must load in every way, and say the same to the bit in steps of any length.
///
/// Input that begins with "GGUF" is a file. Anything else is a recipe for one: a small model of a registered architecture, in
/// one of the formats, some of whose bytes are changed: most inputs then come as far as the kernels.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/generate/session.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/embedder.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/registry.hpp"
#include "nibble/quant/registry.hpp"
#include "support/smallest_model.hpp"

namespace {

using namespace nibble;

void require(bool truth) {
  if (!truth) std::abort();
}

/// What is said of a model that loaded: that it asks for more than it may.
void require_too_large(const error& e) { require(e.code() == errc::limit_exceeded || e.code() == errc::out_of_memory); }

constexpr std::size_t most_memory = std::size_t{64} << 20, context = 80;

/// The logits of each token, read in steps of `chunk`; nothing where an evaluator would be too large.
std::vector<float> logits_of(const any_model& model, std::span<const token> ids, std::size_t chunk, tensor_type kv) {
  auto e = evaluator::try_create(model, {.context = context, .prefill_chunk = chunk, .output_rows = chunk, .kv = kv});
  if (!e) return require_too_large(e.failure()), std::vector<float>{};
  std::vector<float> all;
  const auto keep = [&](std::size_t, std::span<float> row) { all.insert(all.end(), row.begin(), row.end()); };
  require(e->feed_each(ids, keep) == feed_outcome::done);
  require(e->position() == ids.size() && all.size() == ids.size() * model.vocabulary());
  return all;
}

/// What a block behind the layers drafts for each token but the first, read in steps of `chunk`; nothing where the file has no
/// such block.
std::vector<float> drafts_of(const any_model& model, std::span<const token> ids, std::size_t chunk, tensor_type kv) {
  session_options options{.context = context, .prefill_chunk = chunk, .output_rows = chunk, .kv = kv};
  options.output = step_output::draft;
  auto drafting = evaluator::try_create(model, options);
  if (!drafting && drafting.failure().code() == errc::invalid_argument) return {};
  if (!drafting) return require_too_large(drafting.failure()), std::vector<float>{};
  options.output = step_output::hidden;
  auto e = evaluator::try_create(model, options);
  if (!e) return require_too_large(e.failure()), std::vector<float>{};
  std::vector<float> hidden, all;
  const auto into = [](std::vector<float>& to) {
    return [&to](std::size_t, std::span<float> row) { to.insert(to.end(), row.begin(), row.end()); };
  };
  require(e->feed_each(ids, into(hidden)) == feed_outcome::done);
  hidden.resize(hidden.size() - model.width());
  require(drafting->draft_each(ids.subspan(1), hidden, into(all)) == feed_outcome::done);
  require(all.size() == (ids.size() - 1) * model.vocabulary());
  return all;
}

/// The same bits, as far as there are both.
bool agree(std::span<const float> a, std::span<const float> b) {
  return a.empty() || b.empty() || (a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

/// Nothing where a session would be too large.
std::optional<std::vector<token>> reply_of(const any_model& model, std::size_t chunk) {
  auto talk = session::try_create(model, {.context = context, .prefill_chunk = chunk});
  if (!talk) return require_too_large(talk.failure()), std::nullopt;
  std::vector<token> ids;
  auto reply = talk->generate("HELLO, ABBA", {.max_tokens = 6});
  for (const auto& event : reply) ids.push_back(event.id);
  require(reply.reason() != finish::none);
  return ids;
}

/// The vectors of some texts, in steps of so many tokens and texts; nothing where an embedder would be too large.
std::vector<float> vectors_of(const any_model& model, std::span<const token> ids, std::size_t texts, tensor_type kv) {
  embedder_options options{.context = std::min(context, model.context()), .texts = texts, .kv = kv};
  auto e = embedder::try_create(model, options);
  if (!e && e.failure().code() == errc::invalid_argument) {  // its file states no pooling
    options.pooling = pooling::mean;
    e = embedder::try_create(model, options);
  }
  if (!e) return require_too_large(e.failure()), std::vector<float>{};
  const std::size_t half = std::min(ids.size(), e->context()) / 2 + 1;
  const std::array<std::span<const token>, 3> parts{ids.first(half), ids.first(1), ids.last(half)};
  std::vector<float> all;
  const auto done =
      e->try_embed_each(parts, [&](std::size_t, std::span<float> x) { all.insert(all.end(), x.begin(), x.end()); });
  require(done.has_value());
  return all;
}
/// Models of vectors: the same bits, however texts come together.
void try_vectors(const any_model& model, const any_model& other, std::span<const token> ids, tensor_type kv) {
  const auto refused = session::try_create(model, {.context = context});
  require(!refused);
  const auto expected = vectors_of(model, ids, 1, kv);
  require(agree(vectors_of(other, ids, 2, kv), expected));
  require(agree(vectors_of(model, ids, 8, kv), expected));
}

void try_model(std::span<const std::byte> bytes, tensor_type kv) {
  inline_executor here;
  const load_options copied{.executor = executor_ref(here), .memory_cap = most_memory};
  load_options mapped = copied;
  mapped.mapped = true;
  const auto model = any_model::try_load(bytes, copied);
  const auto other = any_model::try_load(bytes, mapped);
  if (!model) {  // mapped, it takes less memory
    require(!std::string_view(model.failure().what()).empty());
    return require(!other || model.failure().code() == errc::out_of_memory);
  }
  require(static_cast<bool>(other));
  if (model->vocabulary() > 4096) return;  // slow, and no different

  std::vector<token> ids;
  for (std::size_t i = 0; i < (model->width() > 64 ? 18 : 70); ++i) {
    ids.push_back(static_cast<token>((i * 7919 + 3) % model->vocabulary()));
  }
  const auto talk = session::try_create(*model, {.context = context});
  if (!talk && talk.failure().code() == errc::invalid_argument) return try_vectors(*model, *other, ids, kv);
  const auto expected = logits_of(*model, ids, 1, kv);
  require(agree(logits_of(*other, ids, 7, kv), expected));
  require(agree(logits_of(*model, ids, ids.size(), kv), expected));
  require(agree(drafts_of(*other, ids, 7, kv), drafts_of(*model, ids, 1, kv)));
  const auto reply = reply_of(*model, 1), again = reply_of(*other, 5);
  require(!reply || !again || *reply == *again);
}

struct small_model {
  std::vector<std::byte> bytes;
  std::size_t weights;  // where they begin
  explicit small_model(std::vector<std::byte> file)
      : bytes(std::move(file)), weights(static_cast<std::size_t>(gguf_file::try_parse(bytes)->tensors()[0].offset)) {}
};

/// Keys that files of an architecture may have, without its name; what tensors they make wanted is found by asking.
struct optional_keys {
  std::string_view architecture;
  int layers;
  std::vector<std::pair<std::string, value>> keys;
};
const std::vector<optional_keys>& all_optional_keys() {
  using words = std::vector<std::string>;
  static const std::vector<optional_keys> all{
      {"llama",
       2,
       {{"rope.scaling.type", value("yarn")},
        {"rope.scaling.factor", value(4.0f)},
        {"rope.scaling.original_context_length", value(16)},
        {"attention.scale", value(0.3f)},
        {"expert_count", value(4)}}},
      {"llama", 2, {{"attention.sliding_window", value(5)}, {"rope.scaling.factor", value(2.0f)}}},
      {"llama", 2, {{"attention.causal", value(false)}, {"pooling_type", value(4)}}},
      {"mistral3", 2, {{"attention.temperature_scale", value(0.7f)}, {"attention.temperature_length", value(2)}}},
      {"granitemoe", 2, {{"expert_shared_count", value(1)}, {"residual_scale", value(0.5f)}, {"logit_scale", value(2.0f)}}},
      {"deepseek2",
       3,
       {{"attention.q_lora_rank", value(12)},
        {"rope.scaling.type", value("yarn")},
        {"rope.scaling.factor", value(4.0f)},
        {"rope.scaling.original_context_length", value(16)},
        {"rope.scaling.yarn_log_multiplier", value(0.1f)},
        {"leading_dense_block_count", value(1)},
        {"expert_shared_count", value(1)},
        {"expert_group_count", value(2)},
        {"expert_group_used_count", value(1)}}},
      {"deepseek2",
       2,
       {{"attention.key_length_mla", value(20)},
        {"attention.value_length_mla", value(12)},
        {"attention.key_length", value(24)},
        {"attention.value_length", value(16)},
        {"attention.head_count_kv", value(1)}}},
      {"qwen35",
       4,
       {{"nextn_predict_layers", value(1)},
        {"full_attention_interval", value(3)},
        {"rope.dimension_sections", value(std::vector<std::int32_t>{3, 3, 2, 0})}}},
      {"qwen35moe",
       4,
       {{"nextn_predict_layers", value(1)},
        {"full_attention_interval", value(3)},
        {"expert_shared_feed_forward_length", value(8)}}},
      {"glm4moe", 3, {{"nextn_predict_layers", value(1)}, {"expert_shared_count", value(1)}}},
      {"nemotron_h_moe", 3, {{"moe_latent_size", value(8)}, {"expert_shared_count", value(1)}}},
      {"laguna", 2, {{"rope.dimension_count_swa", value(8)}, {"rope.freq_base_swa", value(1e3f)}}},
      {"gemma3n", 12, {{"attention.shared_kv_layers", value(2)}}},
      {"gemma4",
       6,
       {{"attention.shared_kv_layers", value(2)},
        {"embedding_length_per_layer_input", value(4)},
        {"attention.key_length_swa", value(8)},
        {"rope.dimension_count_swa", value(4)},
        {"final_logit_softcapping", value(3.0f)}}},
      {"gemma4", 2, {{"expert_count", value(4)}}},
      {"bert", 2, {{"pooling_type", value(4)}}},
      {"modern-bert", 2, {{"pooling_type", value(4)}, {"classifier.pooling_type", value(2)}}},
      {"qwen3", 2, {{"pooling_type", value(4)}, {"classifier.output_labels", value(words{"yes", "no"})}}},
      {"gemma-embedding",
       2,
       {{"pooling_type", value(1)},
        {"dense_2_feat_out", value(48)},
        {"dense_3_feat_in", value(48)},
        {"dense_3_feat_out", value(32)}}},
  };
  return all;
}

/// A small model that is made when it is first asked for: all of them at once would take a sanitizer's build too long.
struct recipe {
  std::string_view architecture;
  std::size_t width;
  int layers;
  std::optional<tensor_type> format;  // of the matrices
  bool unusual = false;               // tokens see what is behind them, and layers use different numbers of experts
  bool scaled = false;                // factors stand beside matrices
  const optional_keys* more = nullptr;
  std::optional<small_model> made = {};

  const small_model& get() {
    if (!made) {
      nibble_test::smallest_model model(architecture, width, layers);
      const std::string prefix(architecture), used = prefix + ".expert_used_count";
      if (unusual && !model.makes_vectors()) model.meta.set(prefix + ".attention.causal", value(false));
      if (unusual && model.meta.find(used)) model.meta.set(used, value(std::vector<std::int32_t>{1, 2}));
      if (more) {
        for (const auto& [key, v] : more->keys) model.meta.set(prefix + "." + key, v);
        model = model.completed();
      }
      if (format) model.recode(*format);
      if (scaled) model.add_scales();
      made.emplace(model.bytes());
    }
    return *made;
  }
};

/// Every architecture, with its matrices in F32, as an unusual one, and in a format of its own, with factors beside them; some
/// with keys that files may have; and a llama that is wide enough for each format of large blocks.
std::vector<recipe>& recipes() {
  static auto all = [] {
    std::vector<recipe> list;
    for (const optional_keys& o : all_optional_keys()) list.push_back({o.architecture, 32, o.layers, {}, false, true, &o});
    std::vector<tensor_type> narrow;
    any_type(quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
      if (Q::block_size <= 32) {
        narrow.push_back(Q::type);
      } else {
        list.push_back({"llama", Q::block_size, 1, Q::type});
      }
      return false;
    });
    std::size_t next = 0;
    any_type(architectures{}, [&]<class A>(std::type_identity<A>) {
      list.push_back({A::name, 32, 2, {}});
      list.push_back({A::name, 32, 2, {}, true});
      list.push_back({A::name, 32, 2, narrow[next++ % narrow.size()], false, true});
      return false;
    });
    return list;
  }();
  return all;
}

/// Two bytes say which model, one the format of keys and values; then up to 16 changes of five bytes each: where, and the
/// number that comes there. Odd numbers are weights, plain bytes stand anywhere in the file.
void try_recipe(std::span<const std::uint8_t> data) {
  static constexpr std::array<tensor_type, 4> kv{tensor_type::f16, tensor_type::f32, tensor_type::bf16, tensor_type::q8_0};
  static constexpr std::array<std::uint32_t, 12> odd{0x7fc00000, 0xffc00001, 0x7f800000, 0xff800000, 0x7f7fffff, 0xff7fffff,
                                                     0x74000000, 0xf4000000, 0x00000001, 0x80000000, 0x7e007e00, 0x7c00fc00};
  const small_model& base = recipes()[(data[0] | data[1] << 8) % recipes().size()].get();
  auto bytes = base.bytes;
  for (std::size_t i = 3; i + 5 <= data.size() && i < 3 + 16 * 5; i += 5) {
    const std::uint8_t* r = data.data() + i;
    const std::size_t at = std::size_t{r[0]} | std::size_t{r[1]} << 8 | std::size_t{r[2]} << 16;
    if (r[3] < 240) {
      const std::size_t numbers = (bytes.size() - base.weights) / 4;
      std::memcpy(bytes.data() + base.weights + at * 61 % numbers * 4, &odd[r[3] % odd.size()], 4);
    } else {
      bytes[at % bytes.size()] = static_cast<std::byte>(r[4]);
    }
  }
  try_model(bytes, kv[data[2] % kv.size()]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("GGUF")) {
    try_model(std::as_bytes(std::span(data, size)), tensor_type::f16);
  } else if (size >= 3) {
    try_recipe({data, size});
  }
  return 0;
}
