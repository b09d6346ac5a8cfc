// What is in a model file, and the same model with other keys, in shards, or in one file again.
//
//     nibble-gguf inspect MODEL                    keys, tensors, and how many bits a weight takes
//     nibble-gguf get MODEL KEY                    the whole value of a key, such as tokenizer.chat_template
//     nibble-gguf set MODEL OUT KEY=VALUE... -KEY  a copy with other keys; OUT may be MODEL: where it fits, in place
//     nibble-gguf split MODEL STEM 2G              shards STEM-00001-of-0000N.gguf of at most 2 GB, or of so many tensors
//     nibble-gguf merge FIRST-SHARD OUT
//     nibble-gguf verify MODEL                     whether all weights can be decoded, and are numbers
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <nibble/gguf/reader.hpp>
#include <nibble/gguf/rewrite.hpp>
#include <nibble/quant/quantize.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"

namespace {
using nibble::errc;
using nibble::error;
using words = std::vector<std::string>;

// A value as text: numbers, flags and strings as they are, arrays by their type alone.
std::string text_of(const nibble::value& v) {
  if (v.is_array()) return "[" + v.type_name() + "]";
  if (auto flag = v.try_as<bool>()) return *flag ? "true" : "false";
  if (auto number = v.try_as<std::int64_t>()) return std::to_string(*number);
  if (auto number = v.try_as<std::uint64_t>()) return std::to_string(*number);
  if (auto number = v.try_as<double>()) return (std::ostringstream() << *number).str();
  return std::string(*v.try_as<std::string_view>());
}
std::string line_of(const nibble::value& v) {
  std::string text = text_of(v);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  if (text.size() <= 80) return text;
  std::size_t end = 77;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // between two characters
  return text.substr(0, end) + "...";
}

// Text as a value of this type.
template <class T>
nibble::value number_of(const std::string& text, nibble::value_type type) {
  if (const auto number = number_in<T>(text)) return nibble::value(*number);
  throw error(errc::bad_value, "expected a " + std::string(name_of(type)) + ", found '" + text + "'");
}
nibble::value value_of(const std::string& text, nibble::value_type type) {
  using enum nibble::value_type;
  switch (type) {
    case u8:
      return number_of<std::uint8_t>(text, type);
    case i8:
      return number_of<std::int8_t>(text, type);
    case u16:
      return number_of<std::uint16_t>(text, type);
    case i16:
      return number_of<std::int16_t>(text, type);
    case u32:
      return number_of<std::uint32_t>(text, type);
    case i32:
      return number_of<std::int32_t>(text, type);
    case u64:
      return number_of<std::uint64_t>(text, type);
    case i64:
      return number_of<std::int64_t>(text, type);
    case f32:
      return number_of<float>(text, type);
    case f64:
      return number_of<double>(text, type);
    case string:
      return nibble::value(text);
    case boolean:
      if (text == "true" || text == "false") return nibble::value(text == "true");
      throw error(errc::bad_value, "expected true or false, found '" + text + "'");
    case array:
      break;
  }
  throw error(errc::bad_value, "arrays cannot be written here");
}

// KEY=VALUE, with the type that the key has; KEY:TYPE=VALUE; or -KEY.
void change(nibble::metadata& meta, const std::string& word) {
  if (word.starts_with('-')) {
    if (!meta.erase(word.substr(1))) throw error(errc::missing_key, "there is no key '" + word.substr(1) + "'");
    return;
  }
  const auto equals = word.find('=');
  if (equals == word.npos) throw error(errc::invalid_argument, "expected KEY=VALUE or -KEY, found '" + word + "'");
  std::string key = word.substr(0, equals);
  auto type = nibble::value_type::string;
  if (const auto colon = key.find(':'); colon != key.npos) {
    const std::string name = key.substr(colon + 1);
    key.resize(colon);
    for (type = {}; name_of(type) != name; type = nibble::value_type(std::uint32_t(type) + 1)) {
      if (type == nibble::value_type::f64) throw error(errc::bad_value, "there is no type '" + name + "': u32, string, ...");
    }
  } else if (const auto* old = meta.find(key)) {
    type = old->type();
  } else {
    throw error(errc::missing_key, "'" + key + "' is a new key: name its type, as in " + key + ":u32=...");
  }
  try {
    meta.set(key, value_of(word.substr(equals + 1), type));
  } catch (const error& e) {
    throw error(e).in("key '" + key + "'");
  }
}

void show_progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
  const auto percent = static_cast<std::uint64_t>(total ? 100.0 * double(done) / double(total) : 100.0);
  std::cerr << '\r' << what << " [" << std::left << std::setw(25) << std::string(percent / 4, '#') << "] " << percent << '%';
  if (done == total) std::cerr << '\n';
}
nibble::copy_options with_progress(std::string_view what) {
  return {
      .progress = [what](const nibble::copy_progress& at) { return show_progress(what, at.done_bytes, at.total_bytes), true; }};
}

