#include "nibble/sample/registry.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using nibble::token;

namespace {
std::vector<token> left_by(nibble::any_sampler sampler, std::vector<float> logits, std::vector<token> recent = {}) {
  nibble::candidates c;
  c.assign(logits);
  nibble::rng random(1);
  nibble::sample_context context{recent, random};
  sampler(c, context);
  std::vector<token> ids;
  for (const auto& x : c) ids.push_back(x.id);
  return ids;
}

/// A step of a user's own.
struct only {
  token id;
  static constexpr std::string_view name = "only";
  static nibble::result<only> from_text(std::string_view value) { return nibble::detail::parse_into<only, token>(value); }
  void operator()(nibble::candidates& c) const {
    c.remove_if([this](const nibble::candidate& x) { return x.id != id; });
  }
};
}  // namespace

TEST_CASE("every step has a name, and text gives the same sampler as code") {
  const std::vector<float> logits{1, 5, 3, 4.5f, 2};
  const auto same = [&](std::string_view text, nibble::any_sampler sampler) {
    CAPTURE(text);
    auto parsed = nibble::try_parse_sampler(text);
    REQUIRE(parsed);
    CHECK(left_by(*parsed, logits, {1, 3, 3}) == left_by(std::move(sampler), logits, {1, 3, 3}));
  };
  same("greedy", nibble::greedy{});
  same("top_k=2", nibble::top_k{2});
  same("temperature=0.5|top_p=0.8", nibble::temperature{0.5f} | nibble::top_p{0.8f});
  same(" top_k = 3 |\tmin_p=0.3 ", nibble::top_k{3} | nibble::min_p{0.3f});
  same("typical_p=0.4", nibble::typical_p{0.4f});
  same("penalties=frequency:3,last_n:2|top_k=2", nibble::penalties{.frequency = 3, .last_n = 2} | nibble::top_k{2});
  same("penalties=repetition:1.5, presence:-1e1|top_k=2",
       nibble::penalties{.repetition = 1.5f, .presence = -10} | nibble::top_k{2});
  same("logit_bias=1:-inf,2:2.5|top_k=2", nibble::logit_bias{{{1, -1e30f}, {2, 2.5f}}} | nibble::top_k{2});
  same("temperature=nan", nibble::greedy{});
  same("top_n_sigma=0.5", nibble::top_n_sigma{0.5f});
  same("xtc=probability:1,threshold:0.1", nibble::xtc{1, 0.1f});
  same("dynamic_temperature=t:0.1,range:0.05,exponent:2|top_p=0.5",
       nibble::dynamic_temperature{0.1f, 0.05f, 2} | nibble::top_p{0.5f});
  same("dry=multiplier:9,base:3,allowed_length:1,last_n:3,breaker:4|top_k=2",
       nibble::dry{9, 3, 1, 3, nibble::sequence_breakers(std::vector<std::vector<token>>{{4}})} | nibble::top_k{2});
  same("no_repeat_ngram=n:1,last_n:2|top_k=3", nibble::no_repeat_ngram{1, 2} | nibble::top_k{3});
  same("mirostat=tau:1,eta:0.2,m:3", nibble::mirostat{1, 0.2f, 3});
  same("mirostat_v2=tau:0.1", nibble::mirostat_v2{0.1f});
  same("adaptive_p=target:0.2,decay:0.5", nibble::adaptive_p{0.2f, 0.5f});
  same("mirostat_v2", nibble::mirostat_v2{});
}

TEST_CASE("text that is not understood is an error that names the step") {
  const auto complaint = [](std::string_view text) {
    auto parsed = nibble::try_parse_sampler(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.failure().code() == nibble::errc::invalid_argument);
    return std::string(parsed.failure().what());
  };
  CHECK(complaint("top_k=40|warmth=3") == "sampler \"warmth=3\": there is no step of this name");
  CHECK(complaint("") == "sampler \"\": there is no step of this name");
  CHECK(complaint("top_k=40|") == "sampler \"\": there is no step of this name");
  CHECK(complaint("top_k=4x") == "sampler \"top_k=4x\": expected a whole number, found \"4x\"");
  CHECK(complaint("top_k=-1") == "sampler \"top_k=-1\": expected a whole number, found \"-1\"");
  CHECK(complaint("top_k=99999999999999999999999").find("expected a whole number") != std::string::npos);
  CHECK(complaint("top_k") == "sampler \"top_k\": expected a whole number, found \"\"");
  CHECK(complaint("top_p=0,9") == "sampler \"top_p=0,9\": expected a number, found \"0,9\"");
  CHECK(complaint("greedy=1") == "sampler \"greedy=1\": expected no value, found \"1\"");
  CHECK(complaint("penalties=1.1").find("expected name:value, found \"1.1\"") != std::string::npos);
  CHECK(complaint("penalties=volume:1").find("found \"volume\"") != std::string::npos);
  CHECK(complaint("xtc=chance:1") == "sampler \"xtc=chance:1\": expected probability or threshold, found \"chance\"");
  CHECK(complaint("penalties=volume:1").find("expected repetition, frequency, presence or last_n,") != std::string::npos);
  CHECK(complaint("dry=breaker:x").find("expected a whole number, found \"x\"") != std::string::npos);
  CHECK(complaint("dry=allowed_length:1.5").find("expected a whole number") != std::string::npos);
  CHECK(complaint("no_repeat_ngram=3").find("expected name:value, found \"3\"") != std::string::npos);
  CHECK(complaint("logit_bias=a:1").find("expected a whole number, found \"a\"") != std::string::npos);
  CHECK(complaint("logit_bias=1:").find("expected a number, found \"\"") != std::string::npos);
}

TEST_CASE("a user's own step becomes nameable by a longer list") {
  using mine = nibble::append<nibble::named_samplers, only>;
  CHECK(left_by(nibble::parse_sampler<mine>("only=2|top_k=5"), {9, 8, 7}) == std::vector<token>{2});
  CHECK_FALSE(nibble::try_parse_sampler("only=2"));
}
