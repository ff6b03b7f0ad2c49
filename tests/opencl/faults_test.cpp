// Every call to OpenCL that a training makes fails once: each failure is an exception that names
// the call and the code, nothing leaks, and the backend goes on unless the device is lost.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/failing_opencl.hpp"

namespace faults_test {

using namespace chainrule;
using faults::call;
using faults::fault;
using faults::object;

namespace {

std::shared_ptr<faults::runtime> open() {
  return std::make_shared<faults::runtime>(faults::runtime::devices().front());
}

/// Two steps of training, the second on a batch that is smaller, and an evaluation. Returns the
/// weights and the loss.
std::vector<float> train(const faults::backend& be) {
  const std::vector<std::uint8_t> pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::vector<int> labels{0, 1, 0, 1, 1};
  const dataset<faults::backend> data(be, matrix_view<const std::uint8_t>(pixels.data(), 5, 3),
                                      labels, 2, 1.0 / 16);
  network net{be, dense{3, 4, relu{}}, dropout{0.25}, dense{4, 2}};
  net.initialize(1);
  trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
  (void)t.fit(data, {.epochs = 1, .batch = 3, .seed = 2});
  std::vector<float> out = to_host(be, const_matrix<faults::backend>(net.parameters().all()));
  out.push_back(static_cast<float>(t.evaluate(data).loss));
  return out;
}

/// The same of inputs that are streamed: three steps, so that a place to send from is used again.
std::vector<float> train_streamed(const faults::backend& be) {
  const std::vector<std::uint8_t> pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::vector<int> labels{0, 1, 0, 1, 1};
  const dataset<faults::backend> data(be, matrix_view<const std::uint8_t>(pixels.data(), 5, 3),
                                      labels, 2, 1.0 / 16, {.inputs = residence::streamed});
  network net{be, dense{3, 4, relu{}}, dense{4, 2}};
  net.initialize(1);
  trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
  (void)t.fit(data, {.epochs = 1, .batch = 2, .seed = 2});
  std::vector<float> out = to_host(be, const_matrix<faults::backend>(net.parameters().all()));
  out.push_back(static_cast<float>(t.evaluate(data).loss));
  return out;
}

/// What a training gives that nothing disturbs, and the calls that it makes: with a runtime of its
/// own (the kernels are on disk then), and with one whose kernels and memory are there already.
struct undisturbed {
  std::vector<float> weights;
  faults::state fresh, settled;

