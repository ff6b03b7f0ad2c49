// Kernels with a mistake each, which Oclgrind has to find: oclgrind.cmake runs them.
//
//     test_opencl_bad_kernels race|bounds|uninitialized|none

#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "chainrule/backend/opencl.hpp"
#include "chainrule/memory/tensor.hpp"

using namespace chainrule;

namespace {

const char* body_of(std::string_view mistake) {
  if (mistake == "race") return "a[0] = (float)INDEX(0);";
  if (mistake == "bounds") return "b[i] = a[i + 1000];";
  if (mistake == "uninitialized") return "b[i] = c[i];";
  return "b[i] = a[i];";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const opencl be;
    constexpr index_t n = 16;
    const std::array<float, n> values{};
    tensor<opencl> a(be, 1, n), b(be, 1, n), c(be, 1, n);  // nobody writes c
    be.upload(a.view(), matrix_view<const float>(values.data(), 1, n));
    const std::string text =
        detail::concat("KERNEL cr_main(GLOBAL float* a, GLOBAL float* b, GLOBAL float* c) {\n",
                       "  const long i = INDEX(0);\n  ", body_of(argc > 1 ? argv[1] : ""), "\n}\n");
    std::array<device::argument, 3> arguments;
    std::size_t k = 0;
    for (const tensor<opencl>* t : {&a, &b, &c}) {
      const cl_mem buffer = t->view().data().buffer;
      arguments[k].size = sizeof buffer;
      std::memcpy(arguments[k++].bytes.data(), &buffer, sizeof buffer);
    }
    be.runtime()->launch("a kernel", be.runtime()->kernel(text), {n, 1}, arguments);
    be.synchronize();
  } catch (const backend_error& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
}
