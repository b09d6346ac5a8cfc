/// Small models with logits that others computed from the same file: `<architecture>.gguf` or `<architecture>-<variant>.gguf`,
/// and beside it `<the same>.numpy.logits.f32`.
#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "nibble/core/type_list.hpp"
#include "nibble/gguf/reader.hpp"
#include "nibble/model/registry.hpp"
#include "support/files.hpp"
#include "support/smallest_model.hpp"

namespace nibble_test {

/// The names of all architectures that are registered.
inline std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  nibble::any_type(nibble::architectures{}, [&]<class A>(std::type_identity<A>) {
    names.emplace_back(A::name);
    return false;
  });
  return names;
}

struct golden_model {
  std::string name, architecture;  // as the file says
  std::filesystem::path file, logits;

  bool registered() const {
    const auto names = architecture_names();
    return std::find(names.begin(), names.end(), architecture) != names.end();
  }
};

/// The goldens of a folder, in the order of their names.
inline std::vector<golden_model> golden_models(const std::filesystem::path& folder) {
  constexpr std::string_view ending = ".numpy.logits.f32";
  std::vector<golden_model> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (!name.ends_with(ending)) continue;
    name.resize(name.size() - ending.size());
    const auto file = folder / (name + ".gguf");
    const auto parsed = nibble::gguf_file::open(file);
    out.push_back(
        {name, std::string(parsed.meta().get<std::string_view>("general.architecture").value_or("")), file, entry.path()});
  }
  std::sort(out.begin(), out.end(), [](const golden_model& a, const golden_model& b) { return a.name < b.name; });
  return out;
}

/// Those of tests/golden, and those of the shared data set that have other names.
inline std::vector<golden_model> golden_models() {
  auto out = golden_models(golden("models"));
  std::set<std::string> seen;
  for (const auto& m : out) seen.insert(m.name);
  if (const auto more = shared("models/synth"); !more.empty()) {
    for (auto& m : golden_models(more))
      if (seen.insert(m.name).second) out.push_back(m);
  }
  return out;
}

/// The first golden of each registered architecture that has one.
inline std::vector<golden_model> golden_of_each_architecture() {
  std::vector<golden_model> out;
  std::set<std::string> seen;
  for (auto& m : golden_models())
    if (m.registered() && seen.insert(m.architecture).second) out.push_back(m);
  return out;
}

/// Whether an architecture makes vectors, and has goldens of these, as far as one can tell: they are in the shared data set.
inline bool has_vectors(const std::string& architecture) {
  const auto names = architecture_names();
  if (std::find(names.begin(), names.end(), architecture) == names.end()) return false;
  const auto folder = shared("models/synth");
  return smallest_model(architecture).makes_vectors() &&
         (folder.empty() || std::filesystem::exists(folder / (architecture + ".numpy.embd.f32")));
}

/// Those of the architectures that no golden is of.
inline std::vector<std::string> without_golden(std::vector<std::string> architectures) {
  const auto models = golden_models();
  std::erase_if(architectures, [&](const std::string& architecture) {
    const auto is_of_it = [&](const golden_model& m) { return m.architecture == architecture; };
    return std::any_of(models.begin(), models.end(), is_of_it) || has_vectors(architecture);
  });
  return architectures;
}

}  // namespace nibble_test
