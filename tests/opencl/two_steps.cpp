// A small training on an OpenCL device. Prints the sum of the weights, bit for bit, and how many
// kernels had to be built: program_cache.cmake runs it twice.

#include <cstdio>
#include <vector>

#include "chainrule/backend/opencl.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"

using namespace chainrule;

int main() {
  try {
    const opencl be;
    const std::vector<float> pixels(10 * 4, 0.5f);
    const std::vector<int> labels{0, 1, 2, 0, 1, 2, 0, 1, 2, 0};
    const dataset<opencl> data(be, matrix_view<const float>(pixels.data(), 10, 4), labels, 3);
    network net{be, dense{4, 5, relu{}}, dense{5, 3}};
    net.initialize(1);
    trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
    (void)t.fit(data, {.epochs = 1, .batch = 5, .seed = 2});
    double sum = 0;
    for (const float w : to_host(be, const_matrix<opencl>(net.parameters().all()))) sum += w;
    std::printf("weights %a\nbuilds %d\n", sum, static_cast<int>(be.statistics().builds));
  } catch (const backend_error& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
}
