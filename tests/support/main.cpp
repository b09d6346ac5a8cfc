/// The main function of a program of tests, and where their data lies.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "support/files.hpp"

const char* const nibble_test::golden_folder = NIBBLE_TEST_GOLDEN;
const char* const nibble_test::shared_folder = NIBBLE_TEST_SHARED;
