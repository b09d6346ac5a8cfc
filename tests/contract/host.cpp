/// Loads the guest library at run time, twice, and has it speak; it knows nothing of nibble.
#include <dlfcn.h>

#include <cstddef>
#include <iostream>

int main(int, char** argv) {
  for (int round = 0; round < 2; ++round) {
    void* guest = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (guest == nullptr) return std::cerr << dlerror() << '\n', 1;
    using generate = int(const char*, char*, std::size_t);
    auto* speak = reinterpret_cast<generate*>(dlsym(guest, "guest_generate"));
    if (speak == nullptr) return std::cerr << dlerror() << '\n', 1;
    char text[1000] = {};
    const int status = speak(argv[2], text, sizeof text);
    std::cout << text << '\n';
    if (status != 0 || text[0] == '\0') return 1;
    if (speak("/nonexistent.gguf", text, sizeof text) == 0) return std::cerr << "a missing file is no error?\n", 1;
    dlclose(guest);
  }
  return 0;
}
