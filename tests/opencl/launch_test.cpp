// How kernels are launched, built and fed on OpenCL, seen by the call table.

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/memory/tensor.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/failing_opencl.hpp"

namespace launch_test {

using namespace chainrule;

namespace {
std::shared_ptr<faults::runtime> open() {
  faults::plan_none();
  faults::now.most_items = 0;
  return std::make_shared<faults::runtime>(faults::runtime::devices().front());
}
/// With the kernels of that layout.
std::shared_ptr<faults::runtime> open_as(const char* layout) {
  ::setenv("CHAINRULE_DEVICE_LAYOUT", layout, 1);
  auto runtime = open();
  ::unsetenv("CHAINRULE_DEVICE_LAYOUT");
  return runtime;
}

/// Each pointwise verb on a matrix; what map gives.
std::vector<float> pointwise(const faults::backend& be, index_t rows, index_t cols) {
  tensor<faults::backend> x(be, rows, cols), y(be, rows, cols);
  be.random(x.view(), 1, 2);
  be.map(fn::negate{}, y.view(), x.view());
  const auto numbers = be.allocate<std::int32_t>(rows);
  const std::vector<std::int32_t> zeros(static_cast<std::size_t>(rows), 0);
  be.upload<std::int32_t>(numbers.view(), matrix_view<const std::int32_t>(zeros.data(), 1, rows));
  be.gather(x.view(), y.view(), numbers.view());
  be.scatter(x.view(), numbers.view(), y.view());
  be.scatter_add(x.view(), numbers.view(), y.view());
  return to_host(be, const_matrix<faults::backend>(y.view()));
}
}  // namespace

TEST_CASE("work is launched in whole groups of the runtime's choice", "[launch]") {
  for (const char* layout : {"cpu", "gpu"}) {
    const faults::backend be(open_as(layout));
    for (const matrix_shape s :
         {matrix_shape{1, 1}, {1, 100003}, {100003, 1}, {13, 7}, {64, 10}, {101, 1009}}) {
      INFO(layout << " " << s.rows << " x " << s.cols);
      faults::now.most_items = 0;
      faults::now.launches.clear();
      const std::vector<float> values = pointwise(be, s.rows, s.cols);
      CHECK(faults::now.launches.size() >= 5);
      for (const faults::launched& l : faults::now.launches) {
        INFO(l.global[0] << " x " << l.global[1] << " by " << l.local[0] << " x " << l.local[1]);
        REQUIRE(l.local[0] * l.local[1] > 0);
        CHECK(l.local[0] * l.local[1] <= 256);
        CHECK(l.global[0] % l.local[0] == 0);
        CHECK(l.global[1] % l.local[1] == 0);
      }
    }
  }
}

TEST_CASE("groups are no larger than a kernel can run", "[launch]") {
  const std::vector<float> good = pointwise(faults::backend(open()), 50, 30);
  {
    const auto runtime = open_as("gpu");
    faults::now.most_items = 48;  // of kernels that need many registers, say
    const faults::backend be(runtime);
    faults::now.launches.clear();
    CHECK(pointwise(be, 50, 30) == good);
    for (const faults::launched& l : faults::now.launches) CHECK(l.local[0] * l.local[1] <= 48);
    // What works in groups of its own says so.
    tensor<faults::backend> x(be, 64, 64), y(be, 64, 64);
    be.map(fn::fill{1}, x.view());
    const std::string said =
        support::complaint<backend_error>([&] { be.gemm(y.view(), x.view(), x.view()); });
    CHECK(said == "OpenCL: a kernel of gemm works in groups of 256 work items, but " +
                      be.device_name() +
                      " runs at most 48 of it in a group; CHAINRULE_DEVICE_LAYOUT=cpu chooses "
                      "kernels that need no groups");
    CHECK(support::complaint<backend_error>([&] {
            be.softmax_rows(x.view(), y.view());
          }).find("a kernel of softmax_rows works in groups of 256") != std::string::npos);
    CHECK(to_host(be, const_matrix<faults::backend>(x.view())) == std::vector<float>(64 * 64, 1));
  }
  faults::now.most_items = 0;
  CHECK(faults::alive() == "");
}

TEST_CASE("kernels that work in groups are compiled for these groups", "[launch]") {
  const faults::backend be(open_as("gpu"));
  tensor<faults::backend> x(be, 64, 64), y(be, 64, 64), row(be, 1, 64), column(be, 64, 1);
  be.map(fn::fill{1}, x.view());
  faults::now.launches.clear();
  be.gemm(y.view(), x.view(), x.view());
  be.reduce(reduction::sum{}, row.view(), fn::identity{}, y.view());
  be.reduce(reduction::sum{}, column.view(), fn::identity{}, y.view());
  be.softmax_rows(x.view(), x.view());
  REQUIRE(faults::now.launches.size() == 4);
  for (const faults::launched& l : faults::now.launches) {
    CHECK(l.local[0] * l.local[1] == 256);
    CHECK(l.compiled_for == l.local);
  }
  CHECK(to_host(be, const_matrix<faults::backend>(row.view())) == std::vector<float>(64, 64 * 64));
}

TEST_CASE("contiguous memory is copied by the plain commands", "[launch]") {
  const faults::backend be(open());
  tensor<faults::backend> x(be, 4, 6);
  std::vector<float> host(24, 2);
  faults::now.rectangles = 0;
  be.upload(x.view(), matrix_view<const float>(host.data(), 4, 6));
  be.download(matrix_view<float>(host.data(), 4, 6), x.view());
  be.upload(x.view().block(1, 2, 1, 3), matrix_view<const float>(host.data(), 1, 3, 99));
  be.download(matrix_view<float>(host.data(), 1, 3, 99), x.view().block(1, 2, 1, 3));
  CHECK(faults::now.rectangles == 0);
  host.assign(24, 3);
  be.upload(x.view().block(0, 0, 4, 2), matrix_view<const float>(host.data(), 4, 2, 5));
  be.download(matrix_view<float>(host.data(), 4, 2), x.view().block(0, 1, 4, 2));
  CHECK(faults::now.rectangles == 2);
  CHECK(std::vector<float>(host.begin(), host.begin() + 8) ==
        std::vector<float>{3, 2, 3, 2, 3, 2, 3, 2});
}

TEST_CASE("division is correctly rounded where the device has it", "[launch]") {
  const std::string usual = "-cl-std=CL1.2";
  for (const bool has_it : {true, false}) {
    faults::now.divides_exactly = has_it;
    const faults::backend be(open());
    tensor<faults::backend> x(be, 1, 4);
    be.map(fn::inv{}, x.view(), x.view());  // builds it, or what is kept of it on disk
    CHECK(faults::now.options == usual + (has_it ? " -cl-fp32-correctly-rounded-divide-sqrt" : ""));
  }
  faults::now.divides_exactly.reset();
}

}  // namespace launch_test
