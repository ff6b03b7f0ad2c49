/// \file
/// Forward passes of one sample, as in a loop with a deadline, through networks and static
/// networks.
///
///     build/benchmarks/inference --benchmark_repetitions=5
///
/// The old commit beside the new: compiled with the headers of each, the programs take turns.

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "chainrule/network/static_network.hpp"
#include "chainrule/predict.hpp"

namespace {

using namespace chainrule;

template <class Net>
void forward(benchmark::State& state, const Net& net) {
  pass<cpu> memory = net.make_pass(1);
  std::vector<float> x(static_cast<std::size_t>(net.inputs()), 0.3F);
  int count = 0;
  for (auto _ : state) {
    x[0] = static_cast<float>(++count & 7);
    const auto y = net.forward(matrix_view<const float>(x.data(), 1, net.inputs()), memory);
    benchmark::DoNotOptimize(y(0, 0));
  }
}
template <class Net>
void predict(benchmark::State& state, Net net) {
  net.initialize(0);
  std::array<float, static_cast<std::size_t>(Net::inputs)> x{};
  int count = 0;
  for (auto _ : state) {
    x[0] = static_cast<float>(++count & 7);
    benchmark::DoNotOptimize(net.predict(x)[0]);
  }
}

void network_784_128_10(benchmark::State& s) {
  forward(s, network{cpu{1}, dense{784, 128, relu{}}, dense{10}});
}
void network_10_3_2(benchmark::State& s) {
  forward(s, network{cpu{1}, dense{10, 3, fn::sigmoid{}}, dense{2, fn::sigmoid{}}});
}
void network_8_64_64_1(benchmark::State& s) {
  forward(s, network{cpu{1}, dense{8, 64, relu{}}, dense{64, relu{}}, dense{1}});
}
void static_10_3_2(benchmark::State& s) {
  predict(s, static_network{dense<10, 3, fn::sigmoid>{}, dense<3, 2, fn::sigmoid>{}});
}
void static_8_64_64_1(benchmark::State& s) {
  predict(s, static_network{dense<8, 64, relu>{}, dense<64, 64, relu>{}, dense<64, 1>{}});
}

BENCHMARK(network_784_128_10);
BENCHMARK(network_10_3_2);
BENCHMARK(network_8_64_64_1);
BENCHMARK(static_10_3_2);
BENCHMARK(static_8_64_64_1);

}  // namespace

BENCHMARK_MAIN();
