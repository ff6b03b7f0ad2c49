/// \file
/// Forward passes of one sample, as in a loop with a deadline, through networks and static
/// networks. In those named `waiting` each sample contains the output before, as in a control loop:
/// the processor cannot begin with it earlier.
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
void forward(benchmark::State& state, const Net& net, bool waits = false) {
  pass<cpu> memory = net.make_pass(1);
  std::vector<float> x(static_cast<std::size_t>(net.inputs()), 0.3F);
  int count = 0;
  for (auto _ : state) {
    if (!waits) x[0] = static_cast<float>(++count & 7);
    const auto y = net.forward(matrix_view<const float>(x.data(), 1, net.inputs()), memory);
    benchmark::DoNotOptimize(y(0, 0));
    if (waits) x[0] = y(0, 0);
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
void network_10_3_2_waiting(benchmark::State& s) {
  forward(s, network{cpu{1}, dense{10, 3, fn::sigmoid{}}, dense{2, fn::sigmoid{}}}, true);
}
void network_8_64_64_1_activations(benchmark::State& s) {
  forward(s, network{cpu{1}, dense{8, 64}, activation{relu{}}, dense{64}, activation{relu{}},
                     dense{1}});
}
void network_8_64_64_1_dropout(benchmark::State& s) {
  forward(s, network{cpu{1}, dense{8, 64, relu{}}, dropout{0.1}, dense{64, relu{}}, dropout{0.1},
                     dense{1}});
}
void network_8_64_64_1_batch_norm(benchmark::State& s) {
  forward(s, network{cpu{1}, dense{8, 64}, batch_norm{}, activation{relu{}}, dense{64},
                     batch_norm{}, activation{relu{}}, dense{1}});
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
BENCHMARK(network_10_3_2_waiting);
BENCHMARK(network_8_64_64_1_activations);
BENCHMARK(network_8_64_64_1_dropout);
BENCHMARK(network_8_64_64_1_batch_norm);
BENCHMARK(static_10_3_2);
BENCHMARK(static_8_64_64_1);

}  // namespace

BENCHMARK_MAIN();
