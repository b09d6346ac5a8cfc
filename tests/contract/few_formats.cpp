// A program that makes its kernels itself, of Q4_K, Q5_K and Q6_K alone (NIBBLE_FORMATS): a model in these speaks, and what
// needs others is an error that says why.
//   few_formats MODEL MODEL_IN_Q8_0
#include <nibble/kernels/compile.hpp>
// after the kernels:
#include <nibble/nibble.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace {
using namespace nibble;
int wrong = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  ++wrong;
  std::fprintf(stderr, "wrong: %s\n", what.c_str());
}
void expect_refused(const error& e, errc code, std::string_view format) {
  const std::string_view said = e.what();
  const bool says = said.find("NIBBLE_FORMATS") != said.npos && said.find(format) != said.npos;
  expect(e.code() == code && says, "another error: " + std::string(said));
}
}  // namespace

int main(int, char** argument) {
  const std::array chosen{tensor_type::f32, tensor_type::f16, tensor_type::q4_k, tensor_type::q5_k, tensor_type::q6_k};
  std::size_t tables = 0, formats = 0;
  for (; const kernel_table* table = kernels_at(tables); ++tables) {
    any_type(quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
      const auto& k = format_of<Q>.kernels(*table);
      const bool there = k.matmul && k.pack && k.unpack_row && k.decode_row;
      const bool wanted = std::find(chosen.begin(), chosen.end(), Q::type) != chosen.end();
      expect(there == wanted && (there || !k.matmul), std::string(table->target) + ", " + std::string(Q::name));
      formats += there;
      return false;
    });
  }
  expect(tables > 1 && formats == tables * chosen.size(), "tables of kernels");

  const auto model = any_model::load(argument[1]);
  session talk(model);
  std::size_t bytes = 0;
  for (const auto& e : talk.generate("Once upon a time", {.max_tokens = 8})) bytes += e.text.size();
  expect(bytes > 0, "a model in these formats is silent");

  const auto other = any_model::try_load(argument[2]);
  expect(!other, "a model in Q8_0 was loaded");
  if (!other) expect_refused(other.failure(), errc::unknown_format, "Q8_0");
  for (const session_options& o :
       {session_options{.kv = tensor_type::q8_0}, {.keys = tensor_type::bf16}, {.values = tensor_type::q4_0}}) {
    const auto refused = session::try_create(model, o);
    expect(!refused, "keys and values in a format that is left out");
    if (!refused) expect_refused(refused.failure(), errc::invalid_argument, "kv");
  }
  return wrong;
}
