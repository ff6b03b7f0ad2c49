/// \file
/// Time per epoch of the networks in nets.hpp on the OpenCL device, beside the CPU backend with two
/// threads.
///
///     build/benchmarks/opencl_epoch                               nets A, B and C
///     build/benchmarks/opencl_epoch --benchmark_filter=C          one, by its name
///
/// CHAINRULE_MNIST names a folder with real digits, CHAINRULE_BENCHMARK_ROUNDS (7) is the number of
/// rounds, CHAINRULE_BENCHMARK_SAMPLES (60000) the size of an epoch. The exit status is 1 if a
/// network did not learn, or if the two, which begin with the same weights and see the same
/// batches, did not learn the same.

#include "chainrule/backend/opencl.hpp"
#include "epoch.hpp"

int main(int argc, char** argv) try {
  const char* wanted = std::getenv("CHAINRULE_BENCHMARK_SAMPLES");
  chainrule::labelled_images images = training_images();
  if (wanted != nullptr && std::atoi(wanted) > 0 && std::atoi(wanted) < images.count)
    images = images.first(std::atoi(wanted));
  const chainrule::opencl be;
  std::vector<std::unique_ptr<epoch_contest>> nets;
  std::vector<contest*> contests;
  for (const net_shape* s : {&net_a, &net_b, &net_c}) {
    nets.push_back(std::make_unique<epoch_contest>(*s, images, "opencl/epoch/"));
    nets.back()->add_chainrule(2);
    nets.back()->add_chainrule(be, "chainrule, OpenCL");
    contests.push_back(&nets.back()->contenders());
  }
  std::printf("%s, %td samples, on %s\n", images.name.c_str(), images.count,
              be.device_name().c_str());
  const char* rounds = std::getenv("CHAINRULE_BENCHMARK_ROUNDS");
  const int status =
      run_contests(argc, argv, contests, "ms", 1e3,
                   rounds == nullptr || std::atoi(rounds) < 1 ? 7 : std::atoi(rounds), "");
  bool fine = true;
  for (const auto& n : nets) fine = n->check() && fine;
  return status != 0 ? status : (fine ? 0 : 1);
} catch (const std::exception& error) {
  std::fprintf(stderr, "opencl_epoch: %s\n", error.what());
  return 1;
}
