/// Sessions that are saved and loaded: they go on with the same bits, and damaged bytes are errors that change nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "file/temporary_folder.hpp"
#include "generate/replies.hpp"
#include "nibble/core/checksum.hpp"
#include "nibble/generate/saved_session.hpp"
#include "nibble/sample/temperature.hpp"
#include "support/equal.hpp"
#include "support/full_disk.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;
using nibble::errc;
using memory = std::vector<std::byte>;

namespace {
std::vector<nibble::any_model> models() {
  std::vector<nibble::any_model> out{stories(), windowed()};
  for (const char* name : {"qwen35", "mamba2", "falcon-h1", "deepseek2"})
    out.push_back(nibble::any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2}));
  return out;
}
tokens some_tokens(std::size_t count, const nibble::any_model& model) {
  tokens out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + i * 7919 % (model.vocabulary() - 3)));
  return out;
}
reply drawn(nibble::session& s, std::size_t count) {
  return read(s.generate("", {.max_tokens = count, .sampler = nibble::temperature{1.3f}, .seed = 5, .logprobs = true}));
}
void same(const reply& a, const reply& b) {
  CHECK(a.ids == b.ids);
  CHECK(a.logprobs == b.logprobs);
}
/// A session that has read some tokens, and one that has also said some.
nibble::session after(const nibble::any_model& model, std::size_t prompt, std::size_t said,
                      nibble::session_options options = {}) {
  options.context = 300;
  nibble::session s(model, options);
  read(s.try_generate(some_tokens(prompt, model), {.max_tokens = said, .seed = 1}).value());
  return s;
}
nibble::detail::saved_header header_of(const memory& saved) {
  nibble::detail::saved_header h;
  std::memcpy(&h, saved.data(), sizeof(h));
  return h;
}
/// The same memory with another header, and a checksum of that.
memory with(const memory& saved, const nibble::detail::saved_header& h) {
  memory out = saved;
  std::memcpy(out.data(), &h, sizeof(h));
  const std::uint64_t sum = nibble::detail::checksum(std::span(out).first(out.size() - 8));
  std::memcpy(out.data() + out.size() - 8, &sum, 8);
  return out;
}
}  // namespace

TEST_CASE("a session that is saved goes on elsewhere as it would have done, in another room and after any length") {
  for (const auto& model : models()) {
    INFO(std::string(model.architecture_name()));
    for (const std::size_t prompt : {0, 1, 63, 64, 65, 130, 200}) {
      for (const std::size_t said : {0, 9}) {
        auto s = after(model, prompt, said);
        const memory saved = s.save();
        nibble::session other(model, {.context = 280, .prefill_chunk = 16, .marks = false});
        read(other.try_generate(some_tokens(40, model), {.max_tokens = 5}).value());
        other.load(saved);
        CHECK(equal(other.tokens(), s.tokens()));
        CHECK(other.save() == saved);
        const auto expected = drawn(s, 20), found = drawn(other, 20);
        same(found, expected);
        if (said == 0 && prompt > 0) CHECK(other.stats().prompt_tokens == 0);
        other.truncate(other.position() - 3);  // it can be cut back, too
        s.truncate(s.position() - 3);
        same(drawn(other, 5), drawn(s, 5));
      }
    }
  }
}

TEST_CASE("what another conversation left in a page is not saved") {
  nibble::session s(stories(), {.context = 300}), clean(stories(), {.context = 300});
  read(s.try_generate(some_tokens(60, stories()), {.max_tokens = 0}).value());
  s.truncate(0);
  for (auto* of : {&s, &clean}) read(of->try_generate(some_tokens(9, stories()), {.max_tokens = 0}).value());
  CHECK(s.save() == clean.save());
}

