// Prints a hash of the logits of models, computed by the kernels of one instruction set: same_logits.py compares what programs
// that were compiled in different ways say.
//   same_logits targets               the instruction sets of this program that this CPU runs and that can be chosen, best
//   first same_logits TARGET IDS MODEL...   after each of IDS ids, in steps of 16 and then one by one; in the place of a file,
//                                     `architectures` is the smallest model of every architecture that is registered
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "hwy/targets.h"
#include "nibble/model/registry.hpp"
#include "nibble/nibble.hpp"
#include "support/smallest_model.hpp"

namespace {
using namespace nibble;

/// Makes these kernels the best ones, by telling the SIMD library that the CPU runs nothing better.
bool choose(std::string_view target) {
  const auto chosen = [&] { return kernels_at(0)->target == target; };
  for (int bit = 62; bit >= 0 && !chosen(); --bit) {
    hwy::SetSupportedTargetsForTest(std::int64_t{1} << bit);
    if (!chosen()) hwy::SetSupportedTargetsForTest(INT64_MAX << bit & INT64_MAX);  // for those that are not among its targets
  }
  return chosen();
}

class hash {
 public:
  void add(std::span<const float> row) {
    for (const float x : row) value_ = (value_ ^ std::bit_cast<std::uint32_t>(x)) * 1099511628211u;
  }
  void print(const std::string& name) const {
    std::printf("%s %016llx\n", name.c_str(), static_cast<unsigned long long>(value_));
    std::fflush(stdout);
  }

 private:
  std::uint64_t value_ = 14695981039346656037u;
};

hash logits_of(const any_model& model, std::size_t count) {
  constexpr std::size_t chunk = 16, alone = 3;
  std::vector<token> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<token>(i * 7919 % model.vocabulary()));
  hash found;
  const auto add = [&](std::size_t, std::span<const float> row) { found.add(row); };
  for (const tensor_type kv : {tensor_type::f16, tensor_type::q8_0, tensor_type::q4_0}) {
    auto e = evaluator::create(model, {.context = count, .prefill_chunk = chunk, .kv = kv});
    const std::span all(ids);
    bool done = e.feed_each(all.first(count - alone), add) == feed_outcome::done;
    for (std::size_t i = count - alone; i < count; ++i)
      done = e.feed_each(all.subspan(i, 1), add) == feed_outcome::done && done;
    if (!done) throw std::runtime_error("not all tokens were fed");
  }
  return found;
}

hash vector_of(const any_model& model, std::size_t count) {
  std::vector<token> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<token>(i * 7919 % model.vocabulary()));
  hash found;
  found.add(embedder::create(model, {.context = count, .pooling = pooling::mean}).embed(ids));
  return found;
}

void print_hash(const std::string& name, std::size_t ids) {
  if (name != "architectures") {
    logits_of(any_model::load(name, {.threads = 1}), ids).print(name.substr(name.rfind('/') + 1));
    return;
  }
  any_type(architectures{}, [&]<class A>(std::type_identity<A>) {
    nibble_test::smallest_model m(A::name);
    const auto model = any_model::load(m.bytes(), {.threads = 1});
    (m.makes_vectors() ? vector_of(model, ids) : logits_of(model, ids)).print("smallest " + std::string(A::name));
    return false;
  });
}
}  // namespace

int main(int count, char** argument) {
  const std::vector<std::string> told(argument + 1, argument + count);
  if (told == std::vector<std::string>{"targets"}) {
    std::vector<const char*> names;
    for (std::size_t i = 0; const kernel_table* t = kernels_at(i); ++i) names.push_back(t->target);
    for (const char* name : names) {
      if (choose(name)) std::puts(name);  // not the scalar ones where a compiler's flags promise the only other set
    }
    return 0;
  }
  if (told.size() < 3 || !choose(told[0])) return std::fputs("same_logits TARGET IDS MODEL...\n", stderr), 2;
  try {
    for (std::size_t i = 2; i < told.size(); ++i) print_hash(told[i], std::strtoul(told[1].c_str(), nullptr, 10));
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "%s\n", e.what()), 1;
  }
}
