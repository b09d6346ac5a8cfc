// What a file's draft block foretells: the logits of the token after the next, for every id of a list but the first.
#include <bit>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "command.hpp"
#include "decoder.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"

namespace bench {

void draft(const arguments& a) {
  static_assert(std::endian::native == std::endian::little, "the file holds little-endian floats");
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const auto ids = read_ids(a.input, model.vocabulary());
  const auto evaluator_of = [&](nibble::step_output output) {
    return nibble::evaluator::create(
        model,
        {.context = ids.size(), .prefill_chunk = a.chunk, .output_rows = a.chunk, .kv = kv_type(a.kv), .output = output});
  };
  auto main = evaluator_of(nibble::step_output::hidden), drafts = evaluator_of(nibble::step_output::draft);
  std::ofstream file(a.output, std::ios::binary);
  if (!file) throw std::runtime_error(a.output.string() + ": cannot be written");
  std::vector<float> hidden;
  const auto keep = [&](std::size_t, std::span<const float> row) { hidden.insert(hidden.end(), row.begin(), row.end()); };
  expect_done(main.feed_each(ids, keep));
  if (!ids.empty()) hidden.resize(hidden.size() - model.width());
  const auto write = [&](std::size_t, std::span<const float> row) {
    file.write(reinterpret_cast<const char*>(row.data()), static_cast<std::streamsize>(row.size_bytes()));
  };
  expect_done(drafts.draft_each(std::span(ids).subspan(ids.empty() ? 0 : 1), hidden, write));
  if (!file.flush()) throw std::runtime_error(a.output.string() + ": cannot be written");
}

}  // namespace bench
