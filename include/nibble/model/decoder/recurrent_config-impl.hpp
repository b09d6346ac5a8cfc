/// Definitions of model/decoder/recurrent_config.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/recurrent_config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
inline constexpr std::size_t most_taps = 64, most_state = 4096;
}

recurrent_config recurrent_config::read(hyperparameters& h) {
  recurrent_config r;
  r.taps = h.count("ssm.conv_kernel", 2, detail::most_taps);
  r.inner = h.count("ssm.inner_size", 1, h.limits().hidden);
  r.heads = h.count("ssm.time_step_rank", 1, h.limits().heads);
  r.groups = h.count("ssm.group_count", 1, h.limits().heads);
  r.state = h.count("ssm.state_size", 1, detail::most_state);
  const auto divides = [&](const char* key, std::size_t divisor, std::size_t of, const char* what) {
    if (of % divisor == 0) return;
    h.reject(key, "expected a divisor of the " + std::to_string(of) + " " + what, std::to_string(divisor));
  };
  divides("ssm.time_step_rank", r.heads, r.inner, "numbers of ssm.inner_size");
  divides("ssm.group_count", r.groups, r.heads, "heads of ssm.time_step_rank");
  divides("ssm.group_count", r.groups, r.inner, "numbers of ssm.inner_size");
  return r;
}

recurrent_config recurrent_config::read_square(hyperparameters& h) {
  const recurrent_config r = read(h);
  if (r.inner != r.heads * r.state) {
    h.reject("ssm.inner_size", "expected ssm.time_step_rank times ssm.state_size, " + std::to_string(r.heads * r.state),
             std::to_string(r.inner));
  }
  return r;
}

recurrent_config recurrent_config::read_short(hyperparameters& h, std::size_t width) {
  return {h.count("shortconv.l_cache", 2, detail::most_taps), width, 1, 1, 1};
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
