/// Of programs in examples/ and bench/ on Windows: the console shows the UTF-8 that they write. What they are given is UTF-8 by
/// utf8.manifest.
#include <windows.h>

namespace {
const struct utf8_console {
  utf8_console() { ::SetConsoleOutputCP(CP_UTF8); }
} console;
}  // namespace
