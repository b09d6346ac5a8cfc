/// Puts aside the macros of these names that some systems' headers define, until core/pop_macros.hpp brings them back. For
/// nibble.hpp and compile.hpp alone: the two stand around everything that it includes. No include guard, because they come in
/// pairs.
#pragma push_macro("min")
#pragma push_macro("max")
#pragma push_macro("abs")
#pragma push_macro("round")
#pragma push_macro("check")
#pragma push_macro("require")
#pragma push_macro("verify")
#pragma push_macro("slots")
#pragma push_macro("signals")
#pragma push_macro("emit")
#undef min
#undef max
#undef abs
#undef round
#undef check
#undef require
#undef verify
#undef slots
#undef signals
#undef emit
