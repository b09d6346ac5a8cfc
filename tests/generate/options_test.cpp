#include "nibble/generate/options.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <string_view>

#include "nibble/generate/event.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"

TEST_CASE("options are named where they differ, and samplers compose in place") {
  nibble::stop_source cancel;
  const nibble::generate_options options{.max_tokens = 64,
                                         .sampler = nibble::temperature{0.8f} | nibble::top_k{40},
                                         .seed = 7,
                                         .stop = {"\n\n"},
                                         .cancel = cancel.get_token()};
  const nibble::generate_options copy = options;
  CHECK(copy.stop.size() == 1);
  CHECK_FALSE(copy.parse_special);
  cancel.request_stop();
  CHECK(copy.cancel.stop_requested());
  CHECK_FALSE(nibble::generate_options().cancel.stop_requested());
}

TEST_CASE("every ending has a name of its own") {
  std::set<std::string_view> names;
  for (int i = 0; i <= int(nibble::finish::not_a_number); ++i) names.insert(nibble::name_of(nibble::finish(i)));
  CHECK(names.size() == 10);
  CHECK(names.count("?") == 0);
  CHECK(nibble::name_of(nibble::finish(99)) == "?");
  CHECK(std::isnan(nibble::token_event().logprob));
}
