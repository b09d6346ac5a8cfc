/// What holds for every registered architecture, shown with the smallest file of each, which has what it insists on and no
/// more.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/registry.hpp"
#include "support/golden_models.hpp"
#include "support/smallest_model.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

template <class F>
void for_each_architecture(F&& f) {
  for (const std::string& name : architecture_names()) {
    INFO(name);
    f(name, smallest_model(name));
  }
}
void check_refused(smallest_model& m, errc code, const std::string& sentence) {
  const auto loaded = any_model::try_load(m.bytes(), {.threads = 1});
  REQUIRE(!loaded);
  INFO(std::string(loaded.failure().what()));
  CHECK(int(loaded.failure().code()) == int(code));
  CHECK(std::string(loaded.failure().what()).starts_with(sentence));
}
static_assert(std::is_same_v<arch::qwen3::mixers, type_list<arch::self_attention>>);
static_assert(std::is_same_v<arch::qwen3::feed_forwards, type_list<arch::gated_feed_forward>>);
static_assert(std::is_same_v<arch::gpt2::feed_forwards, type_list<arch::plain_feed_forward>>);
}  // namespace

TEST_CASE("every architecture gives the same bits on any threads, in any chunks and formats of keys and values") {
  for_each_architecture([](const std::string&, smallest_model m) {
    if (m.makes_vectors()) return;
    std::vector<token> ids;
    for (std::size_t i = 0; i < 70; ++i) ids.push_back(static_cast<token>(i * 7919 % 40));
    const auto bytes = m.bytes();
    for (const tensor_type kv : {tensor_type::f16, tensor_type::q8_0, tensor_type::q4_0}) {
      floats expected;
      for (const std::size_t threads : {1, 3}) {
        const auto model = any_model::load(bytes, {.threads = threads});
        for (const std::size_t chunk : {1, 7, 70}) {
          auto e = evaluator_of(model, {.context = 90, .prefill_chunk = chunk, .kv = kv});
          const auto found = row_after(e, ids);
          if (expected.empty()) expected = found;
          CHECK(found == expected);
          CHECK(e.scratch_peak() <= e.memory().scratch);
        }
      }
    }
  });
}

TEST_CASE("every architecture refuses a file without one of the tensors that it insists on, or with one of another shape") {
  for_each_architecture([](const std::string&, const smallest_model& m) {
    for (std::size_t i = 0; i < m.tensors.size(); ++i) {
      smallest_model changed = m;
      const std::string name = changed.tensors[i].name;
      INFO(name);
      changed.tensors[i].dims.back() += 1, changed.tensors[i].data.clear();
      if (name != "token_embd.weight") check_refused(changed, errc::shape_mismatch, name + ": expected (");
      changed.tensors.erase(changed.tensors.begin() + std::ptrdiff_t(i));
      check_refused(changed, errc::missing_tensor, name + ": the tensor is missing");
    }
  });
}

TEST_CASE("every architecture refuses a file without one of the numbers that it insists on, or with text instead") {
  for_each_architecture([](const std::string& architecture, const smallest_model& m) {
    std::vector<std::string> keys;
    for (const auto& [key, v] : m.meta)
      if (key.starts_with(architecture + ".") || key.starts_with("xielu.")) keys.push_back(key);
    CHECK(keys.size() >= 5);
    for (const std::string& key : keys) {
      INFO(key);
      smallest_model changed = m;
      changed.meta.set(key, value("many"));
      check_refused(changed, errc::bad_value, "key '" + key + "': expected ");
      if (m.has_default(key)) continue;
      changed.meta.erase(key);
      check_refused(changed, errc::missing_key, "key '" + key + "' is missing");
    }
  });
}
