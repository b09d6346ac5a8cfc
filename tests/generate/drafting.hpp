/// A small model with a block that drafts.
#pragma once

#include "nibble/model/any_model.hpp"
#include "support/smallest_model.hpp"

namespace nibble_test {

inline nibble::any_model drafting() {
  smallest_model file("qwen35", 32, 4);
  file.meta.set("qwen35.nextn_predict_layers", nibble::value(1));
  file.meta.set("qwen35.full_attention_interval", nibble::value(3));
  return nibble::any_model::load(file.completed().bytes(), {.threads = 1});
}

}  // namespace nibble_test
