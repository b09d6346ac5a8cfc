/// Runs a fuzz target without libFuzzer, with any compiler.
///
///     <target>_replay path...             every file there, once
///     <target>_replay --mutate N path...  and N random changes of each, always the same ones, and noise
///     <target>_replay                     noise, bare and behind a GGUF header
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t runs = 0;

void run(const std::vector<std::uint8_t>& input) {
  const std::vector<std::uint8_t> exact(input);  // no spare capacity: a sanitizer sees every byte read beyond the end
  static_cast<void>(LLVMFuzzerTestOneInput(exact.data(), exact.size()));
  ++runs;
}

/// One to four small changes: bits, bytes, numbers that overflow, cuts, repetitions.
std::vector<std::uint8_t> mutated(std::vector<std::uint8_t> input, std::mt19937_64& random) {
  static constexpr std::uint64_t odd[] = {0, 1, 0x7f, 0xff, 0x7fffffff, 0xffffffff, 1ull << 32, 1ull << 62, 1ull << 63, ~0ull};
  for (std::uint64_t change = random() % 4 + 1; change > 0 && !input.empty(); --change) {
    const std::size_t at = random() % input.size();
    switch (random() % 6) {
      case 0:
        input[at] = static_cast<std::uint8_t>(input[at] ^ (1u << (random() % 8)));
        break;
      case 1:
        input[at] = static_cast<std::uint8_t>(random());
        break;
      case 2:
      case 3: {
        const std::uint64_t n = odd[random() % std::size(odd)];
        std::memcpy(input.data() + at, &n, (std::min)(input.size() - at, random() % 2 ? sizeof(n) : sizeof(n) / 2));
        break;
      }
      case 4:
        input.resize(at);
        break;
      default: {
        const std::vector<std::uint8_t> piece(input.begin() + std::ptrdiff_t(at),
                                              input.begin() + std::ptrdiff_t((std::min)(input.size(), at + random() % 64)));
        input.insert(input.begin() + std::ptrdiff_t(random() % input.size()), piece.begin(), piece.end());
      }
    }
  }
  return input;
}

void run_noise() {
  std::mt19937_64 random(1);
  for (std::size_t round = 0; round < 2000; ++round) {
    std::vector<std::uint8_t> bytes(random() % 512);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % (round % 3 == 0 ? 256 : 8));
    if (round % 2 == 1 && bytes.size() >= 24) std::memcpy(bytes.data(), "GGUF\3\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 24);
    run(bytes);
  }
}

bool run_file(const std::filesystem::path& path, std::size_t mutations) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return false;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::vector<std::uint8_t> input(text.begin(), text.end());
  run(input);
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i < mutations; ++i) run(mutated(input, random));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t mutations = 0;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--mutate") == 0 && i + 1 < argc) {
      mutations = std::stoul(argv[++i]);
    } else if (std::filesystem::is_directory(argv[i])) {
      for (const auto& item : std::filesystem::recursive_directory_iterator(argv[i]))
        if (item.is_regular_file()) files.push_back(item.path());
    } else {
      files.emplace_back(argv[i]);
    }
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files)
    if (!run_file(file, mutations)) return std::cerr << file.string() << ": cannot be read\n", 1;
  if (files.empty() || mutations > 0) run_noise();
  std::cout << runs << " inputs\n";
}
