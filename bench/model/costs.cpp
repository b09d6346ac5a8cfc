#include "costs.hpp"

#include <algorithm>

namespace bench {

nibble::step_work costs::prompt(std::size_t count, std::size_t chunk, nibble::tensor_type kv) const {
  nibble::step_work all;
  for (std::size_t i = 0; i < count; i += chunk) {
    const std::size_t tokens = std::min(chunk, count - i);
    const bool last = i + tokens == count;
    all += nibble::work_of(file_, layers_, {.tokens = tokens, .depth = i, .logits = last ? 1u : 0u, .kv = kv});
  }
  return all;
}

nibble::step_work costs::decode(std::size_t depth, std::size_t count, std::size_t sequences, nibble::tensor_type kv) const {
  nibble::step_work all;
  for (std::size_t i = 0; i < count; ++i) {
    all += nibble::work_of(file_, layers_, {.sequences = sequences, .depth = depth + i, .kv = kv});
  }
  return all;
}

nlohmann::ordered_json beside_limit(double tokens_per_second, const nibble::step_work& work, const machine_limits& machine) {
  const auto limit = nibble::roofline(work, machine.speed());
  return {{"bound", name_of(limit.bound)},
          {"limit_tps", limit.tokens_per_second},
          {"of_limit", tokens_per_second / limit.tokens_per_second}};
}

}  // namespace bench
