/// One instruction set for the whole program.
#pragma once

#include <string>

namespace bench {

/// Makes nibble::kernels() and the loops of measure_machine those of this instruction set; of the best one if the name is
/// empty. Precondition: nothing has asked for the kernels yet.
/// @errors  std::runtime_error: the name, in upper or lower case, is none of target_names(), or the kernels cannot be chosen
void choose_target(const std::string& name);

}  // namespace bench
