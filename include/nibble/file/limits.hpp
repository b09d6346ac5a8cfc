/// limits: how much a file may ask for before it is refused.
#pragma once

#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

struct tensor_type_info;  // gguf/tensor_type.hpp

/// The most that each part of a model file may claim. Far above every published model; raise one where yours is larger.
///
/// Whatever the limits, nothing is allocated for a count that the rest of the file could not hold.
/// @example  auto file = nibble::gguf_file::try_open(path, {.tensors = 1'000'000});
struct limits {
  // The container. Metadata needs at most 4 bytes of memory for each of its own in the file, and 16 MiB: strings and arrays
  // stay in the file, a key costs its text and about a hundred bytes.
  std::uint64_t header_bytes = 256u << 20;  ///< all metadata and tensor descriptions
  std::uint64_t keys = 65'536;              ///< metadata keys
  std::uint64_t key_bytes = 65'535;         ///< one key
  std::uint64_t string_bytes = 16u << 20;   ///< one string value
  std::uint64_t array_elements = 4u << 20;  ///< elements of one array
  std::uint64_t array_depth = 8;            ///< arrays inside of each other
  std::uint64_t alignment = 65'536;         ///< general.alignment
  std::uint64_t tensors = 65'536;           ///< tensors of all shards
  std::uint64_t tensor_name_bytes = 255;    ///< one tensor name
  /// Sizes of tensor types that no published file has: null for a number that is not known here either. See find_own_type.
  const tensor_type_info* (*own_type)(std::uint32_t id) = nullptr;

  // The model.
  std::uint64_t layers = 4'096;
  std::uint64_t context = 16u << 20;  ///< positions
  std::uint64_t width = 65'536;       ///< numbers of a hidden state: embedding_length
  std::uint64_t hidden = 262'144;     ///< of a feed-forward layer: feed_forward_length
  std::uint64_t heads = 1'024;        ///< of a layer's queries: attention.head_count
  std::uint64_t experts = 1'024;      ///< of a layer

  // What a session may ask for. 0 is a limit in proportion to the file: a sixteenth of the bytes of its tensors, but no less
  // than 16 KiB a position, 64 KiB a token, and no more than 16 MiB.
  std::uint64_t kv_position_bytes = 0;    ///< keys and values of one position, in all layers
  std::uint64_t scratch_token_bytes = 0;  ///< scratch of a step for each of its tokens, without their outputs
  std::uint64_t state_bytes = 0;          ///< recurrent states of a sequence; 0: as much as its tensors, or 1 MiB

  // The tokenizer.
  std::uint64_t vocabulary = 4u << 20;  ///< tokens
  std::uint64_t token_bytes = 65'536;   ///< the text of one token
  /// All control and user-defined tokens together. What finds them in a text takes 13 bytes for each.
  std::uint64_t special_bytes = 1u << 20;

  // JSON.
  std::uint64_t json_bytes = 16u << 20;  ///< a text
  std::uint64_t json_values = 1u << 20;  ///< values of a text, those within others too; one takes about 40 bytes
  std::uint64_t json_depth = 100;        ///< arrays and objects inside of each other: never above json::deepest

  // Chat templates.
  std::uint64_t template_bytes = 1u << 20;          ///< one template
  std::uint64_t template_depth = 200;               ///< expressions and blocks inside of each other; calls, too
  std::uint64_t template_steps = 10'000'000;        ///< pieces of work of one run
  std::uint64_t template_output_bytes = 16u << 20;  ///< what a run writes; what it keeps besides may be four times that
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
