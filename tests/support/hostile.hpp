/// hostile: what may be wrong with the file of a model, and the sentence by which it is refused.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nibble/model/any_model.hpp"
#include "support/model_parts.hpp"

namespace nibble_test {

struct hostile {
  std::string what;
  std::function<void(model_parts&)> damage;
  nibble::errc code;
  std::string sentence;  // a part of it
};

inline hostile set(std::string key, nibble::value v, nibble::errc code, std::string sentence) {
  return {key + " = " + v.type_name(), [=](model_parts& m) { m.meta.set(key, v); }, code, std::move(sentence)};
}
inline hostile without(std::string key, nibble::errc code, std::string sentence) {
  return {"no " + key, [=](model_parts& m) { m.meta.erase(key); }, code, std::move(sentence)};
}
inline hostile with_tensor(std::string name, std::function<void(model_parts::tensor&)> damage, nibble::errc code,
                           std::string sentence) {
  return {name, [=](model_parts& m) { damage(m.at(name)); }, code, std::move(sentence)};
}
inline hostile without_tensor(std::string name) {
  return {"no " + name, [=](model_parts& m) { m.remove(name); }, nibble::errc::missing_tensor,
          name + ": the tensor is missing"};
}
inline void transpose(model_parts::tensor& t) { std::swap(t.dims[0], t.dims[1]); }
/// One row less; of a single number, one more.
inline void drop_last_row(model_parts::tensor& t) {
  while (t.dims.size() > 1 && t.dims.back() == 1) t.dims.pop_back();
  if (t.dims.back() == 1) return t.data.resize(2 * t.data.size()), static_cast<void>(++t.dims.back());
  const auto row = static_cast<std::ptrdiff_t>(t.data.size() / static_cast<std::size_t>(t.dims.back()));
  t.data.erase(t.data.end() - row, t.data.end());
  --t.dims.back();
}

/// Each is refused by its sentence, and the file without any of them is not.
inline void check(const std::filesystem::path& golden, const std::vector<hostile>& cases) {
  const model_parts sound(golden);
  REQUIRE(nibble::any_model::try_load(sound.bytes(), {.threads = 1}));
  for (const auto& c : cases) {
    INFO(c.what);
    model_parts parts = sound;
    c.damage(parts);
    const auto loaded = nibble::any_model::try_load(parts.bytes(), {.threads = 1});
    CHECK(!loaded);
    if (loaded) continue;
    const std::string sentence = loaded.failure().what();
    INFO(sentence);
    CHECK(int(loaded.failure().code()) == int(c.code));
    CHECK(sentence.find(c.sentence) != std::string::npos);
    // the plan needs no weights and refuses the same, for what it looks at
    if (c.code == nibble::errc::bad_value || c.code == nibble::errc::shape_mismatch) {
      const auto bytes = parts.bytes();
      const auto plan = nibble::any_model::try_plan(nibble::gguf_file::parse(bytes));
      if (!plan) CHECK(plan.failure().what() == sentence);
    }
  }
}

}  // namespace nibble_test
