/// \file
/// A network written with operations of a tape beside the same network of layers: time per epoch of
/// 784-128-10 with batches of 64, and whether both learn the same.
///
///     build/benchmarks/tape                                 synthetic digits
///     CHAINRULE_MNIST=data/mnist build/benchmarks/tape      real digits
///     build/benchmarks/tape --benchmark_filter=2            two threads only
///
/// CHAINRULE_BENCHMARK_ROUNDS (7) is the number of rounds, CHAINRULE_BENCHMARK_JSON a file for the
/// medians. The exit status is 1 if the losses of the first epoch differ by more than 1e-5.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "contest.hpp"
#include "nets.hpp"
#include "taped_net.hpp"

namespace {

using namespace chainrule;

constexpr std::uint64_t order_of_samples = 7;
// At net B's own rate, .1, one unit in the last place of one weight moves the first epoch's loss on
// MNIST by 2e-5 to 5e-5: two ways to round could not agree any better. At this one by 1e-9.
constexpr double rate = 0.05;

/// Both nets on one number of threads; they begin with the same parameters and see the same
/// batches.
class pair {
 public:
  using layered_net = network<cpu, dense<dynamic, dynamic, relu>, dense<>>;

  pair(const labelled_images& images, int threads)
      : contest_(detail::concat("tape/", threads, threads == 1 ? " thread" : " threads")),
        be_(threads),
        data_(be_, images),
        layered_(be_, dense{net_b.extents[0], net_b.extents[1], relu{}},
                 dense{net_b.extents[1], net_b.extents[2]}),
        taped_(layered_, rate),
        trainer_(layered_, softmax_cross_entropy{}, sgd{rate}),
        order_(static_cast<std::size_t>(images.count)) {
    contest_.add("layers", [this] {
      const history h =
          trainer_.fit(data_, {.epochs = 1, .batch = net_b.batch, .seed = order_of_samples});
      layer_losses_.push_back(h.epochs[0].training.loss);
    });
    contest_.add("tape", [this] {
      sampler(data_.count(), order_of_samples).shuffle(tape_losses_.size(), order_);
      tape_losses_.push_back(taped_.epoch(data_, order_, net_b.batch));
    });
  }
  pair(const pair&) = delete;
  pair& operator=(const pair&) = delete;

  contest& contenders() { return contest_; }

  /// Prints the losses of the first and the last epoch; false if the first ones differ.
  [[nodiscard]] bool check() const {
    if (tape_losses_.empty()) return true;
    const auto relative = [&](std::size_t i) {
      return std::fabs(tape_losses_[i] / layer_losses_[i] - 1);
    };
    const std::size_t last = tape_losses_.size() - 1;
    const bool same = relative(0) <= 1e-5 && layer_losses_[last] < layer_losses_[0];
    std::printf(
        "%s: loss of epoch 1 %.7f and %.7f, relative difference %.1e%s; of epoch %zu %.1e\n",
        contest_.name().c_str(), layer_losses_[0], tape_losses_[0], relative(0),
        same ? "" : "  NOT THE SAME", last + 1, relative(last));
    return same;
  }

 private:
  contest contest_;
  cpu be_;
  dataset<cpu> data_;
  layered_net layered_;
  taped_net<cpu> taped_;
  trainer<cpu> trainer_;
  std::vector<std::int32_t> order_;
  std::vector<double> layer_losses_, tape_losses_;
};

}  // namespace

int main(int argc, char** argv) try {
  const labelled_images images = training_images();
  std::vector<std::unique_ptr<pair>> pairs;
  std::vector<contest*> contests;
  for (const int threads : {1, 2}) {
    pairs.push_back(std::make_unique<pair>(images, threads));
    contests.push_back(&pairs.back()->contenders());
  }
  std::printf("%s, %td samples, 784-128-10, batches of %d, rate %g\n", images.name.c_str(),
              images.count, net_b.batch, rate);
  const char* const text = std::getenv("CHAINRULE_BENCHMARK_ROUNDS");
  const int rounds = text == nullptr || std::atoi(text) < 1 ? 7 : std::atoi(text);
  const int status = run_contests(argc, argv, contests, "ms", 1e3, rounds);
  bool same = true;
  for (const auto& p : pairs) same = p->check() && same;
  return status != 0 ? status : (same ? 0 : 1);
} catch (const std::exception& error) {
  std::fprintf(stderr, "tape: %s\n", error.what());
  return 1;
}
