/// The system refuses memory while a file is quantized, once for each allocation: nothing stays behind.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <new>

#include "file/temporary_folder.hpp"
#include "nibble/quant/quantize_file.hpp"
#include "support/files.hpp"
#include "support/sanitized.hpp"

#if !NIBBLE_TEST_SANITIZED && NIBBLE_EXCEPTIONS && defined(__linux__)

namespace {
constexpr long never = -1;
long allocations = 0, refused = never;

// not inlined: see generate/allocation_test.cpp
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }
}  // namespace

void* operator new(std::size_t size) {
  void* memory = allocations++ == refused ? nullptr : std::malloc(size > 0 ? size : 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }

TEST_CASE("a refused allocation leaves no file and no descriptor, and the old file as it was") {
  const nibble_test::temporary_folder folder;
  const auto old = std::vector<std::byte>(7, std::byte{7});
  const auto path = folder.put("out.gguf", old);
  const auto source = nibble::gguf_file::open(nibble_test::golden("models/llama.gguf"));
  const auto recipe = nibble::quantize_recipe::named("Q8_0");
  const auto descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto open_before = descriptors();
  long refusals = 0;
  for (;; ++refusals) {
    bool failed = false;
    allocations = 0, refused = refusals;
    try {
      failed = !nibble::try_quantize_file(source, path, recipe);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    refused = never;
    if (!failed) break;
    REQUIRE(folder.files() == 1);
    REQUIRE(descriptors() == open_before);
    REQUIRE(nibble_test::read_all(path) == old);
  }
  CHECK(refusals > 50);
  CHECK(nibble_test::read_all(path).size() > 1000);
}

#endif
