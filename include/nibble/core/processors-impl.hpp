/// How many processors this process may use: a part of thread_pool-impl.hpp. Never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "nibble/config.hpp"

#if defined(__linux__)
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#endif

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

#if defined(__linux__)

/// The beginning of a small file, or nothing.
inline std::string file_text(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  char text[4096];
  const auto bytes = ::read(file, text, sizeof text);
  ::close(file);
  return bytes > 0 ? std::string(text, static_cast<std::size_t>(bytes)) : std::string();
}

/// Takes a number off the front of a text; 0 if there is none ("max", "-1").
inline std::uint64_t take_number(std::string_view& text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc()) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

inline constexpr std::size_t no_quota = std::numeric_limits<std::size_t>::max();

/// Processors that the folder of a control group grants.
inline std::size_t quota_in(const std::string& folder) {
  std::string text = file_text(folder + "/cpu.max");  // version 2; or else version 1
  if (text.empty()) text = file_text(folder + "/cpu.cfs_quota_us") + ' ' + file_text(folder + "/cpu.cfs_period_us");
  std::string_view rest = text;
  const std::uint64_t quota = take_number(rest), period = take_number(rest);
  if (quota == 0 || period == 0) return no_quota;
  return static_cast<std::size_t>(quota / period + (quota % period != 0));
}

/// Processors that the control groups of this process and all above them grant: `groups` is what /proc/self/cgroup says.
inline std::size_t quota_of(std::string_view groups, const std::string& root) {
  std::size_t least = no_quota;
  while (!groups.empty()) {
    const std::string_view line = groups.substr(0, groups.find('\n'));
    groups.remove_prefix(std::min(groups.size(), line.size() + 1));
    const std::size_t kinds = line.find(':') + 1, path = line.find(':', kinds) + 1;
    if (kinds == 0 || path == 0) continue;
    const std::string named = ',' + std::string(line.substr(kinds, path - 1 - kinds)) + ',';
    if (named != ",," && named.find(",cpu,") == std::string::npos) continue;
    for (const char* mount : {"", "/unified", "/cpu", "/cpu,cpuacct"}) {
      std::string folder(line.substr(path));
      for (;;) {
        least = std::min(least, quota_in(root + mount + folder));
        if (folder.empty()) break;
        folder.resize(std::min(folder.rfind('/'), folder.size() - 1));
      }
    }
  }
  return least;
}

/// Processors that the calling thread may be scheduled on; 0 if the system does not say.
inline std::size_t affinity() {
  for (std::size_t words = 16; words <= 4096; words *= 2) {
    std::vector<unsigned long> mask(words);
    if (::sched_getaffinity(0, words * sizeof(unsigned long), reinterpret_cast<cpu_set_t*>(mask.data())) != 0) continue;
    std::size_t count = 0;
    for (const unsigned long word : mask) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  return 0;
}

inline std::size_t usable_processors() {
  const std::size_t allowed = affinity(), quota = quota_of(file_text("/proc/self/cgroup"), "/sys/fs/cgroup");
  return std::max<std::size_t>(1, std::min(allowed != 0 ? allowed : std::thread::hardware_concurrency(), quota));
}

#else

inline std::size_t usable_processors() { return std::max(1u, std::thread::hardware_concurrency()); }

#endif

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
