#include "command.hpp"

#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "nibble/core/version.hpp"
#include "provenance.hpp"

#if !defined(_WIN32)
#include <sys/resource.h>
#endif

namespace bench {
nlohmann::ordered_json identity(const arguments& a) {
  return {{"engine", std::string("nibble ") + nibble::version_text},
          {"target", nibble::kernels().target},
          {"commit", NIBBLE_BENCH_COMMIT},
          {"compiler", compiler_name()},
          {"cpu", processor_name()},
          {"cores", std::thread::hardware_concurrency()},
          {"huge_pages", huge_pages()},
          {"model", a.model.filename().string()},
          {"chunk", a.chunk}};
}

nibble::tensor_type kv_type(const std::string& name) {
  if (name == "f32") return nibble::tensor_type::f32;
  if (name == "f16") return nibble::tensor_type::f16;
  if (name == "bf16") return nibble::tensor_type::bf16;
  if (name == "q8_0") return nibble::tensor_type::q8_0;
  if (name == "q4_0") return nibble::tensor_type::q4_0;
  throw std::runtime_error("--kv: expected f32, f16, bf16, q8_0 or q4_0, found " + name);
}

nibble::session_options options_of(const arguments& a, std::size_t context) {
  nibble::session_options o{.context = context, .prefill_chunk = a.chunk, .output_rows = a.chunk, .kv = kv_type(a.kv)};
  o.large_pages = a.large_pages;
  if (!a.keys.empty()) o.keys = kv_type(a.keys);
  if (!a.values.empty()) o.values = kv_type(a.values);
  if (a.rotated != "auto") {
    o.rotated_keys = a.rotated == "on" || a.rotated == "keys", o.rotated_values = a.rotated == "on" || a.rotated == "values";
  }
  if (a.when_full == "shift") o.when_full = nibble::context_policy::shift(a.kept);
  if (a.when_full == "sinks") o.when_full = nibble::context_policy::sinks(a.kept);
  if (a.when_full == "heavy-hitters") o.when_full = nibble::context_policy::heavy_hitters(a.recent);
  return o;
}

void check_output(const arguments& a) {
  if (a.output.empty()) return;
  std::vector<fs::path> inputs{a.model, a.input, a.draft};
  for (const std::string& told : a.adapters) inputs.insert(inputs.end(), {told, told.substr(0, told.rfind('='))});
  for (const auto& input : inputs) {
    std::error_code not_there;
    if (!input.empty() && fs::equivalent(a.output, input, not_there)) {
      throw std::runtime_error(a.output.string() +
                               ": expected a file of its own to write, found one that is read, which would be lost");
    }
  }
  const fs::path folder = a.output.has_parent_path() ? a.output.parent_path() : ".";
  std::error_code not_there;
  if (!fs::is_directory(folder, not_there)) {
    throw std::runtime_error(a.output.string() + ": cannot be written: there is no folder " + folder.string());
  }
  if (fs::is_directory(a.output, not_there))
    throw std::runtime_error(a.output.string() + ": cannot be written: it is a folder");
}

std::vector<nibble::token> read_ids(const fs::path& path, std::size_t vocabulary) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + ": cannot be read");
  auto json = nlohmann::json::parse(file, nullptr, false);
  if (json.is_object() && json.contains("ids")) json = nlohmann::json(json["ids"]);
  if (!json.is_array() || json.empty()) throw std::runtime_error(path.string() + ": expected a JSON array of ids");
  std::vector<nibble::token> ids;
  for (const auto& value : json) {
    if (!value.is_number_integer()) throw std::runtime_error(path.string() + ": expected ids, found " + value.dump());
    const auto id = value.get<std::int64_t>();
    if (id < 0 || static_cast<std::uint64_t>(id) >= vocabulary) {
      throw std::runtime_error(path.string() + ": id " + std::to_string(id) + " is not in the model's vocabulary of " +
                               std::to_string(vocabulary));
    }
    ids.push_back(static_cast<nibble::token>(id));
  }
  return ids;
}

std::optional<double> peak_rss_mb() {
#if defined(__linux__)  // getrusage would count what the parent had resident when it forked
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    double kib = 0;
    if (key == "VmHWM:" && status >> kib) return kib / 1024;
  }
  return std::nullopt;
#elif defined(_WIN32)
  return std::nullopt;
#else
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  return double(usage.ru_maxrss) / (1024 * 1024);  // bytes, as macOS counts
#endif
}

bool forget_peak_rss() {
#if defined(__linux__)
  return static_cast<bool>(std::ofstream("/proc/self/clear_refs") << 5 << std::flush);
#else
  return false;
#endif
}

}  // namespace bench
