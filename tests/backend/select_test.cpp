#include "chainrule/backend/select.hpp"

#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace select_test {

using namespace chainrule;
using support::complaint;

namespace {

/// A backend on devices that a test makes up. A name that ends in "!" cannot be opened.
template <int Kind>
struct pretended {
  static constexpr const char* api = Kind == 0 ? "cuda" : "opencl";
  static inline std::vector<device_info> list;
  static inline int opened = 0;

  static std::vector<device_info> devices() { return list; }
  pretended() : pretended(device_choice()) {}
  explicit pretended(const device_choice& choice) {
    ++opened;
    const std::string label = Kind == 0 ? "CUDA" : "OpenCL";
    if (list.empty()) throw backend_error(label + ": there is no device");
    device = device::find_device(list, choice.text(), label.c_str(), "the device asked for");
    if (device.name.ends_with('!')) throw backend_error(label + ": it does not open");
  }
  const device_info& info() const { return device; }
  device_info device;
};
using green = pretended<0>;  // cuda
using open = pretended<1>;   // opencl

std::vector<device_info> list_of(const std::vector<std::string>& names,
                                 device_kind kind = device_kind::gpu) {
  std::vector<device_info> list;
  for (const std::string& name : names)
    list.push_back({"", static_cast<int>(list.size()), name, 0, 1, kind, true});
  return list;
}

/// What is chosen, "name on device", and the note.
template <class... Bs>
selection chosen(const std::string& name) {
  return with_backend<Bs...>(name, [&]<class B>(const B& be, const selection& s) {
    CHECK(backend_traits<B>::name() == s.name);
    if constexpr (!std::is_same_v<B, cpu>) CHECK(be.info().name == s.device);
    return s;
  });
}

}  // namespace

TEST_CASE("the cpu is there and tells what it is") {
  CHECK(available<cpu>());
  CHECK(available<basic_cpu<double>>().reason.empty());
  const std::vector<device_info> list = devices<cpu>();
  REQUIRE(list.size() == 1);
  CHECK(list[0].api == "cpu");
  CHECK(!list[0].name.empty());
  CHECK(list[0].name.find('\n') == std::string::npos);
  CHECK(list[0].units > 0);
  CHECK(list[0].memory > 0);
  CHECK(list[0].kind == device_kind::processor);
}

TEST_CASE("a backend that cannot be made says why") {
  open::list.clear();
  CHECK(devices<open>().empty());
  CHECK(!available<open>());
  CHECK(available<open>().reason == "OpenCL: there is no device");
  open::list = list_of({"Arc", "Radeon"});
  CHECK(devices<open>().size() == 2);
  CHECK(available<open>());
  CHECK(available<open>("Radeon"));
  CHECK(!available<open>("GeForce"));
  CHECK(!available<cpu>("1"));
}

TEST_CASE("a backend is chosen by its name, and its device by number or name") {
  green::list = list_of({"H200", "A100"});
  open::list = list_of({"Arc", "Radeon"});
  CHECK(chosen<cpu, open, green>("cpu").name == "cpu");
  CHECK(chosen<cpu, open, green>("cuda").device == "H200");
  CHECK(chosen<cpu, open, green>("opencl").device == "Arc");
  CHECK(chosen<cpu, open, green>("opencl:1").device == "Radeon");
  CHECK(chosen<cpu, open, green>("opencl:Rade").device == "Radeon");
  CHECK(chosen<cpu, open, green>("cuda:A").device == "A100");
  CHECK(chosen<cpu, open, green>("cuda:A").note == "using cuda (A100)");
}

TEST_CASE("auto takes CUDA before other GPUs before the processor, and says so") {
  green::list = list_of({"H200"});
  open::list = list_of({"Arc"});
  CHECK(chosen<cpu, open, green>("auto").note == "auto: using cuda (H200)");
  CHECK(chosen<cpu, open>("auto").note == "auto: using opencl (Arc)");

  green::list.clear();
  CHECK(chosen<cpu, open, green>("auto").note ==
        "auto: cuda: there is no device; using opencl (Arc)");
  green::list = list_of({"H200!"});
  CHECK(chosen<cpu, open, green>("auto").note ==
        "auto: cuda: it does not open; using opencl (Arc)");
  CHECK(chosen<cpu, open, green>("auto").name == "opencl");

  open::list.clear();
  const selection last = chosen<green, open, cpu>("auto");
  CHECK(last.name == "cpu");
  CHECK(last.note == "auto: cuda: it does not open; opencl: there is no device; using cpu (" +
                         devices<cpu>()[0].name + ")");
  CHECK(complaint<backend_error>([] { (void)chosen<open, green>("auto"); }) ==
        "auto: no backend can be used: cuda: it does not open; opencl: there is no device");
}

TEST_CASE("auto takes an OpenCL device that is a processor only if there is nothing else") {
  green::list.clear();
  open::list = list_of({"PoCL"}, device_kind::processor);
  open::opened = 0;
  CHECK(chosen<cpu, open>("auto").note ==
        "auto: opencl: only a CPU device (PoCL); using cpu (" + devices<cpu>()[0].name + ")");
  CHECK(open::opened == 0);
  CHECK(chosen<open, green>("auto").note ==
        "auto: cuda: there is no device; opencl: only a CPU device (PoCL); using opencl (PoCL)");

  // The environment may choose a processor where there is a GPU: its order stands for that here.
  open::list.push_back(list_of({"Arc"})[0]);
  CHECK(chosen<cpu, open>("auto").name == "cpu");
  std::swap(open::list[0], open::list[1]);
  CHECK(chosen<cpu, open>("auto").device == "Arc");
}

TEST_CASE("a name that is none says which there are") {
  open::list = list_of({"Arc", "Radeon"});
  const auto complaint_of = [](const char* name) {
    return complaint<value_error>([&] { (void)chosen<cpu, open>(name); });
  };
  CHECK(complaint_of("gpu") ==
        "there is no backend 'gpu'; choose auto or one of: cpu, opencl, with ':' and a device's "
        "number or a part of its name if need be");
  CHECK(!complaint_of("").empty());
  CHECK(!complaint_of("CPU").empty());
  CHECK(!complaint_of("auto:1").empty());
  CHECK(complaint_of("cpu:2") == "the backend cpu has one device: leave out ':2'");
}

TEST_CASE("a named backend that cannot be used is an error with the reason") {
  open::list.clear();
  CHECK(complaint<backend_error>([] { (void)chosen<cpu, open>("opencl"); }) ==
        "OpenCL: there is no device");
  open::list = list_of({"Arc"});
  CHECK(complaint<backend_error>([] {
          (void)chosen<cpu, open>("opencl:Radeon");
        }).find("there are: 0 (Arc)") != std::string::npos);
  CHECK(complaint<backend_error>([] { (void)chosen<cpu, open>("cuda"); }) ==
        "this program was built without the backend cuda; it has: cpu, opencl");
}

TEST_CASE("what is called may take the backend alone, return things and throw") {
  open::list = list_of({"Arc"});
  int seen = 0;
  with_backend<cpu, open>("opencl", [&](const auto&) { ++seen; });
  CHECK(seen == 1);
  int& place = with_backend<cpu>("cpu", [&](const auto&) -> int& { return seen; });
  CHECK(&place == &seen);
  CHECK(complaint<shape_error>([] {
          with_backend<cpu, open>("auto", [](const auto&) { throw shape_error("mine"); });
        }) == "mine");
  CHECK(with_backend<cpu>("cpu", [](const cpu& be) { return be.allocate(2).size(); }) == 2);
}

}  // namespace select_test
