/// Puts aside the macros `min` and `max` that some system headers define, until core/pop_macros.hpp brings them back.
/// For nibble.hpp and compile.hpp alone: the two stand around everything that it includes. No include guard, because they come
/// in pairs.
#pragma push_macro("min")
#pragma push_macro("max")
#undef min
#undef max
