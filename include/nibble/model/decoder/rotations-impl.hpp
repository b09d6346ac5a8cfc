/// Definitions of model/decoder/rotations.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include "nibble/model/decoder/rotations.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

rotations::rotations(const decoder_config& c, tensor_source& t) {
  ropes_.reserve(c.ropes.size()), longer_.reserve(c.ropes.size());
  for (const rope_config& r : c.ropes) {
    const auto factors_in = [&](const char* name) {
      return r.has_factors ? t.vector_or_none(name, r.dimensions / 2) : std::span<const float>();
    };
    const auto factors = factors_in("rope_freqs.weight"), few = factors_in("rope_factors_short.weight"),
               many = factors_in("rope_factors_long.weight");
    ropes_.emplace_back(r, few.empty() ? factors : few);
    longer_.push_back(many.empty() ? longer{} : longer{rope(r, many), r.trained});
  }
}

std::size_t rotations::memory_bytes() const noexcept {
  std::size_t bytes = nibble::detail::heap_bytes(ropes_) + nibble::detail::heap_bytes(longer_);
  for (const rope& r : ropes_) bytes += r.memory_bytes();
  for (const longer& l : longer_) bytes += l.by.memory_bytes();
  return bytes;
}

std::array<rope_angles, rotations::most> rotations::angles(step& s,
                                                           std::span<const std::uint32_t> positions) const NIBBLE_NOEXCEPT {
  std::array<rope_angles, most> out;
  for (std::size_t i = 0; i < ropes_.size(); ++i) {
    out[i] = ropes_[i].room(s, s.tokens());
    if (longer_[i].above == never) {
      ropes_[i].turn(s, positions, out[i]);
      continue;
    }
    for (const token_run& run : s.all().runs) {
      if (s.measuring()) break;
      const rope& taken = s.context(run) > longer_[i].above ? longer_[i].by : ropes_[i];
      taken.turn(s, positions.subspan(run.first, run.count), out[i].range(run.first, run.count));
    }
  }
  return out;
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