void inspect(const words& w) {
  const auto file = nibble::gguf_file::open(nibble::utf8_path(w.at(0)));
  std::cout << "GGUF version " << file.version() << ", " << file.meta().size() << " keys, " << file.tensors().size()
            << " tensors, " << file.file_bytes() << " bytes in " << file.shards() << " file(s)\n\n";
  for (const auto& [key, value] : file.meta())
    std::cout << std::left << std::setw(48) << key << std::setw(8) << name_of(value.type()) << line_of(value) << '\n';
  std::cout << '\n';
  struct sum {
    std::uint64_t tensors = 0, weights = 0, bytes = 0;
  };
  std::map<std::string_view, sum> formats;
  for (const auto& tensor : file.tensors()) {
    std::cout << std::left << std::setw(48) << tensor.name << std::setw(8) << name_of(tensor.type) << tensor.shape() << '\n';
    sum& s = formats[name_of(tensor.type)];
    s.tensors += 1, s.weights += tensor.rows() * tensor.cols(), s.bytes += tensor.bytes;
  }
  std::cout << "\nformat    tensors      weights        bytes  bits a weight\n" << std::fixed << std::setprecision(2);
  for (const auto& [name, s] : formats)
    std::cout << std::left << std::setw(8) << name << std::right << std::setw(9) << s.tensors << std::setw(13) << s.weights
              << std::setw(13) << s.bytes << std::setw(15) << 8.0 * double(s.bytes) / double(s.weights) << '\n';
}

// As it stands in the file, to the byte: for `> template.jinja`.
void get(const words& w) {
  const auto file = nibble::gguf_file::open(nibble::utf8_path(w.at(0)));
  const auto* value = file.meta().find(w.at(1));
  if (!value) throw error(errc::missing_key, w.at(0) + ": there is no key '" + w.at(1) + "'");
  std::cout << text_of(*value);
}

void set(const words& w) {
  const std::filesystem::path from = nibble::utf8_path(w.at(0)), to = nibble::utf8_path(w.at(1));
  const words changes(w.begin() + 2, w.end());
  const auto edit = [&](nibble::metadata& meta) -> nibble::result<void> {
    for (const auto& word : changes) change(meta, word);
    return {};
  };
  std::error_code none;  // there may be no such file yet
  const bool in_place = std::filesystem::equivalent(from, to, none);
  if (in_place) {
    const auto done = nibble::try_edit_gguf(from, edit);
    if (done) return;
    if (done.failure().code() != errc::invalid_argument) throw error(done.failure());
  }
  const auto file = nibble::gguf_file::open(from);
  if (in_place && file.shards() > 1) {  // a copy is the whole model
    throw error(errc::invalid_argument, w.at(0) + ": the keys of a shard do not fit where they stand: merge the shards first");
  }
  nibble::metadata meta = file.meta();
  edit(meta).value();
  nibble::copy_gguf(file, meta, to, with_progress("copying"));
}

