/// \file
/// Time per epoch of the networks in nets.hpp, beside plain Eigen on the same data.
///
///     build/benchmarks/epoch                                      nets A, B and C
///     build/benchmarks/epoch --benchmark_filter=D                 another, by its name
///     CHAINRULE_MNIST=data/mnist build/benchmarks/epoch           real digits
///     build/benchmarks/epoch --benchmark_out=epoch.json           each round's seconds
///
/// CHAINRULE_BENCHMARK_ROUNDS (7) is the number of rounds, CHAINRULE_BENCHMARK_SAMPLES (60000) the
/// size of an epoch. The exit status is 1 if a network did not learn, or if chainrule and plain
/// Eigen, which begin with the same weights and see the same batches, did not learn the same.

#include "epoch.hpp"

namespace {

int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || std::atoi(text) < 1 ? otherwise : std::atoi(text);
}

}  // namespace

int main(int argc, char** argv) try {
  const int samples = from_environment("CHAINRULE_BENCHMARK_SAMPLES", 60000);
  chainrule::labelled_images images = training_images();
  if (samples < images.count) images = images.first(samples);
  const chainrule::labelled_images parity = parity_samples();

  std::vector<std::unique_ptr<epoch_contest>> nets;
  for (const net_shape* s : {&net_a, &net_b, &net_c, &net_d})
    nets.push_back(std::make_unique<epoch_contest>(*s, images));
  nets.push_back(std::make_unique<epoch_contest>(net_t, parity));
  std::vector<contest*> contests;
  for (const auto& n : nets) {
    n->add_eigen("plain Eigen");
    n->add_chainrule(1);
    n->add_chainrule(2);
    n->add_products();
    contests.push_back(&n->contenders());
  }

  std::printf("%s, %td samples; Eigen's instruction sets: %s\n", images.name.c_str(), images.count,
              Eigen::SimdInstructionSetsInUse());
  const int status =
      run_contests(argc, argv, contests, "ms", 1e3,
                   from_environment("CHAINRULE_BENCHMARK_ROUNDS", 7), "epoch/[ABC]/");
  bool fine = true;
  for (const auto& n : nets) fine = n->check() && fine;
  return status != 0 ? status : (fine ? 0 : 1);
} catch (const std::exception& error) {
  std::fprintf(stderr, "epoch: %s\n", error.what());
  return 1;
}
