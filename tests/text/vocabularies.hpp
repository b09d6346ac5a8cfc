/// The small vocabularies of tests/golden/text, as metadata to change, and the texts and ids that belong to them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/gguf/reader.hpp"
#include "nibble/text/pre_tokenizer.hpp"
#include "nibble/text/tokenizer.hpp"
#include "support/files.hpp"

namespace nibble_test {

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The parts of a text that each end with a separator, or stand between separators.
inline std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> out;
  for (std::size_t at; (at = text.find(separator)) != text.npos; text.remove_prefix(at + separator.size()))
    out.emplace_back(text.substr(0, at));
  if (!text.empty()) out.emplace_back(text);
  return out;
}

inline std::vector<nibble::token> ids_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<nibble::token> ids;
  for (nibble::token id; in >> id;) ids.push_back(id);
  return ids;
}

/// The keys of a GGUF file and the file that they point into.
struct vocabulary_file {
  explicit vocabulary_file(const std::filesystem::path& path) : file(open(path)), meta(file.meta()) {}

  std::vector<std::string> strings(std::string_view key) const {
    const auto views = meta.try_get_array<std::string_view>(key);
    REQUIRE(views);
    return {views->begin(), views->end()};
  }
  template <class T>
  std::vector<T> numbers(std::string_view key) const {
    auto all = meta.try_get_array<T>(key);
    REQUIRE(all);
    return *std::move(all);
  }
  nibble::tokenizer load() const {
    auto made = nibble::tokenizer::try_load(meta);
    if (!made) FAIL(std::string(made.failure().what()));
    return *std::move(made);
  }

  nibble::gguf_file file;
  nibble::metadata meta;

 private:
  static nibble::gguf_file open(const std::filesystem::path& path) {
    auto made = nibble::gguf_file::try_open(path);
    if (!made) FAIL(std::string(made.failure().what()));
    return *std::move(made);
  }
};

/// Names of pre-tokenizers whose files write pieces byte by byte: one for each expression, and whatever else they say.
inline std::vector<std::string> byte_level_splits() {
  std::vector<std::string> names;
  std::vector<std::pair<decltype(nibble::pre_tokenizer::stages), nibble::pre_tokenizer_flags>> seen;
  for (const auto& split : nibble::pre_tokenizers) {
    const std::pair kind{split.stages, split.flags};
    if (split.has(nibble::pre_tokenizer_flags::characters) || std::find(seen.begin(), seen.end(), kind) != seen.end()) continue;
    seen.push_back(kind);
    names.emplace_back(split.name);
  }
  return names;
}

inline vocabulary_file golden_vocabulary(const std::string& name) { return vocabulary_file(golden("text/" + name + ".gguf")); }

}  // namespace nibble_test