// "2G" and "300M" are bytes, "64" is a number of tensors.
nibble::shard_limits limits_of(std::string text) {
  const char unit = text.empty() ? '?' : text.back();
  const std::uint64_t scale = unit == 'G' ? 1'000'000'000 : unit == 'M' ? 1'000'000 : 1;
  if (scale > 1) text.pop_back();
  const std::uint64_t number = argument<std::uint32_t>("TENSORS", text, 0, UINT32_MAX);
  return scale > 1 ? nibble::shard_limits{.bytes = number * scale} : nibble::shard_limits{.tensors = number};
}
void split(const words& w) {
  const auto file = nibble::gguf_file::open(nibble::utf8_path(w.at(0)));
  for (const auto& path : nibble::split_gguf(file, nibble::utf8_path(w.at(1)), limits_of(w.at(2)), with_progress("splitting")))
    std::cout << path.string() << '\n';
}

void merge(const words& w) {
  const std::filesystem::path to = nibble::utf8_path(w.at(1));
  if (std::filesystem::exists(to)) throw error(errc::invalid_argument, w.at(1) + ": a file of this name is there already");
  nibble::merge_gguf(nibble::gguf_file::open(nibble::utf8_path(w.at(0))), to, with_progress("merging"));
}

void verify(const words& w) {
  const auto file = nibble::gguf_file::open(nibble::utf8_path(w.at(0)));
  std::uint64_t done = 0, total = 0, bad = 0, unknown = 0;
  const auto is_table = [](nibble::tensor_type type) {  // of integers or doubles: no weights
    const std::string_view name = name_of(type);
    return name.starts_with('I') && name.size() <= 3 ? true : name == "F64";
  };
  for (const auto& tensor : file.tensors()) total += is_table(tensor.type) ? 0 : tensor.bytes;
  std::vector<float> row;
  for (const auto& tensor : file.tensors()) {
    if (is_table(tensor.type)) continue;
    const auto bytes = file.bytes(tensor);
    const std::size_t row_bytes = static_cast<std::size_t>(tensor.bytes / tensor.rows());
    row.resize(static_cast<std::size_t>(tensor.cols()));
    for (std::size_t r = 0; r < tensor.rows(); ++r) {
      const auto decoded =
          nibble::try_dequantize_rows(tensor.type, bytes.subspan(r * row_bytes, row_bytes), 1, row.size(), row);
      const bool finite = std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); });
      if (decoded && finite) continue;
      (decoded ? bad : unknown) += 1;
      std::cout << tensor.name << ": row " << r << ": "
                << (decoded ? "a weight that is infinite or no number" : decoded.failure().what()) << '\n';
      break;
    }
    show_progress("verifying", done += tensor.bytes, total);
  }
  std::cout << file.tensors().size() << " tensors, " << bad << " with weights that are no numbers, " << unknown
            << " that cannot be decoded\n";
  if (bad > 0) throw error(errc::malformed, w.at(0) + ": damaged");
  if (unknown > 0) throw error(errc::unknown_format, w.at(0) + ": not all of it could be verified");
}
}  // namespace

int main(int argc, char** argv) try {
  struct command {
    void (*run)(const words&);
    std::size_t least, most;
    const char* usage;
  };
  const std::map<std::string, command> commands{{"inspect", {inspect, 1, 1, "MODEL"}},
                                                {"get", {get, 2, 2, "MODEL KEY"}},
                                                {"set", {set, 3, SIZE_MAX, "MODEL OUT KEY=VALUE|KEY:TYPE=VALUE|-KEY..."}},
                                                {"split", {split, 3, 3, "MODEL STEM TENSORS|300M|2G"}},
                                                {"merge", {merge, 2, 2, "FIRST-SHARD OUT"}},
                                                {"verify", {verify, 1, 1, "MODEL"}}};
  words w(argv + 1, argv + argc);
  const auto found = commands.find(w.empty() ? "" : w.front());
  if (found != commands.end()) w.erase(w.begin());
  if (found == commands.end() || w.size() < found->second.least || w.size() > found->second.most) {
    for (const auto& [name, c] : commands) std::cerr << "usage: nibble-gguf " << name << ' ' << c.usage << '\n';
    return 2;
  }
  found->second.run(w);
} catch (const std::exception& e) {  // a sentence that names the file, and the key, tensor or offset
  std::cerr << e.what() << '\n';
  return 1;
}
