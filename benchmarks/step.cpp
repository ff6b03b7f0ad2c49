/// \file
/// One training step of net T (10-3-2, batches of 8), where overhead is everything: nanoseconds per
/// step over epochs of 128 steps, with shuffling and gathering.
///
///     build/benchmarks/step
///
/// The exit status is 1 if the contenders, which begin with the same weights and see the same
/// batches, did not learn the same.

#include <cmath>
#include <memory>

#include "contest.hpp"
#include "epoch.hpp"
#include "fixed_eigen.hpp"

int main(int argc, char** argv) try {
  const chainrule::labelled_images samples = parity_samples();
  epoch_contest t(net_t, samples, "step/");
  t.add_eigen("Eigen, dynamic sizes");
  progress* p = t.new_progress("Eigen, fixed sizes");
  const auto net = std::make_shared<fixed_eigen>(t.first_weights()->layers()[0].w,
                                                 t.first_weights()->layers()[1].w, net_t.rate);
  const auto order = std::make_shared<std::vector<std::int32_t>>(1024);
  t.contenders().add(p->name, [&samples, net, p, order] {
    chainrule::sampler(1024, order_seed).shuffle(static_cast<std::uint64_t>(p->epochs), *order);
    net->epoch(samples.pixels, samples.labels, *order);
    p->record(net->loss(), 0);
  });
  t.add_chainrule(1);
  contest& c = t.contenders();
  c.set_repeats(20);
  const int status = run_contests(argc, argv, {&c}, "ns", 1e9 / 128, 25);
  return status != 0 ? status : (t.check() ? 0 : 1);
} catch (const std::exception& error) {
  std::fprintf(stderr, "step: %s\n", error.what());
  return 1;
}
