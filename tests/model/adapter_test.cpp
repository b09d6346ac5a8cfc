#include "nibble/model/adapter.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/gguf/writer.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/registry.hpp"
#include "support/smallest_model.hpp"

namespace {
using nibble::adapter;
using nibble::errc;
using nibble::tensor_type;
using nibble::token;
using parts = nibble_test::smallest_model;

constexpr std::size_t rank = 3;
constexpr float alpha = 6;

std::vector<float> random_numbers(std::size_t n, std::uint64_t seed, double size) {
  nibble::rng random(seed);
  std::vector<float> out(n);
  for (float& x : out) x = static_cast<float>((random.uniform() - 0.5) * size);
  return out;
}
std::vector<std::byte> bytes_of(std::span<const float> numbers) {
  const auto bytes = std::as_bytes(numbers);
  return {bytes.begin(), bytes.end()};
}

/// A file of an adapter, taken apart.
struct adapter_file {
  struct tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::vector<float> numbers;
  };
  nibble::metadata meta;
  std::vector<tensor> tensors;

  explicit adapter_file(std::string_view architecture) {
    meta.set("general.type", nibble::value("adapter"));
    meta.set("general.architecture", nibble::value(architecture));
    meta.set("adapter.type", nibble::value("lora"));
    meta.set("adapter.lora.alpha", nibble::value(alpha));
  }
  void add(const parts::tensor& base, std::uint64_t seed = 1) {
    tensors.push_back({base.name + ".lora_a", {base.dims[0], rank}, random_numbers(base.dims[0] * rank, seed, 0.5)});
    tensors.push_back({base.name + ".lora_b", {rank, base.dims[1]}, random_numbers(base.dims[1] * rank, seed + 1, 0.5)});
  }
  std::vector<std::byte> bytes() const {
    nibble::gguf_writer writer(meta);
    for (const tensor& t : tensors) writer.add(t.name, tensor_type::f32, t.dims, std::as_bytes(std::span(t.numbers)));
    return writer.bytes();
  }
  nibble::result<adapter> load(const nibble::any_model& model) const {
    const auto file = bytes();
    return adapter::try_load(model, nibble::gguf_file::parse(file));
  }
  adapter loaded(const nibble::any_model& model) const { return load(model).value(); }
};

/// The model that has an adapter within its weights.
parts merged(parts model, const adapter_file& with, float scale) {
  for (std::size_t i = 0; i < with.tensors.size(); i += 2) {
    const auto& a = with.tensors[i].numbers;
    const auto& b = with.tensors[i + 1].numbers;
    const std::string base = with.tensors[i].name.substr(0, with.tensors[i].name.size() - 7);
    auto& t = *std::find_if(model.tensors.begin(), model.tensors.end(), [&](const auto& m) { return m.name == base; });
    std::vector<float> w(t.data.size() / sizeof(float));
    std::memcpy(w.data(), t.data.data(), t.data.size());
    const std::size_t columns = t.dims[0];
    for (std::size_t at = 0; at < w.size(); ++at) {
      double sum = 0;
      for (std::size_t r = 0; r < rank; ++r) sum += double(b[at / columns * rank + r]) * double(a[r * columns + at % columns]);
      w[at] = float(double(w[at]) + double(scale) * double(alpha) / rank * sum);
    }
    t.data = bytes_of(w);
  }
  return model;
}

nibble::any_model load(parts& model) {
  return nibble::any_model::load(std::span<const std::byte>(model.bytes()), {.threads = 2});
}

const std::vector<token> text{3, 17, 5, 29, 8, 11, 2};

/// The logits behind each token of a text, fed in pieces.
std::vector<float> logits(const nibble::any_model& model, const nibble::session_options& options, std::size_t piece = 7) {
  auto e = nibble::evaluator::create(model, options);
  std::vector<float> out;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::size_t count = std::min(piece, text.size() - at);
    const auto row = [&](std::size_t, std::span<const float> y) { out.insert(out.end(), y.begin(), y.end()); };
    REQUIRE(e.feed_each(std::span(text).subspan(at, count), row) == nibble::feed_outcome::done);
  }
  return out;
}
double difference(std::span<const float> x, std::span<const float> y) {
  REQUIRE(x.size() == y.size());
  double most = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    most = std::max(most, std::abs(double(x[i]) - double(y[i]))), size = std::max(size, std::abs(double(y[i])));
  }
  return most / size;
}

