/// Beside llama.cpp, sampler by sampler, on logits and texts that both sides compute.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "nibble/sample/registry.hpp"
#include "nibble/sample/softmax.hpp"
#include "sample/after.hpp"
#include "support/files.hpp"

using nibble::candidate;
using nibble::candidates;
using nibble::token;
using nibble_test::plain_logits;

namespace {
/// A line of the goldens, as tests/support/make_sampler_goldens.py writes it.
struct recorded {
  std::string kind, sampler;
  std::size_t n = 0;
  std::uint32_t seed = 0;
  std::vector<std::string> values;

  std::string settings() const { return sampler.substr(sampler.find('=') + 1); }
  double number(std::size_t i) const { return std::stod(values.at(i)); }
};

std::vector<recorded> records(std::string_view kind) {
  std::ifstream file(nibble_test::golden("sample/llama_cpp.txt"));
  std::vector<recorded> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    recorded r;
    if (!(words >> r.kind >> r.sampler >> r.n >> r.seed) || r.kind != kind) continue;
    for (std::string value; words >> value;) r.values.push_back(value);
    all.push_back(std::move(r));
  }
  REQUIRE(!all.empty());
  return all;
}

std::vector<std::string> sorted_ids(std::vector<token> ids) {
  std::sort(ids.begin(), ids.end());
  std::vector<std::string> texts;
  for (const token id : ids) texts.push_back(std::to_string(id));
  return texts;
}

double share(const candidates& c, std::size_t i) {
  std::vector<double> all(c.size());
  nibble::softmax(c, all);
  return all[i];
}

/// The candidate that is as likely as this, nearly.
std::size_t nearest(const candidates& c, double probability) {
  std::vector<double> all(c.size());
  nibble::softmax(c, all);
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size(); ++i)
    if (std::abs(all[i] - probability) < std::abs(all[best] - probability)) best = i;
  return best;
}

template <class Mirostat>
void check_trace(const recorded& r) {
  Mirostat step = *Mirostat::from_text(r.settings());
  double& limit = step.control.limit;
  limit = 2.0 * double(step.tau);
  for (std::size_t i = 0; 2 * i < r.values.size(); ++i) {
    auto logits = plain_logits(r.n, r.seed + std::uint32_t(100 * i), 0x1p-21f);
    candidates c;
    c.assign(logits);
    step.keep_below(c, limit);
    CHECK(double(c.size()) == r.number(2 * i));
    const double theirs = r.number(2 * i + 1), ours = share(c, nearest(c, theirs));
    CHECK(ours == doctest::Approx(theirs).epsilon(1e-4));
    step.control.learn(step.tau, step.eta, ours);
  }
}
}  // namespace

TEST_CASE("what llama.cpp keeps is kept") {
  for (const recorded& r : records("kept")) {
    CAPTURE(r.sampler);
    CAPTURE(r.n);
    CHECK(sorted_ids(nibble_test::ids_after(nibble::parse_sampler(r.sampler), plain_logits(r.n, r.seed))) == r.values);
  }
}

TEST_CASE("what llama.cpp takes away, of likely tokens, goes") {
  for (const recorded& r : records("gone")) {
    CAPTURE(r.sampler);
    CAPTURE(r.n);
    const auto left = nibble_test::ids_after(nibble::parse_sampler(r.sampler), plain_logits(r.n, r.seed));
    std::vector<token> gone;
    for (std::size_t i = 0; i < r.n; ++i)
      if (std::find(left.begin(), left.end(), token(i)) == left.end()) gone.push_back(token(i));
    CHECK(sorted_ids(gone) == r.values);
  }
}

TEST_CASE("dynamic temperatures are llama.cpp's") {
  for (const recorded& r : records("logits")) {
    CAPTURE(r.sampler);
    CAPTURE(r.n);
    auto after = nibble_test::after(nibble::parse_sampler(r.sampler), plain_logits(r.n, r.seed));
    for (const std::string& value : r.values) {
      const auto colon = value.find(':');
      const float logit = after[std::stoul(value.substr(0, colon))].logit;
      CHECK(logit == doctest::Approx(std::stod(value.substr(colon + 1))).epsilon(2e-5));
    }
  }
}

TEST_CASE("logits that would repeat a sequence are lowered as by llama.cpp") {
  std::size_t lowered = 0;
  for (const recorded& r : records("dry")) {
    CAPTURE(r.sampler);
    CAPTURE(r.seed);
    nibble::dry step = *nibble::dry::from_text(r.settings());
    std::vector<std::vector<token>> sequences;
    std::istringstream breakers(r.values[0] == "none" ? "" : r.values[0]);
    for (std::string sequence; std::getline(breakers, sequence, ';');) {
      std::istringstream ids(sequence);
      sequences.emplace_back();
      for (std::string id; std::getline(ids, id, ',');) sequences.back().push_back(std::stoi(id));
    }
    step.breakers = nibble::sequence_breakers(sequences);
    std::vector<token> text;
    for (const std::uint32_t x : nibble_test::integers(150, 1000 + r.seed)) text.push_back(token(x % r.n));
    const auto before = plain_logits(8, r.seed);
    auto expected = before;
    for (std::size_t i = 1; i < r.values.size(); ++i) {
      const auto colon = r.values[i].find(':');
      expected[std::stoul(r.values[i].substr(0, colon))] = std::stof(r.values[i].substr(colon + 1));
      ++lowered;
    }
    for (const bool listed : {false, true}) {
      auto either = [&](candidates& c, nibble::sample_context& context) {
        if (listed) static_cast<void>(c.items());
        step(c, context);
      };
      const auto after = nibble_test::after(either, before, text);
      for (std::size_t i = 0; i < 8; ++i) {
        CAPTURE(i);
        CHECK((after[i].logit == before[i]) == (expected[i] == before[i]));
        CHECK(after[i].logit == doctest::Approx(expected[i]).epsilon(1e-5));
      }
    }
  }
  CHECK(lowered > 50);
}

TEST_CASE("mirostat keeps as many as llama.cpp, token after token") {
  for (const recorded& r : records("trace")) {
    CAPTURE(r.sampler);
    CAPTURE(r.n);
    r.sampler.starts_with("mirostat_v2") ? check_trace<nibble::mirostat_v2>(r) : check_trace<nibble::mirostat>(r);
  }
}

TEST_CASE("probabilities that adapt are llama.cpp's, token after token") {
  for (const recorded& r : records("adapted")) {
    CAPTURE(r.sampler);
    CAPTURE(r.n);
    nibble::adaptive_p step = *nibble::adaptive_p::from_text(r.settings());
    for (std::size_t i = 0; 2 * i < r.values.size(); ++i) {
      auto logits = plain_logits(r.n, r.seed + std::uint32_t(100 * i), 0x1p-21f);
      candidates c;
      c.assign(logits);
      std::vector<double> shares(r.n);
      nibble::softmax(c, shares);
      const double drawn = shares[nearest(c, r.number(2 * i + 1))];
      std::vector<float> adapted;
      for (const double p : shares) adapted.push_back(nibble::adaptive_p::adapted(p, step.wanted()));
      c.assign(adapted);
      nibble::softmax(c, shares);
      CHECK(*std::max_element(shares.begin(), shares.end()) == doctest::Approx(r.number(2 * i)).epsilon(1e-3));
      step.learn(drawn);
    }
  }
}
