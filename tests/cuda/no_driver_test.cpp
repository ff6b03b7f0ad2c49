// CUDA's own libraries on a machine as it is: a program starts with them, and without a driver it
// says what is missing. With one, the list is of real devices.

#include <string>

#include "chainrule/backend/cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace no_driver_test {

TEST_CASE("without a device nothing is listed, and opening says why", "[cuda][device]") {
  const auto list = chainrule::cuda_runtime::devices();
  if (!list.empty()) {
    CHECK(chainrule::cuda_runtime::missing().empty());
    CHECK(list.front().memory > 0);
    CHECK(list.front().units > 0);
    CHECK_FALSE(list.front().name.empty());
    return;
  }
  const std::string why = chainrule::cuda_runtime::missing();
  CHECK_FALSE(why.empty());
  for (int twice = 0; twice < 2; ++twice) {
    CHECK(support::complaint<chainrule::backend_error>([] { chainrule::cuda{}; }) ==
          "CUDA: " + why);
    CHECK(support::complaint<chainrule::backend_error>(
              [] { chainrule::basic_cuda<double> be(3); }) == "CUDA: " + why);
  }
}

}  // namespace no_driver_test