  undisturbed() {
    faults::plan_none();
    (void)train(faults::backend(open()));
    const faults::backend be(open());
    faults::plan_none();
    weights = train(be);
    fresh = faults::now;
    faults::plan_none();
    (void)train(be);
    settled = faults::now;
  }
  static long calls(const faults::state& s, call kind) {
    return s.calls[static_cast<std::size_t>(kind)];
  }
};
const undisturbed& known() {
  static const undisturbed once;
  return once;
}

/// What a training says that fails; "" if it does not. Anything but a backend_error ends the test.
std::string complaint_of(const faults::backend& be) {
  return support::complaint<backend_error>([&] { (void)train(be); });
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct expectation {
  call kind;
  const char* name;
};

}  // namespace

TEST_CASE("a training on OpenCL gives everything back", "[faults]") {
  REQUIRE(known().weights.size() >= 3 * 4 + 4 + 4 * 2 + 2 + 1);  // the arena has gaps
  CHECK(faults::alive() == "");
}

TEST_CASE("a launch, an argument or a copy that fails is an exception, and the backend goes on",
          "[faults]") {
  const undisturbed& good = known();
  const expectation kinds[] = {{call::launch, "clEnqueueNDRangeKernel"},
                               {call::set_argument, "clSetKernelArg"},
                               {call::write, "clEnqueueWriteBuffer"},
                               {call::read, "clEnqueueReadBuffer"},
                               {call::finish, "clFinish"}};
  for (const expectation& e : kinds) {
    INFO(e.name);
    const faults::backend be(open());
    faults::plan_none();
    (void)train(be);
    const long buffers = faults::live(object::buffer);
    const long kernels = faults::live(object::kernel);
    const long calls = undisturbed::calls(good.settled, e.kind);
    CHECK(calls > 0);
    long silent = 0;
    for (long k = 1; k <= calls; ++k) {
      faults::plan({e.kind, k, k, CL_OUT_OF_RESOURCES});
      const std::string said = complaint_of(be);
      const bool complete = contains(said, e.name) && contains(said, "CL_OUT_OF_RESOURCES") &&
                            contains(said, be.device_name());
      if (!complete || faults::now.failed != 1) ++silent;
    }
    CHECK(silent == 0);
    // The same handle still works, and the failures have kept no memory from it.
    faults::plan_none();
    CHECK(train(be) == good.weights);
    CHECK(faults::live(object::buffer) == buffers);
    CHECK(faults::live(object::kernel) == kernels);
  }
  CHECK(faults::alive() == "");
}

TEST_CASE("a kernel that cannot be made is an exception, and can be made later", "[faults]") {
  const undisturbed& good = known();
  const long kernels = undisturbed::calls(good.fresh, call::create_kernel);
  REQUIRE(kernels > 5);
  REQUIRE(undisturbed::calls(good.fresh, call::load_program) == kernels);
  for (long k = 1; k <= kernels; ++k) {
    INFO("kernel " << k);
    const fault not_kept{call::load_program, k, k, CL_INVALID_BINARY};
    struct {
      fault f;
      const char* name;
    } const kinds[] = {{{call::create_kernel, k, k}, "clCreateKernel"},
                       {{call::group_info, k, k}, "clGetKernelWorkGroupInfo"},
                       {{call::create_program, 1, 1}, "clCreateProgramWithSource"},
                       {{call::build, 1, 1}, "clBuildProgram"}};
    for (const auto& e : kinds) {
      INFO(e.name);
      const faults::backend be(open());
      std::vector<fault> planned{e.f};
      if (e.f.kind != call::create_kernel) planned.push_back(not_kept);
      faults::plan(planned);
      const std::string said = complaint_of(be);
      CHECK(contains(said, e.name));
      CHECK(contains(said, "CL_OUT_OF_RESOURCES"));
      CHECK(contains(said, be.device_name()));
      if (k == kernels) CHECK(train(be) == good.weights);  // the failures planned are over
    }
    CHECK(faults::alive() == "");
  }
}

TEST_CASE("a binary that is kept but no good is built again", "[faults]") {
  const undisturbed& good = known();
  for (const fault& f : {fault{call::load_program, 1, 1, CL_INVALID_BINARY},
                         fault{call::build_loaded, 2, 2, CL_BUILD_PROGRAM_FAILURE}}) {
    const faults::backend be(open());
    faults::plan(f);
    CHECK(train(be) == good.weights);
    CHECK(faults::now.failed == 1);
    CHECK(be.statistics().builds == 1);
    CHECK(faults::calls(call::build) == 1);
  }
  // Nor does it matter if a binary cannot be had to keep it.
  const faults::backend be(open());
  faults::plan({{call::load_program, 1, 1, CL_INVALID_BINARY}, {call::program_info}});
  CHECK(train(be) == good.weights);
  CHECK(faults::now.failed == 2);
}

TEST_CASE("memory that is not there is an exception, and the backend goes on", "[faults]") {
  const undisturbed& good = known();
  const long buffers = undisturbed::calls(good.fresh, call::create_buffer);
  REQUIRE(buffers > 5);
  for (long k = 1; k <= buffers; ++k) {
    INFO("buffer " << k);
    const faults::backend be(open());
    faults::plan({call::create_buffer, k, fault{}.last, CL_MEM_OBJECT_ALLOCATION_FAILURE});
    const std::string said = support::complaint<out_of_memory>([&] { (void)train(be); });
    CHECK(contains(said, "clCreateBuffer"));
    CHECK(contains(said, "CL_MEM_OBJECT_ALLOCATION_FAILURE"));
    CHECK(contains(said, be.device_name()));
    faults::plan_none();
    if (k % 4 == 0) CHECK(train(be) == good.weights);
  }
  CHECK(faults::alive() == "");
}

TEST_CASE("memory that the pool keeps is given up before there is none", "[faults]") {
  const faults::backend be(open());
  faults::plan_none();
  { const auto released = be.allocate(1000); }
  CHECK(faults::live(object::buffer) == 1);
  faults::plan({call::create_buffer, 1, 1, CL_MEM_OBJECT_ALLOCATION_FAILURE});
  const auto other = be.allocate(5000);  // the pool has none of that size
  CHECK(other.size() == 5000);
  CHECK(faults::now.failed == 1);
  CHECK(faults::live(object::buffer) == 1);
}

TEST_CASE("a device that is lost is lost for good, with the first error", "[faults]") {
  const expectation kinds[] = {{call::launch, "clEnqueueNDRangeKernel"},
                               {call::set_argument, "clSetKernelArg"},
                               {call::write, "clEnqueueWriteBuffer"},
                               {call::read, "clEnqueueReadBuffer"},
                               {call::finish, "clFinish"}};
  for (const expectation& e : kinds)
    for (const cl_int code :
         {CL_DEVICE_NOT_AVAILABLE, CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT}) {
      INFO(e.name << " " << code);
      {
        const faults::backend be(open());
        faults::plan_none();
        tensor<faults::backend> before(be, 2, 2);
        be.map(fn::fill{1}, before.view());
        faults::plan({e.kind, 1, 1, code});
        const std::string first = complaint_of(be);
        CHECK(contains(first, e.name));
        CHECK(contains(first, device::opencl_error_name(code)));

        faults::plan_none();  // the driver would go on
        float host[4] = {};
        const auto lost = [&](auto&& work) {
          return contains(support::complaint<backend_error>(work), first);
        };
        CHECK(lost([&] { be.synchronize(); }));
        CHECK(lost([&] { (void)be.allocate(4); }));
        CHECK(lost([&] { be.map(fn::fill{1}, before.view()); }));
        CHECK(lost([&] { be.upload(before.view(), matrix_view<const float>(host, 2, 2)); }));
        CHECK(lost([&] { be.download(matrix_view<float>(host, 2, 2), before.view()); }));
        CHECK(lost([&] { (void)train(be); }));
      }
      CHECK(faults::alive() == "");
    }
}

TEST_CASE("a context or queue that cannot be made is an exception and leaves nothing", "[faults]") {
  const expectation kinds[] = {{call::create_context, "clCreateContext"},
                               {call::create_queue, "clCreateCommandQueue"}};
  for (const expectation& e : kinds) {
    faults::plan({e.kind, 1, 1, CL_OUT_OF_HOST_MEMORY});
    const std::string said = support::complaint<backend_error>([] { (void)open(); });
    CHECK(contains(said, e.name));
    CHECK(contains(said, "CL_OUT_OF_HOST_MEMORY"));
    CHECK(faults::alive() == "");
  }
}

TEST_CASE("a batch that cannot be sent is an exception, and nothing leaks", "[faults]") {
  faults::plan_none();
  const std::vector<float> good = train_streamed(faults::backend(open()));
  CHECK(faults::alive() == "");
  const expectation kinds[] = {{call::create_queue, "clCreateCommandQueue"},
                               {call::write, "clEnqueueWriteBuffer"},
                               {call::barrier, "clEnqueueBarrierWithWaitList"},
                               {call::flush, "clFlush"},
                               {call::event_info, "clGetEventInfo"}};
  for (const expectation& e : kinds) {
    INFO(e.name);
    const faults::backend be(open());
    faults::plan_none();
    (void)train_streamed(be);
    const long queues = faults::live(object::queue);
    const long buffers = faults::live(object::buffer);
    const long calls = faults::calls(e.kind);
    CHECK(calls > 0);
    for (long k = 1; k <= calls; ++k) {
      INFO("call " << k << " of " << calls);
      faults::plan({e.kind, k, k, CL_OUT_OF_RESOURCES});
      const std::string said = support::complaint<backend_error>([&] { (void)train_streamed(be); });
      CHECK(contains(said, e.name));
      CHECK(contains(said, "CL_OUT_OF_RESOURCES"));
      CHECK(faults::now.failed == 1);
      CHECK(faults::live(object::event) == 0);
      CHECK(faults::live(object::queue) == queues);
    }
    faults::plan_none();
    CHECK(train_streamed(be) == good);
    CHECK(faults::live(object::buffer) == buffers);
  }
  CHECK(faults::alive() == "");
}

TEST_CASE("inputs for which there is no buffer are streamed, unless they must not be", "[faults]") {
  const faults::backend be(open());
  const std::vector<std::uint8_t> pixels(3000, 7);
  const std::vector<int> labels(3, 1);
  const matrix_view<const std::uint8_t> inputs(pixels.data(), 3, 1000);
  faults::plan({call::create_buffer, 1, 1, CL_INVALID_BUFFER_SIZE});
  const dataset<faults::backend> data(be, inputs, labels, 2);
  CHECK(faults::now.failed == 1);
  CHECK_FALSE(data.is_resident());
  faults::plan({call::create_buffer, 1, 1, CL_INVALID_BUFFER_SIZE});
  CHECK_THROWS_AS(
      dataset<faults::backend>(be, inputs, labels, 2, 1, {.inputs = residence::resident}),
      out_of_memory);
  faults::plan_none();
}

TEST_CASE("nothing leaks where buffers lie between guard zones", "[faults]") {
  ::setenv("CHAINRULE_CHECK_MEMORY", "1", 1);
  auto guarded = open();
  ::unsetenv("CHAINRULE_CHECK_MEMORY");
  REQUIRE(guarded->checks_memory());
  std::optional<faults::backend> be(guarded);
  faults::plan_none();
  CHECK(train(*be) == known().weights);
  const long fills = faults::calls(call::fill);
  const long reads = faults::calls(call::read);
  const long buffers = faults::live(object::buffer);
  CHECK(fills > 10);
  for (long k = 1; k <= fills; ++k) {
    faults::plan({call::fill, k, k, CL_OUT_OF_RESOURCES});
    if (!contains(complaint_of(*be), "clEnqueueFillBuffer")) FAIL_CHECK("fill " << k);
  }
  // A buffer that cannot be looked at when it is released is given back to the driver.
  for (long k = 1; k <= reads; ++k) {
    faults::plan({call::read, k, k, CL_OUT_OF_RESOURCES});
    (void)complaint_of(*be);
    if (faults::now.failed != 1) FAIL_CHECK("read " << k);
  }
  faults::plan_none();
  CHECK(train(*be) == known().weights);
  CHECK(faults::live(object::buffer) == buffers);
  {
    const auto held = be->allocate(10);
    faults::plan({call::finish, 1, 1, CL_DEVICE_NOT_AVAILABLE});
    CHECK_THROWS_AS(be->synchronize(), backend_error);
    faults::plan({call::read, 1, fault{}.last, CL_DEVICE_NOT_AVAILABLE});
  }
  be.reset();
  guarded.reset();
  CHECK(faults::alive() == "");
}

}  // namespace faults_test
