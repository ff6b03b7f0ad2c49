/// \file
/// Networks for images by dlib, as a contender of run.py: lines "steps N" are answered with the
/// milliseconds of a step. Its threads are those of the BLAS that it uses.

#include <dlib/dnn.h>
#include <dlib/revision.h>
#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace {

using grey = dlib::input<dlib::matrix<unsigned char>>;

/// Without padding: dlib's own default keeps the extents.
template <long Filters, long Size, class Below>
using conv = dlib::add_layer<dlib::con_<Filters, Size, Size, 1, 1, 0, 0>, Below>;
template <class Below>
using pool = dlib::max_pool<2, 2, 2, 2, Below>;

template <long First, long Second>
using lenet = dlib::loss_multiclass_log<dlib::fc<
    10,
    dlib::relu<dlib::fc<
        84, dlib::relu<dlib::fc<120, pool<dlib::relu<conv<
                                         Second, 5, pool<dlib::relu<conv<First, 5, grey>>>>>>>>>>>>;
using diamond = dlib::loss_multiclass_log<dlib::fc<
    10, dlib::relu<dlib::fc<128, pool<dlib::relu<conv<64, 3, dlib::relu<conv<32, 3, grey>>>>>>>>>;

template <class Net>
int train(int batch) {
  Net net;
  std::vector<dlib::sgd> solvers(Net::num_computational_layers, dlib::sgd(0, 0.9F));
  std::mt19937 random(1);
  std::vector<dlib::matrix<unsigned char>> images;
  std::vector<unsigned long> labels;
  for (int i = 0; i < batch; ++i) {
    dlib::matrix<unsigned char> image(28, 28);
    for (auto& pixel : image) pixel = static_cast<unsigned char>(random() % 256);
    images.push_back(image);
    labels.push_back(random() % 10);
  }
  dlib::resizable_tensor x;
  net.to_tensor(images.begin(), images.end(), x);
  const auto step = [&] {
    net.compute_parameter_gradients(x, labels.begin());
    net.update_parameters(solvers, 0.01);
  };
  step();
  std::cout << "ready dlib " << DLIB_MAJOR_VERSION << '.' << DLIB_MINOR_VERSION << std::endl;
  std::string word;
  int steps = 0;
  while (std::cin >> word >> steps) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < steps; ++i) step();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::cout << 1000 * taken.count() / steps << std::endl;
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  std::cout << "memory " << static_cast<double>(used.ru_maxrss) / 1000 << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string net;
  for (int i = 1; i + 1 < argc; i += 2)
    if (std::string(argv[i]) == "--net") net = argv[i + 1];
  if (net == "L6") return train<lenet<6, 16>>(64);
  if (net == "L32") return train<lenet<32, 64>>(64);
  if (net == "DD0") return train<diamond>(128);
  std::cerr << "there is no net '" << net << "' for dlib; choose L6, L32 or DD0\n";
  return 2;
}