/// An adapter of all matrices of a model that can have one.
adapter_file of_all_matrices(const parts& model, const nibble::any_model& loaded, std::string_view architecture) {
  adapter_file all(architecture);
  for (const auto& t : model.tensors) {
    if (t.dims.size() != 2) continue;
    adapter_file one(architecture);
    one.add(t);
    const auto made = one.load(loaded);
    if (made) {
      all.add(t, all.tensors.size() + 5);
    } else {
      CHECK(made.failure().code() == errc::unread_tensor);
    }
  }
  return all;
}
adapter_file of_all_matrices(parts& model, std::string_view architecture) {
  return of_all_matrices(model, load(model), architecture);
}
}  // namespace

TEST_CASE("an adapter changes a model as if it stood in its weights, in every architecture") {
  nibble::any_type(nibble::architectures{}, []<class A>(std::type_identity<A>) {
    CAPTURE(A::name);
    parts model(A::name);
    if (model.makes_vectors()) return false;
    const auto plain = load(model);
    const auto file = of_all_matrices(model, plain, A::name);
    CHECK(file.tensors.size() >= 4);
    if (file.tensors.empty()) return false;
    const nibble::session_options options{.context = 16, .output_rows = 7, .adapters = {{file.loaded(plain), 0.5f}}};
    auto whole = merged(model, file, 0.5f);
    const auto found = logits(plain, options);
    const bool finite = std::all_of(found.begin(), found.end(), [](float x) { return std::isfinite(x); });
    CHECK(finite);
    CHECK(difference(found, logits(load(whole), {.context = 16, .output_rows = 7})) < 2e-3);
    CHECK(difference(found, logits(plain, {.context = 16, .output_rows = 7})) > 1e-2);
    CHECK(found == logits(plain, options, 1));
    return false;
  });
}

TEST_CASE("sequences of one step take what they shall of adapters, and others keep their bits") {
  for (const char* architecture : {"llama", "gpt2", "qwen35", "phi3"}) {
    CAPTURE(architecture);
    parts model(architecture);
    model.recode(tensor_type::q8_0);
    const auto loaded = load(model);
    parts floats(architecture);
    const auto file = of_all_matrices(floats, loaded, architecture);
    adapter_file other(architecture);
    other.add(*std::find_if(floats.tensors.begin(), floats.tensors.end(),
                            [](const auto& t) { return t.name.ends_with("ffn_down.weight"); }),
              77);
    const nibble::session_options plain{.context = 16};
    auto both = plain;
    both.adapters = {{file.loaded(loaded)}, {other.loaded(loaded)}};
    const std::vector<std::vector<float>> scales{{1, 0}, {0, 0}, {0.5f, -1}, {0, 2}};
    auto batch = nibble::batch_evaluator::try_create(loaded, scales.size(), both).value();
    for (std::size_t s = 0; s < scales.size(); ++s) {
      batch.adapt(s, scales[s]);
      REQUIRE(batch.feed(s, std::span(text).first(3 + s)) == nibble::feed_outcome::done);
    }
    std::vector<nibble::batch_evaluator::entry> entries;
    for (std::size_t s = 0; s < scales.size(); ++s) entries.push_back({s, 9});
    REQUIRE(batch.step(entries) == nibble::feed_outcome::done);
    for (std::size_t s = 0; s < scales.size(); ++s) {
      auto alone = scales[s] == std::vector<float>{0, 0} ? plain : both;
      for (std::size_t i = 0; i < alone.adapters.size(); ++i) alone.adapters[i].scale = scales[s][i];
      auto e = nibble::evaluator::create(loaded, alone);
      REQUIRE(e.feed(std::span(text).first(3 + s)) == nibble::feed_outcome::done);
      REQUIRE(e.feed(std::vector<token>{9}) == nibble::feed_outcome::done);
      const auto found = batch.logits(s);
      CHECK(std::equal(found.begin(), found.end(), e.logits().begin(), e.logits().end()));
    }
  }
}

TEST_CASE("a plan knows what adapters take of a step, to the byte") {
  parts model("llama", 64);
  const auto loaded = load(model);
  nibble::session_options options{.context = 32, .prefill_chunk = 8, .output_rows = 3};
  const auto without = loaded.plan(options);
  options.adapters = {{of_all_matrices(model, "llama").loaded(loaded)}};
  CHECK(loaded.plan(options).scratch > without.scratch);
  auto runner = nibble::step_runner::create(loaded, options, 1);
  std::vector<nibble::token_run> runs{{0, 7, 0, 0}};
  const std::vector<std::uint32_t> wanted{2, 5, 6};
  REQUIRE(runner.run(text, runs, wanted, {}).how == nibble::feed_outcome::done);
  CHECK(runner.scratch_peak() <= runner.memory().scratch);
}

