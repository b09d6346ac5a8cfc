// What is in a model file: its metadata, its tensors, and how many bits a weight takes.
//
//     08_inspect_gguf model.gguf
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <map>
#include <nibble/gguf/reader.hpp>
#include <sstream>
#include <string>

// A value as text: numbers, flags and strings as they are, arrays by their type alone.
std::string text_of(const nibble::value& v) {
  if (v.is_array()) return "[" + v.type_name() + "]";
  if (auto flag = v.try_as<bool>()) return *flag ? "true" : "false";
  if (auto number = v.try_as<std::int64_t>()) return std::to_string(*number);
  if (auto number = v.try_as<std::uint64_t>()) return std::to_string(*number);
  if (auto number = v.try_as<double>()) return (std::ostringstream() << *number).str();
  std::string text(*v.try_as<std::string_view>());
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text.size() > 80 ? text.substr(0, 77) + "..." : text;
}

int main(int argc, char** argv) {
  auto file = nibble::gguf_file::try_open(nibble::utf8_path(argc > 1 ? argv[1] : ""));
  if (!file) {
    std::cerr << file.failure().what() << '\n';
    return 1;
  }
  std::cout << "GGUF version " << file->version() << ", " << file->meta().size() << " keys, " << file->tensors().size()
            << " tensors, " << file->file_bytes() << " bytes in " << file->shards() << " file(s)\n\n";

  for (const auto& [key, value] : file->meta())
    std::cout << std::left << std::setw(48) << key << std::setw(8) << name_of(value.type()) << text_of(value) << '\n';

  std::cout << '\n';
  struct sum {
    std::uint64_t tensors = 0, weights = 0, bytes = 0;
  };
  std::map<std::string_view, sum> formats;
  for (const auto& tensor : file->tensors()) {
    std::cout << std::left << std::setw(48) << tensor.name << std::setw(8) << name_of(tensor.type) << tensor.shape() << '\n';
    sum& s = formats[name_of(tensor.type)];
    s.tensors += 1;
    s.weights += tensor.rows() * tensor.cols();
    s.bytes += tensor.bytes;
  }

  std::cout << "\nformat    tensors      weights        bytes  bits a weight\n" << std::fixed << std::setprecision(2);
  for (const auto& [name, s] : formats)
    std::cout << std::left << std::setw(8) << name << std::right << std::setw(9) << s.tensors << std::setw(13) << s.weights
              << std::setw(13) << s.bytes << std::setw(15) << 8.0 * double(s.bytes) / double(s.weights) << '\n';
}
