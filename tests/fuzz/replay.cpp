/// Runs a fuzz target without libFuzzer: over the files named on the command line, or else over bytes of its own making
/// (pure noise, and noise behind a GGUF header, always the same).
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::vector<char>& bytes) {
  // A block of exactly this size, so that a sanitizer sees a read of one byte too many.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    if (!in) return std::cerr << argv[i] << ": cannot be read\n", 1;
    run({std::istreambuf_iterator<char>(in), {}});
  }
  if (argc > 1) return 0;

  std::mt19937 random(1);
  for (std::size_t round = 0; round < 2000; ++round) {
    std::vector<char> bytes(random() % 512);
    for (auto& byte : bytes) byte = static_cast<char>(random() % (round % 3 == 0 ? 256 : 8));
    if (round % 2 == 1 && bytes.size() >= 24) std::memcpy(bytes.data(), "GGUF\3\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24);
    run(bytes);
  }
  return 0;
}
