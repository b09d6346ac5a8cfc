/// Every step of the registry, with every setting of a list that it can read: a new step is in all tests that use this.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "nibble/sample/registry.hpp"

namespace nibble_test {

/// Calls f("name=value", sampler) for each.
template <class F>
void for_every_sampler(F f) {
  nibble::any_type(nibble::named_samplers{}, [&]<class S>(std::type_identity<S>) {
    std::size_t settings = 0;
    for (const std::string_view value : {"",
                                         "0",
                                         "1",
                                         "2",
                                         "40",
                                         "0.5",
                                         "0.05",
                                         "0.95",
                                         "-1",
                                         "1e-30",
                                         "3e38",
                                         "-3e38",
                                         "inf",
                                         "-inf",
                                         "nan",
                                         "0:-inf",
                                         "3:inf",
                                         "1:-5,2:nan,9:1e30",
                                         "repetition:1.3,frequency:0.1,presence:0.2",
                                         "repetition:nan,last_n:0",
                                         "repetition:1e-40,frequency:-3e38",
                                         "repetition:3e38,presence:inf,last_n:9999",
                                         "n:1",
                                         "n:2,last_n:3",
                                         "n:0",
                                         "probability:1,threshold:0.1",
                                         "probability:1,threshold:0",
                                         "probability:1,threshold:-1",
                                         "probability:nan,threshold:nan",
                                         "t:0.8,range:0.5,exponent:2",
                                         "t:1,range:1,exponent:0",
                                         "t:nan,range:3e38,exponent:-3e38",
                                         "t:0.5,range:inf,exponent:inf",
                                         "t:-1,range:2,exponent:nan",
                                         "allowed_length:1",
                                         "multiplier:2,allowed_length:0,last_n:3,breaker:1,breaker:299",
                                         "multiplier:3e38,base:3e38",
                                         "multiplier:-3e38,base:1.5,allowed_length:0",
                                         "multiplier:nan,base:inf",
                                         "base:0.5,last_n:0,breaker:-1,breaker:2147483647",
                                         "tau:5,eta:0.1",
                                         "tau:0,eta:1",
                                         "tau:3e38,eta:-3e38",
                                         "tau:-3e38",
                                         "tau:nan,eta:inf",
                                         "m:0",
                                         "tau:1,m:2",
                                         "target:0.3,decay:0.5",
                                         "target:0,decay:1",
                                         "target:3e38,decay:3e38",
                                         "target:-1,decay:-1",
                                         "target:nan,decay:nan"}) {
      auto step = S::from_text(value);
      if (!step) continue;
      ++settings;
      f(std::string(S::name).append("=").append(value), nibble::any_sampler(*std::move(step)));
    }
    CHECK_MESSAGE(settings > 0, S::name);  // write one that it can read into the list
    return false;
  });
}

}  // namespace nibble_test
