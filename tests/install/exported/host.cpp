/// A host of a library that links nibble.
#include <iostream>
#include <string>

std::string part_says(const char* path);

int main(int, char** argv) { std::cout << part_says(argv[1]); }
