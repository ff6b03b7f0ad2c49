/// \file
/// Time per epoch and per step of the nets of nets.hpp, and of one 4096 wide, on an NVIDIA GPU,
/// beside the products of a step alone: by cuBLASLt in the same precision, captured as the step is.
///
///     build/benchmarks/cuda_epoch          # all nets
///     build/benchmarks/cuda_epoch C D      # some
///
/// Needs no Google Benchmark. Of five epochs the fastest counts, for the first captures the step.
/// CHAINRULE_MNIST names a folder with images, else they are synthetic. Exit status 77 without a
/// device, 1 if a net did not learn.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/backend/cuda.hpp"
#include "chainrule/backend/device/graph_capture.hpp"
#include "nets.hpp"

namespace {

using namespace chainrule;

const net_shape net_wide{
    "4096", {784, 4096, 4096, 10}, nonlinearity::relu, cost::softmax_cross_entropy, 512, 0.05F};

/// Microseconds that the products of a step take: forward, weights, and inputs but for the first
/// layer.
double products_of_step(const cuda& be, const net_shape& s) {
  index_t most = 1;
  for (const int e : s.extents) most = std::max<index_t>(most, e);
  const index_t room = std::max(most * most, most * s.batch);
  const auto x = be.allocate<float>(room);
  const auto y = be.allocate<float>(room);
  const auto z = be.allocate<float>(room);
  be.random(x.view(), 1, 2);
  be.random(y.view(), 1, 3);
  const auto of = [](const auto& storage, index_t rows, index_t cols) {
    return matrix<cuda>(storage.view().data(), rows, cols);
  };
  const index_t n = s.batch;
  const auto work = [&] {
    for (std::size_t i = 1; i < s.extents.size(); ++i) {
      const index_t in = s.extents[i - 1];
      const index_t out = s.extents[i];
      be.gemm(of(z, n, out), of(x, n, in), of(y, in, out));
      be.gemm(of(z, in, out), transposed(of(x, n, in)), of(y, n, out));
      if (i > 1) be.gemm(of(z, n, in), of(x, n, out), transposed(of(y, in, out)));
    }
  };
  work();
  const device::captured_graph<cuda_runtime> step(be.runtime(), work);
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 10; ++run) {
    be.synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 50; ++i) step.replay();
    be.synchronize();
    const std::chrono::duration<double, std::micro> t = std::chrono::steady_clock::now() - start;
    best = std::min(best, t.count() / 50);
  }
  return best;
}

/// One line of the table; false if the net did not learn.
bool measure(const cuda& be, const net_shape& s, const labelled_images& images) {
  bool learned = false;
  with_network(s, be, [&](auto net, const auto& loss) {
    const dataset<cuda> data(be, images);
    net.initialize(1);
    trainer t{net, loss, sgd{static_cast<double>(s.rate)}};
    const history h = t.fit(data, {.epochs = 5, .batch = s.batch, .seed = 7});
    double seconds = std::numeric_limits<double>::infinity();
    for (const epoch_record& e : h.epochs) seconds = std::min(seconds, e.seconds);
    learned = h.epochs.back().training.loss < h.epochs.front().training.loss;
    const auto steps = static_cast<double>((images.count + s.batch - 1) / s.batch);
    const double step = seconds * 1e6 / steps;
    const double products = products_of_step(be, s);
    std::printf("%-5s %-22s %9.2f %11.2f %11.2f %6.2f%s\n", s.name, "chainrule", seconds * 1e3,
                step, products, step / products, learned ? "" : "  DID NOT LEARN");
  });
  return learned;
}

}  // namespace

int main(int argc, char** argv) {
  if (const std::string why = cuda_runtime::missing(); !why.empty()) {
    std::printf("skipped: CUDA: %s\n", why.c_str());
    return 77;
  }
  try {
    const cuda be;
    const labelled_images images = training_images();
    std::printf("%s, %td samples, on %s\n", images.name.c_str(), images.count,
                be.device_name().c_str());
    std::printf("%-5s %-22s %9s %11s %11s %6s\n", "net", "by", "epoch ms", "step us", "products us",
                "ratio");
    bool fine = true;
    for (const net_shape* s : {&net_a, &net_b, &net_c, &net_d, &net_wide}) {
      const auto asked = [&](const char* name) { return std::string(name) == s->name; };
      if (argc > 1 && std::none_of(argv + 1, argv + argc, asked)) continue;
      fine = measure(be, *s, images) && fine;
    }
    return fine ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cuda_epoch: %s\n", e.what());
    return 1;
  }
}
