// Catch2's main, compiled once for all test executables: with version 2 it is text in this file,
// with version 3 it comes from the library Catch2WithMain and this file is not built.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
