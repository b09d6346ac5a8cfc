/// Preconditions of generating and of sampling, each broken once.
#include <doctest/doctest.h>

#include "nibble/config.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS

#include <cmath>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/transcript.hpp"
#include "nibble/sample/softmax.hpp"
#include "support/refused.hpp"

using namespace nibble_test;

TEST_CASE("candidates and the softmax report what they cannot be asked") {
  std::vector<float> logits{1, 2, 3};
  nibble::candidates c, none;
  c.assign(logits);
  CHECK(refused([&] { static_cast<void>(c[3]); }));
  CHECK(refused([&] { static_cast<void>(none.best()); }));
  CHECK(refused([&] { c.keep_likely(1, 3); }));
  CHECK(refused([&] { c.keep_likely(0, 3); }));
  std::vector<double> two(2);
  CHECK(refused([&] { nibble::softmax(c, two); }));
  std::vector<float> many((std::size_t{1} << 23) + 1);
  CHECK(refused([&] { c.assign(many); }));
  CHECK(refused([&] { static_cast<void>(nibble::least_logit(0, 1)); }));
  CHECK(refused([&] { static_cast<void>(nibble::least_logit(nibble::certain + 1, 1)); }));
  CHECK(refused([&] { static_cast<void>(nibble::least_logit(1, INFINITY)); }));
}

TEST_CASE("event builders, generations and sessions report what they cannot be asked") {
  nibble::event_builder builder(stories().tokenizer());
  nibble::sampling_scratch scratch;
  std::vector<float> logits(511);
  CHECK(refused([&] { static_cast<void>(builder.choose(logits, {}, scratch)); }));
  for (const token bad : {-2, 512, 1 << 30}) CHECK(refused([&] { static_cast<void>(builder.accept({bad})); }));
  CHECK(builder.reason() == finish::none);

  nibble::session session(stories());
  auto generation = session.generate("One", {.max_tokens = 1});
  auto at = generation.begin();
  ++at;
  CHECK(refused([&] { static_cast<void>(*at); }));
  CHECK(refused([&] { static_cast<void>(at->id); }));
  nibble::generation::iterator nowhere;
  CHECK(refused([&] { static_cast<void>(*nowhere); }));
  CHECK(refused([&] { ++nowhere; }));

  const nibble::session taken = std::move(session);
  CHECK(refused([&] { static_cast<void>(session.generate("One")); }));
  CHECK(refused([&] { static_cast<void>(session.try_generate(tokens{1})); }));
  CHECK(refused([&] { session.reset(); }));
  CHECK(refused([&] { static_cast<void>(session.try_fork()); }));
  CHECK(refused([&] { static_cast<void>(session.tokens()); }));
  CHECK(refused([&] { static_cast<void>(session.position()); }));
  CHECK(refused([&] { static_cast<void>(session.context()); }));
  CHECK(refused([&] { static_cast<void>(session.tokenizer()); }));
  CHECK(refused([&] { static_cast<void>(session.stats()); }));
  CHECK(refused([&] { static_cast<void>(session.model()); }));
}

#endif
