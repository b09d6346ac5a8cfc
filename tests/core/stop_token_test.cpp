#include "nibble/core/stop_token.hpp"

#include <doctest/doctest.h>

using nibble::stop_source;
using nibble::stop_token;

TEST_CASE("a token that nobody holds the other end of never stops") { CHECK_FALSE(stop_token().stop_requested()); }

TEST_CASE("all copies of a token see that one copy of its source was asked to stop, and later ones do, too") {
  const stop_source source, other;
  const stop_source copy = source;
  const stop_token before = source.get_token();
  CHECK_FALSE(before.stop_requested());
  CHECK(copy.request_stop());
  CHECK_FALSE(source.request_stop());  // it was asked before
  CHECK(source.stop_requested());
  CHECK(before.stop_requested());
  CHECK(stop_token(before).stop_requested());
  CHECK(source.get_token().stop_requested());
  CHECK_FALSE(other.get_token().stop_requested());
}

TEST_CASE("a token lives longer than its source") {
  stop_token token;
  {
    const stop_source source;
    token = source.get_token();
    source.request_stop();
  }
  CHECK(token.stop_requested());
}

TEST_CASE("a host's own flag stops while it is true") {
  std::atomic<bool> flag{false};
  const stop_token token(flag);
  CHECK_FALSE(token.stop_requested());
  flag = true;
  CHECK(token.stop_requested());
  flag = false;
  CHECK_FALSE(token.stop_requested());
}

#ifdef __cpp_lib_jthread
TEST_CASE("the standard's own token is taken as it is") {
  std::stop_source source;
  const stop_token token = source.get_token();
  CHECK_FALSE(token.stop_requested());
  source.request_stop();
  CHECK(token.stop_requested());
}
#endif
