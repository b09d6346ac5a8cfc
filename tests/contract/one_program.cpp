/// Three differently compiled units that use nibble, and a host's own Highway code, side by side: they hand models, sessions
/// and results to each other, and agree.
#include <iostream>

#include "unit.hpp"

namespace {
bool agree = true;

void expect(const char* what, bool good) {
  std::cout << what << (good ? ": good\n" : ": NOT GOOD\n");
  agree = agree && good;
}

/// What a session that another unit has made says.
std::string continued(nibble::result<nibble::session> session) {
  if (!session) return std::string("error: ") + session.failure().what();
  std::string text;
  for (auto& event : session->generate("It was a dark", {.max_tokens = 8})) text += event.text;
  return text;
}
}  // namespace

int main(int, char** argv) {
  const auto model = nibble::any_model::try_load(argv[1]);
  if (!model) return std::cout << model.failure().what() << '\n', 1;
  const std::string plain = speak_plain(*model);
  std::cout << plain << '\n';
  expect("plain", !plain.empty() && plain.rfind("error", 0) != 0 && continued(session_plain(*model)) == plain);
  expect("without exceptions", speak_nothrow(*model) == plain && continued(session_nothrow(*model)) == plain);
  expect("the user's own kernel", user_sum() == 36.0F);
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return agree ? 0 : 1;
#endif
  expect("for AVX2", speak_avx2(*model) == plain && continued(session_avx2(*model)) == plain);
  return agree ? 0 : 1;
}
