/// Three differently compiled copies of nibble and a host's own Highway code side by side: all of them work, and agree.
#include <iostream>

#include "unit.hpp"

int main(int, char** argv) {
  const std::string plain = speak_plain(argv[1]);
  const std::string nothrow = speak_nothrow(argv[1]);
  bool good = !plain.empty() && plain.rfind("error", 0) != 0 && nothrow == plain && user_sum() == 36.0F;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) good = good && speak_avx2(argv[1]) == plain;
#else
  good = good && speak_avx2(argv[1]) == plain;
#endif
  std::cout << plain << '\n' << nothrow << '\n' << (good ? "equal" : "NOT EQUAL") << '\n';
  return good ? 0 : 1;
}