TEST_CASE("a saved session that is cut anywhere, or has one bit of any byte flipped, is an error that changes nothing") {
  const auto model = nibble::any_model::load(smallest_model("falcon-h1", 32, 2).bytes(), {.threads = 1});
  nibble::session s(model, {.context = 80, .prefill_chunk = 16});
  read(s.try_generate(some_tokens(30, model), {.max_tokens = 0}).value());
  const memory saved = s.save();
  nibble::session other(model, {.context = 80, .prefill_chunk = 16});
  read(other.try_generate(some_tokens(10, model), {.max_tokens = 3}).value());
  const memory before = other.save();
  for (std::size_t size = 0; size < saved.size(); ++size) {
    const auto done = other.try_load(std::span(saved).first(size));
    REQUIRE(!done);
    REQUIRE(done.failure().code() == errc::truncated);
  }
  memory flipped = saved;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    flipped[i] ^= std::byte(1u << i % 8);
    REQUIRE(!other.try_load(flipped));
    flipped[i] = saved[i];
  }
  flipped.push_back({});
  CHECK(other.try_load(flipped).failure().code() == errc::malformed);
  CHECK(other.save() == before);
  other.load(saved);
  CHECK(other.save() == saved);
}

TEST_CASE("what does not fit says so in a sentence, and changes nothing") {
  auto s = after(stories(), 100, 0);
  const memory saved = s.save();
  const auto h = header_of(saved);
  auto other = after(stories(), 20, 3);
  const memory before = other.save();
  const auto said_of = [&](const memory& wrong, nibble::session& to) {
    const auto done = to.try_load(wrong);
    REQUIRE(!done);
    return std::string(done.failure().what());
  };
  auto changed = h;
  changed.magic[3] = 'B';
  CHECK(said_of(with(saved, changed), other) == "saved session: this is none");
  changed = h, changed.version = 3;
  CHECK(said_of(with(saved, changed), other) == "saved session: version: expected 2, found 3");
  changed = h, ++changed.fingerprint;
  CHECK(said_of(with(saved, changed), other) == "saved session: it is of another model, or other adapters");
  changed = h, changed.kv.values = nibble::tensor_type::q8_0;
  CHECK(said_of(with(saved, changed), other) == "saved session: keys and values: expected F16 and F16, found F16 and Q8_0");
  changed = h, changed.tokens = 301;
  CHECK(said_of(with(saved, changed), other) == "saved session: tokens: expected at most 300, found 301");
  changed = h, changed.tokens = ~std::uint64_t{0};
  CHECK(said_of(with(saved, changed), other).find("expected at most 300") != std::string::npos);
  for (const auto& wrong : {std::pair{101u, 512u}, std::pair{100u, 511u}, std::pair{99u, 512u}}) {
    changed = h, changed.position = wrong.first, changed.logits = wrong.second;
    CHECK(said_of(with(saved, changed), other) == "saved session: its header contradicts itself");
  }
  changed = h, changed.tokens = 101, changed.logits = 0;
  CHECK(said_of(with(saved, changed), other).find("saved session: bytes: expected ") == 0);
  memory token_out = saved;
  std::memset(token_out.data() + sizeof(h), 0x7F, 4);
  CHECK(said_of(with(token_out, h), other) == "saved session: a token that is not in the vocabulary");
  memory damaged = saved;
  damaged[saved.size() / 2] ^= std::byte{1};
  CHECK(said_of(damaged, other) == "saved session: it is damaged: its checksum is another");
  CHECK(said_of(memory(20), other) == "saved session: bytes of its header: expected 96, found 20");
  CHECK(other.save() == before);

  const auto model = nibble::any_model::load(golden("models/llama.gguf"), {.threads = 1});
  nibble::session foreign(model, {.context = 300});
  CHECK(said_of(saved, foreign) == "saved session: it is of another model, or other adapters");
  nibble::session narrow(stories(), {.context = 99});
  CHECK(said_of(saved, narrow) == "saved session: tokens: expected at most 99, found 100");
  auto first = after(stories(), 70, 0, {.prefill_chunk = 16, .forks = 1, .kv_bytes = stories().plan({.context = 192}).kv});
  auto second = first.fork();
  read(first.try_generate(some_tokens(9, stories()), {.max_tokens = 0}).value());
  CHECK(said_of(saved, first).find("saved session: the KV cache has no room for a saved sequence of 100 positions") == 0);
  CHECK(first.position() == 79);
}

