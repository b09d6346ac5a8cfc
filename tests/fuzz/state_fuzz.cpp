/// Fuzz target: any bytes as the state of a session, or as a saved prefix cache. What is none leaves all as it was; with one
/// that is taken it goes on.
///
/// Input that begins as a state does is one. Anything else is a recipe for one: what a small model saved, of which some bytes
/// are changed, with a checksum that is right: most inputs then come behind that.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/core/checksum.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/generate/saved_session.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/smallest_model.hpp"

namespace {

using namespace nibble;
using bytes = std::vector<std::byte>;

void require(bool truth) {
  if (!truth) std::abort();
}

void say(session& s, std::span<const token> prompt, std::size_t count) {
  auto made = s.try_generate(prompt, {.max_tokens = count});
  require(made.has_value());
  for (const auto& event : *made) require(event.id >= no_token);
  require(made->reason() != finish::none);
}

/// A model, and what its sessions saved: after nothing, with logits, without, and behind more than one page.
struct saving {
  any_model model;
  context_policy when_full;
  std::vector<bytes> states = {};
  bytes prefixes = {};

  saving(const char* architecture, context_policy policy)
      : model(any_model::load(nibble_test::smallest_model(architecture, 32, 2).bytes(), {.threads = 1})), when_full(policy) {
    const std::vector<token> text(policy.weighs ? 210 : 70, 5);
    for (const std::size_t length : {std::size_t{0}, std::size_t{3}, text.size()}) {
      for (const std::size_t said : {0, 30}) {
        session s = made();
        if (length + said > 0) say(s, std::span(text).first(length), said);
        states.push_back(s.save());
      }
    }
    auto e = cached();
    for (std::size_t i = 0; i < 70; ++i) {
      require(e.feed(std::span(text).subspan(i, 1)) == feed_outcome::done);
      e.remember(std::span(text).first(i + 1));
    }
    vector_sink sink(prefixes);
    require(e.try_save_prefixes(sink).has_value());
  }
  evaluator cached() const {
    return evaluator::try_create(model, {.context = 130, .prefill_chunk = 16, .prefix_cache = true}).value();
  }
  session made() const {
    return session(model, {.context = when_full.weighs ? 192u : 90u, .prefill_chunk = 16, .when_full = when_full});
  }
};

const saving& model_of(std::size_t i) {
  static const std::vector<saving> all = [] {
    std::vector<saving> out;
    for (const char* name : {"llama", "gemma3", "qwen35", "falcon-h1"}) out.emplace_back(name, context_policy::stop());
    for (const auto& policy : {context_policy::sinks(4), context_policy::heavy_hitters(64)}) out.emplace_back("llama", policy);
    return out;
  }();
  return all[i % all.size()];
}

void try_state(const saving& of, std::span<const std::byte> state) {
  static constexpr token prompt[] = {1, 2, 3};
  session s = of.made();
  say(s, prompt, 2);
  const bytes before = s.save();
  if (!s.try_load(state)) {
    require(s.save() == before);
    return;
  }
  session other = of.made();
  require(other.try_load(s.save()).has_value());
  require(other.position() == s.position());
  say(s, {}, 4);
  s.truncate(s.position() / 2);
  say(s, prompt, 1);
}

void try_prefixes(const saving& of, std::span<const std::byte> prefixes) {
  const std::vector<token> text(129, 5);
  auto e = of.cached();
  bytes before, after;
  vector_sink first(before), second(after);
  require(e.try_save_prefixes(first).has_value());
  const bool taken = e.try_load_prefixes(prefixes).has_value();
  require(e.try_save_prefixes(second).has_value());
  if (!taken) return require(before == after);
  const std::size_t found = e.recall(text);
  require(found % page_positions == 0 && e.feed(std::span(text).subspan(found)) == feed_outcome::done);
  e.remember(text);
}

/// Which model, and which of its states, or its prefix cache; then up to 16 changes of three bytes each: where, and what comes
/// there.
void try_recipe(std::span<const std::uint8_t> data) {
  const saving& of = model_of(data[0]);
  const std::size_t which = data[1] % (of.states.size() + 1);
  bytes state = which < of.states.size() ? of.states[which] : of.prefixes;
  for (std::size_t i = 2; i + 3 <= data.size() && i < 2 + 16 * 3; i += 3) {
    const std::size_t at = std::size_t{data[i]} | std::size_t{data[i + 1]} << 8;
    const std::size_t most = at % 2 == 0 ? std::min(state.size(), 2 * sizeof(detail::saved_header)) : state.size();
    state[at / 2 * 7 % most] = static_cast<std::byte>(data[i + 2]);
  }
  const std::uint64_t sum = detail::checksum(std::span(state).first(state.size() - sizeof(std::uint64_t)));
  std::memcpy(state.data() + state.size() - sizeof(sum), &sum, sizeof(sum));
  which < of.states.size() ? try_state(of, state) : try_prefixes(of, state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("nibble")) {
    try_state(model_of(size), std::as_bytes(std::span(data, size)));
    try_prefixes(model_of(size), std::as_bytes(std::span(data, size)));
  } else if (size >= 2) {
    try_recipe({data, size});
  }
  return 0;
}
