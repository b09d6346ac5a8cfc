/// Brings back what core/push_macros.hpp put aside.
#pragma pop_macro("max")
#pragma pop_macro("min")