TEST_CASE("a saved text that would be longer than any may be is refused") {
  nibble::session s(stories(), {.context = 100, .when_full = nibble::context_policy::shift(5)});
  read(s.try_generate(some_tokens(90, stories()), {.max_tokens = 60, .seed = 1}).value());
  const memory saved = s.save();
  auto h = header_of(saved);
  h.position = std::uint64_t{1} << 31, h.forgotten = h.position - 5, h.tokens = 100, h.logits = 0;
  const auto done = s.try_load(with(saved, h));
  REQUIRE(!done);
  CHECK(std::string(done.failure().what()) == "saved session: its header contradicts itself");
  CHECK(s.save() == saved);
}

TEST_CASE("models of different files have different fingerprints, however they are loaded, and of one file the same") {
  const auto path = golden("models/llama.gguf");
  const auto one = nibble::any_model::load(path, {.threads = 1}).fingerprint();
  CHECK(one == nibble::any_model::load(path, {.threads = 2, .mapped = true}).fingerprint());
  CHECK(one == nibble::any_model::load(path, {.threads = 1, .access = nibble::file_access::read}).fingerprint());
  CHECK(one == nibble::any_model::load(read_all(path), {.threads = 1}).fingerprint());
  CHECK(one != nibble::any_model::load(golden("models/llama-bias.gguf"), {.threads = 1}).fingerprint());
  smallest_model file("llama");
  const auto before = nibble::any_model::load(file.bytes(), {.threads = 1}).fingerprint();
  for (const std::size_t i : {std::size_t{0}, file.tensors.size() / 2, file.tensors.size() - 1}) {
    const std::size_t bytes = file.tensors[i].data.size();
    for (const std::size_t at : {std::size_t{0}, bytes / 2, bytes - 1}) {
      auto changed = file;
      changed.tensors[i].data[at] ^= std::byte{1};
      CHECK(nibble::any_model::load(changed.bytes(), {.threads = 1}).fingerprint() != before);
    }
  }
  const auto with = [&](const char* key, nibble::value value) {
    auto changed = file;
    changed.meta.set(key, std::move(value));
    return nibble::any_model::load(changed.bytes(), {.threads = 1}).fingerprint();
  };
  CHECK(with("llama.rope.freq_base", nibble::value(5000.0f)) != before);
  CHECK(with("llama.rope.freq_base", nibble::value(5000.0f)) != with("llama.rope.freq_base", nibble::value(6000.0f)));
  CHECK(with("general.name", nibble::value("another")) == before);
}

#if !defined(_WIN32)
TEST_CASE("where the disk is full, a session is not saved, the old file stays, and the session goes on") {
  const temporary_folder folder;
  auto s = after(stories(), 200, 4);
  const memory saved = s.save();
  nibble::session other(stories(), {.context = 300});
  other.load(saved);
  const auto old = folder.put("session.bin", memory(10, std::byte{7}));
  saves_whole_or_not_at_all(
      saved.size(), [&] { return s.try_save(old); },
      [&] { return read_all(old).size() == 10 && folder.files() == 1 && s.save() == saved; });
  same(drawn(s, 10), drawn(other, 10));
}
#endif

TEST_CASE("a session is saved to a file that appears whole or not at all") {
  const temporary_folder folder;
  const auto path = folder / "session.bin";
  auto s = after(stories(), 100, 4);
  s.save(path);
  CHECK(read_all(path) == s.save());
  nibble::session other(stories(), {.context = 300});
  other.load(path);
  same(drawn(other, 10), drawn(s, 10));
  CHECK(folder.files() == 1);
  CHECK(s.try_save(folder / "nowhere/session.bin").failure().code() == errc::io);
  const auto before = other.save();
  auto whole = read_all(path);
  for (const std::size_t size : {std::size_t{0}, std::size_t{30}, whole.size() - 1}) {
    const auto shorter = folder.put("shorter.bin", memory(whole.begin(), whole.begin() + std::ptrdiff_t(size)));
    const auto done = other.try_load(shorter);
    REQUIRE(!done);
    CHECK(std::string(done.failure().what()).find("shorter.bin: saved session: bytes") != std::string::npos);
  }
  CHECK(other.try_load(path.parent_path()).failure().code() == errc::io);
  const auto none = (folder / "none").string();
  const std::string said = other.try_load(folder / "none").failure().what();
  CHECK(said.find(none) != std::string::npos);
  CHECK(said.find(none) == said.rfind(none));
  CHECK(other.try_load(folder / "none").failure().code() == errc::io);
  CHECK(other.save() == before);
}
