/// Models with the shapes of published ones and random weights: what they cost is what the published ones cost.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "nibble/gguf/tensor_type.hpp"

namespace bench {

/// The names that write_shape() takes: "gpt2" (124M), "gpt2-xl" (1.5B), "mistral-7b".
std::vector<std::string> shape_names();

/// Writes such a model with all its matrices in one format.
/// @param   layers  how many of its layers; 0: all
/// @errors  std::runtime_error, nibble::error: a name or a format that is none, and what writing a file says
void write_shape(std::string_view name, std::size_t layers, const std::string& format, const fs::path& path);

}  // namespace bench
