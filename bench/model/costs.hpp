/// What prompts and decoding cost by the roofline, and how near to it a figure is.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

#include "command.hpp"
#include "machine.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/roofline.hpp"

namespace bench {

class costs {
 public:
  costs(const fs::path& path, const nibble::any_model& model) : file_(nibble::gguf_file::open(path)), layers_(model.kv()) {}

  /// A prompt of `count` tokens in steps of `chunk`.
  nibble::step_work prompt(std::size_t count, std::size_t chunk, nibble::tensor_type kv) const;
  /// `count` tokens of every sequence, one by one, behind `depth` positions.
  nibble::step_work decode(std::size_t depth, std::size_t count, std::size_t sequences, nibble::tensor_type kv) const;

 private:
  nibble::gguf_file file_;
  std::vector<nibble::kv_shape> layers_;
};

/// {"bound": "memory" or "compute", "limit_tps", "of_limit": the fraction of it that was reached}
nlohmann::ordered_json beside_limit(double tokens_per_second, const nibble::step_work& work, const machine_limits& machine);

}  // namespace bench
