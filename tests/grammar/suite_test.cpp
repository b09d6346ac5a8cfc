/// The JSON Schema test suite, against what is expected of each schema: a file that may only get better.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/text/json.hpp"
#include "support/files.hpp"

namespace {

struct outcome {
  std::size_t right = 0, refused = 0, accepted_wrongly = 0, tests = 0;
};

outcome run(const nibble::json& group, const std::string& draft) {
  outcome out;
  nibble::json schema = *group.find("schema");
  if (draft == "draft7" && schema.is(nibble::json_kind::object))
    schema.set("$schema", "http://json-schema.org/draft-07/schema#");
  const auto made = nibble::grammar::try_from_schema(schema);
  const bool nothing_is_valid = !made && made.failure().code() == nibble::errc::malformed;
  for (const nibble::json& test : group.find("tests")->items()) {
    ++out.tests;
    if (nothing_is_valid) {
      out.right += !test.find("valid")->boolean();
      continue;
    }
    if (!made) {
      ++out.refused;
      continue;
    }
    nibble::grammar_parser parser(*made);
    const bool accepted = parser.accept(test.find("data")->text()) && parser.may_end();
    const bool valid = test.find("valid")->boolean();
    out.right += accepted == valid;
    out.accepted_wrongly += accepted && !valid;
  }
  return out;
}

/// "file | schema": how many of its tests are right.
std::map<std::string, std::size_t> expected_of(const std::string& draft) {
  std::ifstream in(nibble_test::golden("../grammar/suite_" + draft + ".txt"));
  std::map<std::string, std::size_t> out;
  for (std::string line; std::getline(in, line);) {
    const std::size_t space = line.find(' ');
    if (space != std::string::npos) out[line.substr(space + 1)] = std::stoul(line);
  }
  return out;
}

void check(const std::string& draft, std::size_t least_percent) {
  const auto folder = nibble_test::shared("json-schema/tests/" + draft);
  NIBBLE_NEEDS(folder);
  const auto expected = expected_of(draft);
  CHECK(!expected.empty());
  outcome all;
  std::ostringstream found;
  bool differs = false;
  std::vector<std::filesystem::path> files;
  for (const auto& item : std::filesystem::directory_iterator(folder))
    if (item.is_regular_file()) files.push_back(item.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    const auto bytes = nibble_test::read_all<char>(file);
    const nibble::json groups = nibble::json::parse(std::string(bytes.begin(), bytes.end()));
    for (const nibble::json& group : groups.items()) {
      const std::string name = file.filename().string() + " | " + std::string(group.find("description")->string());
      const outcome o = run(group, draft);
      CHECK_MESSAGE(o.accepted_wrongly == 0, name);
      all.right += o.right, all.tests += o.tests;
      found << o.right << ' ' << name << '\n';
      const auto line = expected.find(name);
      differs = differs || line == expected.end() || line->second != o.right;
      if (line != expected.end()) CHECK_MESSAGE(o.right >= line->second, name);
    }
  }
  if (differs) std::ofstream("suite_" + draft + ".found.txt") << found.str();  // to take over where it is better
  MESSAGE(draft << ": " << all.right << " of " << all.tests << " are right");
  CHECK(100 * all.right >= least_percent * all.tests);
}

}  // namespace

TEST_CASE("of the required tests of draft 2020-12 nine in ten are right, and nothing invalid is accepted") {
  check("draft2020-12", 90);
}
TEST_CASE("of the required tests of draft 7 nine in ten are right, and nothing invalid is accepted") { check("draft7", 90); }
