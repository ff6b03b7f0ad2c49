// With a GPU the component's backend adds; without one it is opened in vain, and says why.
#include <chainrule/backend/cuda.hpp>
#include <cstdio>
#include <string>

int main() {
  try {
    chainrule::cuda be;
    const auto x = be.allocate<float>(1);
    be.random(x.view(), 1, 2);
    be.map(chainrule::fn::plus{}, x.view(), x.view(), x.view());
    be.synchronize();
    std::printf("added on %s\n", be.device_name().c_str());
  } catch (const chainrule::backend_error& e) {
    std::printf("%s\n", e.what());
    return std::string(e.what()).rfind("CUDA: ", 0) == 0 &&
                   chainrule::cuda_runtime::devices().empty()
               ? 0
               : 1;
  }
  return 0;
}
