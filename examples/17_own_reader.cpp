// A model inside of something else: here a tar archive, which is read by ranges and never unpacked. Assets of a program and
// encrypted stores are read in the same way. A file that is no archive is taken as it is.
//
//     17_own_reader models.tar ["prompt"]
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <nibble/nibble.hpp>
#include <string>
#include <string_view>

// Where a file lies in an archive.
struct member {
  std::string name;
  std::uint64_t offset = 0, size = 0;
};

// The first member whose name ends in .gguf: each has a header of 512 bytes, with its size in octal digits, before its own
// bytes, which end at a multiple of 512.
member find_model(std::istream& archive, std::uint64_t archive_size) {
  for (std::uint64_t at = 0; at + 512 <= archive_size;) {
    char header[512];
    archive.seekg(static_cast<std::streamoff>(at)).read(header, sizeof header);
    if (!archive || std::string_view(header + 257, 5) != "ustar") break;
    const std::uint64_t size = std::stoull("0" + std::string(header + 124, 11), nullptr, 8);
    const std::string name(header, std::find(header, header + 100, '\0'));
    if (name.ends_with(".gguf")) return {name, at + 512, size};
    at += 512 + (size + 511) / 512 * 512;
  }
  archive.clear();
  return {"the whole file", 0, archive_size};
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::cerr << "usage: 17_own_reader MODELS.tar [PROMPT]\n";
    return 2;
  }
  const std::string path = argv[1];
  const auto file = std::make_shared<std::ifstream>(path, std::ios::binary | std::ios::ate);
  if (!*file) {
    std::cerr << path << ": cannot be read\n";
    return 1;
  }
  const member model_file = find_model(*file, static_cast<std::uint64_t>(file->tellg()));

  // Called with a place within the model and room for what stands there. It may give less, or an error of its own.
  const auto read = [file, begin = model_file.offset](std::uint64_t offset,
                                                      std::span<std::byte> out) -> nibble::result<std::size_t> {
    file->clear();
    file->seekg(static_cast<std::streamoff>(begin + offset));
    file->read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
    if (file->bad()) return nibble::error(nibble::errc::io, "the archive cannot be read");
    return static_cast<std::size_t>(file->gcount());
  };
  const nibble::byte_source source(model_file.size, read, path + "/" + model_file.name);

  const auto model = nibble::any_model::load(source);  // the weights are in memory once; the archive is not needed any more
  std::cout << source.name() << ": " << model.weight_bytes() << " bytes of weights\n";
  auto session = nibble::session(model, {.context = 256});
  for (auto& event : session.generate(argc > 2 ? argv[2] : "Once upon a time", {.max_tokens = 24})) std::cout << event.text;
  std::cout << '\n';
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
