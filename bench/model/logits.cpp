// Teacher-forced evaluation: the logits after every id of a list, or how well they foretell the next one.
#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "command.hpp"
#include "decoder.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"

namespace bench {
namespace {

using evaluator = nibble::evaluator;

/// "file" or "file=scale", as told on the command line.
nibble::adapter_use adapter_of(const nibble::any_model& model, const std::string& told) {
  const std::size_t at = told.rfind('=');
  const float scale = at == told.npos ? 1 : std::stof(told.substr(at + 1));
  return {nibble::adapter::load(model, told.substr(0, at)), scale};
}

evaluator make_evaluator(const nibble::any_model& model, const arguments& a, std::size_t context) {
  nibble::session_options options = options_of(a, context);
  for (const std::string& told : a.adapters) options.adapters.push_back(adapter_of(model, told));
  return evaluator::create(model, options);
}

/// -log of the probability that logits give to an id, in double precision.
double surprise(std::span<const float> logits, nibble::token id) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(double(x) - most);
  return most + std::log(sum) - double(logits[static_cast<std::size_t>(id)]);
}

/// The pieces to feed ids in, as told; what they leave over is one more.
std::vector<std::size_t> pieces_of(const arguments& a, std::size_t ids) {
  if (a.context > 0) throw std::runtime_error("--pieces: they are of one sequence; leave --context out");
  std::vector<std::size_t> pieces;
  for (const std::size_t n : a.pieces) {
    pieces.push_back(std::min(n, ids)), ids -= pieces.back();
  }
  if (ids > 0) pieces.push_back(ids);
  return pieces;
}

}  // namespace

void logits(const arguments& a) {
  static_assert(std::endian::native == std::endian::little, "the file holds little-endian floats");
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const auto ids = read_ids(a.input, model.vocabulary());
  std::vector<std::size_t> pieces;
  arguments steps = a;
  if (!a.pieces.empty()) {
    pieces = pieces_of(a, ids.size());
    steps.chunk = *std::max_element(pieces.begin(), pieces.end());
  }
  const std::size_t n = a.context > 0 ? a.context : ids.size();
  auto e = make_evaluator(model, steps, std::min(n, ids.size()));
  std::ofstream file(a.output, std::ios::binary);
  if (!file) throw std::runtime_error(a.output.string() + ": cannot be written");
  const auto write = [&](std::size_t, std::span<const float> row) {
    file.write(reinterpret_cast<const char*>(row.data()), static_cast<std::streamsize>(row.size_bytes()));
  };
  for (std::size_t i = 0, k = 0; i < ids.size();) {
    const std::size_t count = std::min(pieces.empty() ? n : pieces[k++], ids.size() - i);
    if (pieces.empty()) e.truncate(0);
    expect_done(e.feed_each(std::span(ids).subspan(i, count), write));
    i += count;
  }
  if (!file.flush()) throw std::runtime_error(a.output.string() + ": cannot be written");
}

void score(const arguments& a) {
  const auto model = nibble::any_model::load(a.model, {.threads = a.threads, .mapped = a.mapped});
  const auto ids = read_ids(a.input, model.vocabulary());
  const std::size_t n = a.context, half = n / 2, chunks = ids.size() / n;
  if (chunks == 0) {
    throw std::runtime_error("--context: expected at most the " + std::to_string(ids.size()) + " ids of the file");
  }
  auto e = make_evaluator(model, a, n);
  double nll = 0;
  std::size_t scored = 0;
  for (std::size_t c = 0; c < chunks; ++c) {
    const auto part = std::span(ids).subspan(c * n, n);
    e.truncate(0);
    expect_done(e.feed(part.first(half)));
    expect_done(e.feed_each(part.subspan(half, n - 1 - half), [&](std::size_t i, std::span<const float> row) {
      nll += surprise(row, part[half + i + 1]);
      ++scored;
    }));
  }
  nll /= double(scored);
  std::cout << nlohmann::ordered_json{{"target", nibble::kernels().target},
                                      {"chunks", chunks},
                                      {"scored", scored},
                                      {"nll", nll},
                                      {"perplexity", std::exp(nll)}}
            << std::endl;
}

}  // namespace bench
