// Whether instances are what a JSON Schema says, byte by byte, or token by token under masks.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/number_texts.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/tokenizer.hpp"

namespace bench {

namespace {

nibble::json read_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + ": cannot be read");
  nibble::limits most;
  most.json_depth = nibble::json::deepest;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto value = nibble::json::try_parse(text, most);
  if (!value) throw std::runtime_error(path.string() + ": " + value.failure().what());
  return *std::move(value);
}

/// The value with numbers as a grammar writes them: without an exponent, unless there are more than 400 zeros in it.
nibble::json plainly(const nibble::json& value) {
  if (value.is(nibble::json_kind::array)) {
    std::vector<nibble::json> items;
    for (const nibble::json& item : value.items()) items.push_back(plainly(item));
    return nibble::json::array(std::move(items));
  }
  if (value.is(nibble::json_kind::object)) {
    std::vector<nibble::json::member> members;
    for (const nibble::json::member& m : value.members()) members.push_back({m.key, plainly(m.value)});
    return nibble::json::object(std::move(members));
  }
  const auto number =
      value.digits().find_first_of("eE") != std::string_view::npos ? nibble::detail::decimal_of(value.digits()) : std::nullopt;
  if (!number) return value;
  return nibble::json::number((number->negative ? "-" : "") + number->whole + (number->fraction.empty() ? "" : ".") +
                              number->fraction);
}

/// Walks tokens that a model's own tokenizer makes, and measures each mask.
class token_walk {
 public:
  token_walk(const nibble::grammar& g, const fs::path& model)
      : words_(nibble::tokenizer::load(model)), matcher_(g, std::make_shared<const nibble::token_trie>(words_)) {}

  bool accepts(const std::string& text) {
    matcher_.reset();
    for (const nibble::token id : words_.encode(text, {.special = false, .bos = false, .eos = false, .continues = true})) {
      const auto begin = std::chrono::steady_clock::now();
      const nibble::token_mask mask = matcher_.allowed();
      microseconds_.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
      if (!nibble::is_allowed(mask, id) || !matcher_.accept(id)) return false;
    }
    return matcher_.may_end();
  }

  nlohmann::ordered_json figures() {
    if (microseconds_.empty()) return {{"masks", 0}};
    const double first = microseconds_.front();
    std::sort(microseconds_.begin(), microseconds_.end());
    const auto at = [&](std::size_t percent) { return microseconds_[(microseconds_.size() - 1) * percent / 100]; };
    return {{"masks", microseconds_.size()},
            {"first_us", first},
            {"p50_us", at(50)},
            {"p99_us", at(99)},
            {"max_us", at(100)},
            {"vocabulary", words_.size()},
            {"memory_bytes", matcher_.memory_bytes()}};
  }

 private:
  nibble::tokenizer words_;
  nibble::grammar_matcher matcher_;
  std::vector<double> microseconds_;
};

}  // namespace

int schema(const fs::path& schema_file, const fs::path& instances_file, const fs::path& vocabulary) {
  const auto begin = std::chrono::steady_clock::now();
  const auto made = nibble::grammar::try_from_schema(read_json(schema_file));
  const bool of_nothing = !made && made.failure().code() == nibble::errc::malformed;  // it is a schema
  if (!made && !of_nothing) {
    std::cerr << made.failure().what() << '\n';
    return 2;
  }
  const double compile_us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  const nibble::json instances = read_json(instances_file);
  if (!instances.is(nibble::json_kind::array))
    throw std::runtime_error(instances_file.string() + ": expected an array of instances, found " +
                             nibble::detail::described(instances));
  if (of_nothing) {
    for (std::size_t i = 0; i < instances.items().size(); ++i) std::cout << "refused\n";
    return 0;
  }
  std::unique_ptr<token_walk> walk;
  if (!vocabulary.empty()) walk = std::make_unique<token_walk>(*made, vocabulary);
  nibble::grammar_parser parser(*made);
  for (const nibble::json& instance : instances.items()) {
    const std::string text = plainly(instance).text();
    parser.reset();
    const bool accepted = walk ? walk->accepts(text) : parser.accept(text) && parser.may_end();
    std::cout << (accepted ? "accepted\n" : "refused\n");
  }
  if (walk) {
    nlohmann::ordered_json figures = walk->figures();
    figures["compile_us"] = compile_us;
    std::cout << figures << '\n';
  }
  return 0;
}

}  // namespace bench