TEST_CASE("a control vector is added to what its layer gives") {
  parts model("llama");
  const auto loaded = load(model);
  adapter_file file("controlvector");
  file.meta = {};
  file.meta.set("general.architecture", nibble::value("controlvector"));
  file.tensors.push_back({"direction.1", {32}, random_numbers(32, 3, 2)});
  const nibble::session_options options{.context = 16, .output_rows = 7, .adapters = {{file.loaded(loaded), 0.5f}}};
  const auto found = logits(loaded, options);
  CHECK(found == logits(loaded, options, 1));

  // behind the last layer, the same is a bias of its feed-forward
  auto biased = model;
  auto direction = file.tensors[0].numbers;
  for (float& x : direction) x *= 0.5f;
  biased.tensors.push_back({"blk.1.ffn_down.bias", tensor_type::f32, {32}, bytes_of(direction)});
  CHECK(difference(found, logits(load(biased), {.context = 16, .output_rows = 7})) < 1e-5);
  CHECK(difference(found, logits(loaded, {.context = 16, .output_rows = 7})) > 1e-2);
}

TEST_CASE("a session that was saved goes on with the same adapters alone") {
  parts model("llama");
  const auto loaded = load(model);
  const auto tuned = of_all_matrices(model, "llama").loaded(loaded);
  nibble::session one(loaded, {.context = 16, .adapters = {{tuned}}});
  auto reply = one.generate(std::span(text), {.max_tokens = 2});
  for (auto& event : reply) CHECK(event.id != nibble::no_token);
  const auto saved = one.save();
  nibble::session same(loaded, {.context = 16, .adapters = {{tuned}}}),
      less(loaded, {.context = 16, .adapters = {{tuned, 0.5f}}}), plain(loaded, {.context = 16});
  CHECK(same.try_load(saved).has_value());
  CHECK(less.try_load(saved).failure().code() == errc::invalid_argument);
  CHECK(plain.try_load(saved).failure().code() == errc::invalid_argument);
}

TEST_CASE("an adapter is told from others with the same bytes by what numbers they are") {
  parts model("llama");
  const auto loaded = load(model);
  const std::vector<std::byte> numbers(64, std::byte{0x3c});  // 1.06 as f16, 0.0115 as bf16
  std::vector<std::uint64_t> found;
  for (const tensor_type type : {tensor_type::f16, tensor_type::bf16, tensor_type::f16}) {
    nibble::metadata meta;
    meta.set("general.architecture", nibble::value("controlvector"));
    nibble::gguf_writer writer(meta);
    writer.add("direction.1", type, std::vector<std::uint64_t>{32}, numbers);
    const auto bytes = writer.bytes();
    found.push_back(adapter::load(loaded, nibble::gguf_file::parse(bytes)).fingerprint());
  }
  CHECK(found[0] != found[1]);
  CHECK(found[0] == found[2]);
}

TEST_CASE("an adapter is told from others by its numbers, its names and its alpha") {
  parts model("llama");
  const auto loaded = load(model);
  adapter_file file("llama");
  for (const auto& t : model.tensors)
    if (t.name == "blk.0.attn_q.weight") file.add(t);
  const auto fingerprint = file.loaded(loaded).fingerprint();
  CHECK(file.loaded(loaded).fingerprint() == fingerprint);
  auto other = file;
  other.tensors[0].numbers[0] += 1;
  CHECK(other.loaded(loaded).fingerprint() != fingerprint);
  other = file;
  for (auto& t : other.tensors) t.name.replace(4, 1, "1");
  CHECK(other.loaded(loaded).fingerprint() != fingerprint);
  other = file;
  other.meta.set("adapter.lora.alpha", nibble::value(alpha + 1));
  CHECK(other.loaded(loaded).fingerprint() != fingerprint);
}

