// Choosing a real OpenCL device.

#include "chainrule/backend/select.hpp"

#include <string>
#include <type_traits>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/backend/opencl.hpp"
#include "chainrule/memory/tensor.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace select_test {

using namespace chainrule;

TEST_CASE("OpenCL's devices are listed, and each can be opened by number and by name", "[opencl]") {
  const std::vector<device_info> list = devices<opencl>();
  REQUIRE(!list.empty());
  CHECK(available<opencl>());
  for (std::size_t i = 0; i < list.size(); ++i) {
    CHECK(list[i].api == "opencl");
    CHECK(list[i].index == static_cast<int>(i));
    CHECK(!list[i].name.empty());
    CHECK(list[i].memory > 0);
    CHECK(list[i].units > 0);
    const std::string by_number = "opencl:" + std::to_string(i);
    for (const std::string& name : {by_number, "opencl:" + list[i].name})
      CHECK(with_backend<cpu, opencl>(name, [](const auto& be, const selection& chosen) {
              tensor<std::remove_cvref_t<decltype(be)>> one(be, 1, 1);
              be.map(fn::fill{2}, one.view());
              CHECK(to_host(be, one.view()) == std::vector<float>{2});
              return chosen.device;
            }) == list[i].name);
  }
}

TEST_CASE("an OpenCL device that is not there says which are", "[opencl]") {
  const std::string reason = available<opencl>("no such device").reason;
  CHECK(reason.find("no such device") != std::string::npos);
  CHECK(reason.find(devices<opencl>()[0].name) != std::string::npos);
  CHECK(reason == support::complaint<backend_error>(
                      [] { with_backend<opencl>("opencl:no such device", [](const opencl&) {}); }));
}

TEST_CASE("auto takes OpenCL where its default device is a GPU", "[opencl]") {
  bool any_gpu = false;
  for (const device_info& d : devices<opencl>())
    any_gpu = any_gpu || d.kind != device_kind::processor;
  const selection chosen =
      with_backend<cpu, opencl>("auto", [](const auto&, const selection& s) { return s; });
  // With a GPU the environment may still ask for another device.
  if (!any_gpu) CHECK(chosen.name == "cpu");
  CHECK(chosen.note.starts_with("auto: "));
  CHECK(chosen.note.find("using " + chosen.name) != std::string::npos);
  CHECK(with_backend<opencl>("auto", [](const opencl& be) { return be.name(); }) == "opencl");
}

}  // namespace select_test
