// Catch2's main for tests on a device: without one they are skipped, and it says why.

#define CATCH_CONFIG_RUNNER
#include <cstdio>

#include "support/backend_list.hpp"
#include "support/catch.hpp"

int main(int argc, char** argv) {
  try {
    std::printf("on %s\n", support::tested<float>{}.device_name().c_str());
  } catch (const chainrule::backend_error& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
  const int failures = Catch::Session().run(argc, argv);
  try {
    support::tested<float>{}.synchronize();  // says if a kernel has written beside a buffer
  } catch (const chainrule::backend_error& e) {
    std::printf("FAILED: %s\n", e.what());
    return 1;
  }
  return failures;
}
