#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "nibble/kv/sequence.hpp"
#include "nibble/model/scratch_plan.hpp"

using namespace nibble;

namespace {
/// Whether the system was asked for large pages for the memory at an address; nothing where it does not say.
std::optional<bool> asked_for_large_pages(const void* address) {
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) return {};
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      inside = begin <= at && at < end;
    }
    if (inside && line.starts_with("VmFlags:")) return line.find(" hg") != std::string::npos;
  }
  return {};
}

/// The same for the keys of a pool.
std::optional<bool> pool_asked(bool large_pages, std::size_t context = 4096) {
  const std::vector<kv_shape> shapes(4, kv_shape{8, 64, 64});
  kv_room room{.types = find_kv_format(tensor_type::f16), .context = context};
  room.large_pages = large_pages;
  const auto pool = *kv_pool::try_create(shapes, room);
  auto sequence = *sequence::try_create(*pool);
  REQUIRE(sequence.begin(1));
  return asked_for_large_pages(sequence.layer(2).page(4, 0));
}
}  // namespace

TEST_CASE("large pages are asked for, for keys and values, if that is wanted") {
  const auto without = pool_asked(false), with = pool_asked(true);
  if (!without || !with) {
    MESSAGE("not tested: this system does not say what it was asked for");
    return;
  }
  CHECK(*with);
  CHECK_FALSE(*without);
  if (const auto small = pool_asked(true, 64)) CHECK_FALSE(*small);  // less than one large page
}

TEST_CASE("what was asked of the system for one pool's memory does not stay for the next") {
  for (std::size_t context : {std::size_t{1024}, std::size_t{2048}, std::size_t{4096}, std::size_t{8192}}) {
    for (int i = 0; i < 2; ++i) static_cast<void>(pool_asked(true, context));
    if (const auto without = pool_asked(false, context)) CHECK_FALSE(*without);
  }
}

TEST_CASE("sessions ask for large pages where their options do") {
  session_options o;
  o.kv = tensor_type::f16;
  o.context = 64;
  o.marks = o.prefix_cache = o.rotated_keys = o.rotated_values = false;
  o.state_interval = 0;
  CHECK_FALSE(detail::room_of(o, 1, false).large_pages);
  o.large_pages = true;
  CHECK(detail::room_of(o, 1, false).large_pages);
}
