// custom_activation: an activation that no library has, one line of math, on every backend there
// is: its gradients against finite differences, and the text of which its kernels are made.
//
//     custom_activation [cpu|opencl|cuda]    # all of them if none is named

#include <chainrule/chainrule.hpp>
#include <chainrule/pointwise/symbol.hpp>
#include <chainrule/testing/gradient_check.hpp>
#include <cstdio>
#include <exception>
#include <optional>
#include <string_view>

#ifdef EXAMPLE_WITH_OPENCL
#include <chainrule/backend/opencl.hpp>
#endif
#ifdef EXAMPLE_WITH_CUDA
#include <chainrule/backend/cuda.hpp>
#endif

using namespace chainrule;

namespace {

/// The whole activation: SIMD code, kernels and the derivative follow from it.
struct ripple {
  double height = 0.2;
  auto operator()(auto x) const { return x * atan(exp(x)) + height * cos(3 * x); }
};

void print_kernels() {
  const trace value = trace_of<1>(ripple{});
  const trace slope = trace_of<1>(derivative_of<ripple>{});
  std::printf("f(x0), as kernels have it in float:\n%s  f = %s\n", value.print<float>().c_str(),
              value.result(0).c_str());
  std::printf("f'(x0):\n%s  f' = %s\n\n", slope.print<float>().c_str(), slope.result(0).c_str());
}

/// A handle of the backend, or nothing where there is no device; it says why.
template <class B>
std::optional<B> open(const char* name) {
  try {
    return B{};
  } catch (const backend_error& e) {
    std::printf("%-8s skipped: %s\n", name, e.what());
    return std::nullopt;
  }
}

/// One line of the table: all parameters and the input, in the middle of a network. False if a
/// gradient is wrong.
template <class B>
bool check(const char* name) {
  const std::optional<B> be = open<B>(name);
  if (!be) return true;
  network net{*be, dense{5, 8, ripple{}}, activation{ripple{}}, dense{8, 3}};
  tensor<B> x(*be, 7, 5), targets(*be, 7, 3);
  be->random(x.view(), /*seed*/ 1, /*stream*/ 0);
  be->random(targets.view(), /*seed*/ 1, /*stream*/ 1);
  const gradient_report r = check_gradients(net, quadratic_cost{}, x.view(), targets.view());
  std::printf("%-8s %-22.1e %s\n", name, r.worst, r.passed() ? "agrees" : to_string(r).c_str());
  return r.passed();
}

/// The checks of the backends that were compiled in, or of the named one.
bool run(std::string_view wanted) {
  bool known = false;
  const auto asked = [&](std::string_view name) {
    known = known || wanted.empty() || wanted == name;
    return wanted.empty() || wanted == name;
  };
  bool good = true;
  std::printf("%-8s %-22s (in double)\n", "backend", "worst relative error");
  if (asked("cpu")) good = check<basic_cpu<double>>("cpu") && good;
#ifdef EXAMPLE_WITH_OPENCL
  if (asked("opencl")) good = check<basic_opencl<double>>("opencl") && good;
#else
  if (asked("opencl")) std::puts("opencl   skipped: no OpenCL headers when this was built");
#endif
#ifdef EXAMPLE_WITH_CUDA
  if (asked("cuda")) good = check<basic_cuda<double>>("cuda") && good;
#else
  if (asked("cuda")) std::puts("cuda     skipped: no CUDA headers when this was built");
#endif
  if (!known) throw value_error(detail::concat("there is no backend '", wanted, "'"));
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    print_kernels();
    return run(argc > 1 ? argv[1] : "") ? 0 : 1;
  } catch (const value_error& e) {  // no such backend
    std::fprintf(stderr, "custom_activation: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "custom_activation: %s\n", e.what());
    return 1;
  }
}
