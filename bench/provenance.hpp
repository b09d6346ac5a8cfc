/// What a figure belongs to, besides the program's arguments: the source, its compiler, the processor and its pages, the
/// instruction set.
#pragma once

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "commit.hpp"  // commit.cmake makes it
#include "nibble/kernels/table.hpp"

namespace bench {

inline std::string compiler_name() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
  return std::string("g++ ") + __VERSION__;
#elif defined(_MSC_FULL_VER)
  return "msvc " + std::to_string(_MSC_FULL_VER);
#else
  return "unknown";
#endif
}

/// The processor's name; empty where the system does not tell it in the way of Linux.
inline std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": "), line.size() - 2) + 2);
  }
  return "";
}

/// What Linux makes of a program's wish for large pages, its "huge" ones, which figures depend on: always, madvise or never.
/// Empty elsewhere.
inline std::string huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  for (std::string word; file >> word;) {
    if (word.starts_with('[') && word.ends_with(']')) return word.substr(1, word.size() - 2);
  }
  return "";
}

/// The instruction sets that this program has kernels for and this CPU runs, best first; the scalar reference is the last.
inline std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (std::size_t i = 0; const nibble::kernel_table* table = nibble::kernels_at(i); ++i) names.emplace_back(table->target);
  return names;
}

/// Whether two names are one, in whatever case they are written.
inline bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

/// The kernels of one of them; null if there are none.
inline const nibble::kernel_table* find_table(std::string_view target) {
  for (std::size_t i = 0; const nibble::kernel_table* table = nibble::kernels_at(i); ++i) {
    if (same_name(table->target, target)) return table;
  }
  return nullptr;
}

/// The kernels of one of them.
/// @errors  std::runtime_error that lists them
inline const nibble::kernel_table& table_of(std::string_view target) {
  if (const nibble::kernel_table* table = find_table(target)) return *table;
  std::string all;
  for (const auto& name : target_names()) all += (all.empty() ? "" : ", ") + name;
  throw std::runtime_error("--target: expected one that this program has kernels for and this CPU runs, " + all + "; found '" +
                           std::string(target) + "'");
}

}  // namespace bench
