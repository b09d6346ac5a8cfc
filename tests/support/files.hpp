/// Where tests find their data: `golden/` of this repository always, the larger shared set only where it is at hand.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace nibble_test {

/// tests/golden, and where the shared data set was when this was built. They stand in main.cpp alone, so that an object of a
/// test is the same wherever it is built.
extern const char* const golden_folder;
extern const char* const shared_folder;

/// A file of tests/golden, or a folder above it ("../examples/models/...").
inline std::filesystem::path golden(const std::string& name) { return std::filesystem::path(golden_folder) / name; }

/// A file of the shared data set, or an empty path where the set is absent: such a test says so and is skipped.
inline std::filesystem::path shared(const std::string& name) {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  const auto path = std::filesystem::path(folder ? folder : shared_folder) / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

/// All bytes of a file as elements of T.
template <class T = std::byte>
std::vector<T> read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> raw{std::istreambuf_iterator<char>(in), {}};
  std::vector<T> out(raw.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size() * sizeof(T); ++i) reinterpret_cast<char*>(out.data())[i] = raw[i];
  return out;
}

#if defined(__linux__)
/// The resident bytes of a file's only mapping, from the system's own account; -1 if it is not mapped.
inline long resident_bytes(const std::filesystem::path& path) {
  std::ifstream maps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(path.string())) here = true;
    if (here && line.starts_with("Rss:")) return std::strtol(line.c_str() + 4, nullptr, 10) * 1024;
  }
  return -1;
}
#endif

}  // namespace nibble_test

/// Ends a test case with a word where the shared data set is absent.
#define NIBBLE_NEEDS(path)                         \
  if ((path).empty()) {                            \
    MESSAGE("skipped: needs the shared data set"); \
    return;                                        \
  }
