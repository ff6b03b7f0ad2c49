// network::memory states what the arenas and passes of a network allocate.
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace memory_test {

using namespace chainrule;

namespace {

/// The CPU, which adds the bytes of everything that is allocated through it.
struct counting_cpu : basic_cpu<float> {
  using basic_cpu<float>::basic_cpu;
  static inline std::uint64_t bytes = 0;

  template <class U = float>
  [[nodiscard]] storage<U> allocate(index_t size) const {
    bytes += static_cast<std::uint64_t>(size) * sizeof(U);
    return basic_cpu<float>::allocate<U>(size);
  }
};

template <class Make>
std::uint64_t bytes_of(const Make& make) {
  const std::uint64_t before = counting_cpu::bytes;
  [[maybe_unused]] const auto made = make();
  return counting_cpu::bytes - before;
}

}  // namespace

TEST_CASE("the memory of a network is what its arenas and passes allocate") {
  const auto check = [](const std::vector<any_layer<counting_cpu>>& layers) {
    const counting_cpu backend{1};
    const std::uint64_t before = counting_cpu::bytes;
    const network<counting_cpu> net{backend, layers};
    const std::uint64_t held = counting_cpu::bytes - before;
    for (const index_t n : {index_t{1}, index_t{7}}) {
      const network_memory m = net.memory(n);
      CAPTURE(n);
      CHECK(m.inference.parameters + m.inference.states == held);
      CHECK(m.inference.gradients == 0);
      CHECK(m.inference.total() == held + bytes_of([&] { return net.make_pass(n); }));
      CHECK(m.training.gradients == bytes_of([&] { return net.make_gradients(); }));
      CHECK(m.training.total() ==
            held + m.training.gradients + bytes_of([&] { return net.make_pass(n, true); }));
      CHECK(m.training.total() > m.inference.total());
    }
  };
  check({dense{10, 20, relu{}}, dense{3}});
  // Indices of maxima, statistics, pre-activations, a block and what is saved once.
  check({input{8, 6, 2}, conv2d{3, 3, silu{}}, batch_norm{relu{}}, max_pool{2}, layer_norm{},
         flatten{}, residual{dense{18, fn::tanh{}}, dense{18}}, dense{4}});
}

TEST_CASE("the parts of the memory of a small network, by hand") {
  const network net{basic_cpu<double>{1}, dense{4, 8, relu{}}, dense{2}};
  const network_memory m = net.memory(10);
  // Slices of 32, 16 and 8, 2 elements, each rounded up to 16.
  CHECK(m.inference.parameters == (32 + 16 + 16 + 16) * sizeof(double));
  CHECK(m.inference.states == 0);
  // The outputs of both layers, with a vector behind each.
  CHECK(m.inference.saved == 10 * (8 + 2) * sizeof(double) + 2 * 64);
  CHECK(m.training.saved == m.inference.saved);               // relu's derivative needs only y
  CHECK(support::complaint<value_error>([&] { (void)net.memory(0); }) ==
        "the memory of a network is that of at least 1 sample, got 0");
}

}  // namespace memory_test