TEST_CASE("adapters that do not fit are errors that say where") {
  parts model("llama");
  const auto loaded = load(model);
  const auto& q =
      *std::find_if(model.tensors.begin(), model.tensors.end(), [](const auto& t) { return t.name == "blk.0.attn_q.weight"; });
  adapter_file good("llama");
  good.add(q);
  REQUIRE(good.load(loaded).has_value());
  const auto code_of = [&](auto&& change) {
    auto file = good;
    change(file);
    const auto made = file.load(loaded);
    REQUIRE_FALSE(made.has_value());
    return made.failure().code();
  };
  CHECK(code_of([](auto& f) { f.meta.set("general.architecture", nibble::value("gemma")); }) == errc::unknown_architecture);
  CHECK(code_of([](auto& f) { f.meta.erase("general.architecture"); }) == errc::missing_key);
  CHECK(code_of([](auto& f) { f.meta.erase("adapter.type"); }) == errc::missing_key);
  CHECK(code_of([](auto& f) { f.meta.set("adapter.type", nibble::value("ia3")); }) == errc::bad_value);
  CHECK(code_of([](auto& f) { f.meta.set("adapter.lora.alpha", nibble::value("much")); }) == errc::bad_value);
  CHECK(code_of([](auto& f) { f.meta.set("adapter.lora.alpha", nibble::value(std::numeric_limits<float>::infinity())); }) ==
        errc::bad_value);
  CHECK(code_of([](auto& f) { f.meta.set("adapter.alora.invocation_tokens", nibble::value(std::vector<std::uint32_t>{1})); }) ==
        errc::bad_value);
  CHECK(code_of([](auto& f) { f.tensors.pop_back(); }) == errc::missing_tensor);
  CHECK(code_of([](auto& f) { f.tensors.erase(f.tensors.begin()); }) == errc::missing_tensor);
  CHECK(code_of([](auto& f) { f.tensors.clear(); }) == errc::missing_tensor);
  CHECK(code_of([](auto& f) { f.tensors[0].name = "blk.0.attn_q.weight"; }) == errc::unread_tensor);
  CHECK(code_of([](auto& f) {
          f.tensors[0].name = "blk.7.attn_q.weight.lora_a", f.tensors[1].name = "blk.7.attn_q.weight.lora_b";
        }) == errc::unread_tensor);
  CHECK(code_of([](auto& f) {
          f.tensors[0].name = "token_embd.weight.lora_a", f.tensors[1].name = "token_embd.weight.lora_b";
        }) == errc::unread_tensor);
  CHECK(code_of([](auto& f) { std::swap(f.tensors[0].dims[0], f.tensors[0].dims[1]); }) == errc::shape_mismatch);
  CHECK(code_of([](auto& f) { f.tensors[0].dims = {16, 6}; }) == errc::shape_mismatch);
  CHECK(code_of([](auto& f) { f.tensors[1].dims = {6, 16}; }) == errc::shape_mismatch);
  CHECK(code_of([](auto& f) { f.tensors[0].dims = {32, 1, 3}; }) == errc::shape_mismatch);
  CHECK(code_of([](auto& f) { f.tensors[1].numbers[5] = std::numeric_limits<float>::quiet_NaN(); }) == errc::bad_value);
  const auto vector = [](auto& f) { f.meta.set("general.architecture", nibble::value("controlvector")), f.tensors.pop_back(); };
  CHECK(code_of([&](auto& f) { vector(f); }) == errc::unread_tensor);
  CHECK(code_of([&](auto& f) { vector(f), f.tensors.clear(); }) == errc::missing_tensor);
  CHECK(code_of([&](auto& f) { vector(f), f.tensors[0].name = "direction.2"; }) == errc::unread_tensor);
  CHECK(code_of([&](auto& f) { vector(f), f.tensors[0].name = "direction.1x"; }) == errc::unread_tensor);
  CHECK(code_of([&](auto& f) { vector(f), f.tensors[0].name = "direction.1"; }) == errc::shape_mismatch);

  CHECK(adapter::try_load(loaded, "no-such-file.gguf").failure().code() == errc::io);
  parts another("llama");
  const auto stranger = load(another);
  const auto refused = [&](const nibble::session_options& options) {
    return nibble::evaluator::try_create(loaded, options).failure().code() == errc::invalid_argument;
  };
  CHECK(refused({.context = 16, .adapters = {{good.loaded(stranger)}}}));
  CHECK(refused({.context = 16, .adapters = {{good.loaded(loaded), std::numeric_limits<float>::quiet_NaN()}}}));
  CHECK(refused({.context = 16, .adapters = std::vector<nibble::adapter_use>(17, {good.loaded(loaded)})}));
}
