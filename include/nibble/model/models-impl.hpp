/// Models and what steps them, but for architectures and their forward pass; compiled once: see nibble/compile.hpp.
#pragma once

// In the order data flows:
// clang-format off
#include "nibble/model/hyperparameters-impl.hpp"
#include "nibble/model/tensor_source-impl.hpp"
#include "nibble/model/unread_tensors-impl.hpp"
#include "nibble/model/pooling-impl.hpp"
#include "nibble/model/any_model-impl.hpp"
#include "nibble/model/adapter-impl.hpp"
#include "nibble/model/step_runner-impl.hpp"
#include "nibble/model/evaluator-impl.hpp"
#include "nibble/model/batch_evaluator-impl.hpp"
#include "nibble/model/embedder-impl.hpp"
#include "nibble/model/roofline-impl.hpp"
// clang-format on
