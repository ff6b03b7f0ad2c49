// Catch2's main for versions of Catch2 that do not bring it along as a library (before 2.13.5),
// compiled once for all test executables.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
