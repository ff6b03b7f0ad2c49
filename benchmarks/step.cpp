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

namespace {

/// Net T in plain Eigen with every extent in the types: what nothing beats without fusing by hand.
class fixed_eigen {
 public:
  fixed_eigen(const plain_eigen& from, float rate)
      : w1_(from.layers()[0].w), w2_(from.layers()[1].w), rate_(rate) {}

  double epoch(const chainrule::labelled_images& s, const std::vector<std::int32_t>& order) {
    double loss = 0;
    for (std::size_t first = 0; first + 8 <= order.size(); first += 8) {
      Eigen::Matrix<float, 2, 8> t = Eigen::Matrix<float, 2, 8>::Zero();
      for (int j = 0; j < 8; ++j) {
        const auto sample = static_cast<std::size_t>(order[first + static_cast<std::size_t>(j)]);
        for (int i = 0; i < 10; ++i)
          x_(i, j) = static_cast<float>(s.pixels[10 * sample + static_cast<std::size_t>(i)]) *
                     (1.0F / 255.0F);
        t(s.labels[sample], j) = 1.0F;
      }
      h_.noalias() = w1_.lazyProduct(x_);
      h_.colwise() += b1_;
      h_.array() = h_.array().logistic();
      y_.noalias() = w2_.lazyProduct(h_);
      y_.colwise() += b2_;
      y_.array() = y_.array().logistic();
      dy_ = y_ - t;
      loss += 0.5 * static_cast<double>(dy_.squaredNorm());
      dy_.array() *= y_.array() * (1.0F - y_.array()) * (1.0F / 8.0F);
      dh_.noalias() = w2_.transpose().lazyProduct(dy_);
      dh_.array() *= h_.array() * (1.0F - h_.array());
      w2_ -= rate_ * dy_.lazyProduct(h_.transpose());
      b2_ -= rate_ * dy_.rowwise().sum();
      w1_ -= rate_ * dh_.lazyProduct(x_.transpose());
      b1_ -= rate_ * dh_.rowwise().sum();
    }
    return loss / static_cast<double>(order.size());
  }

 private:
  Eigen::Matrix<float, 3, 10> w1_;
  Eigen::Matrix<float, 2, 3> w2_;
  Eigen::Vector3f b1_ = Eigen::Vector3f::Zero();
  Eigen::Vector2f b2_ = Eigen::Vector2f::Zero();
  Eigen::Matrix<float, 10, 8> x_;
  Eigen::Matrix<float, 3, 8> h_, dh_;
  Eigen::Matrix<float, 2, 8> y_, dy_;
  float rate_;
};

}  // namespace

int main(int argc, char** argv) try {
  const chainrule::labelled_images samples = parity_samples();
  epoch_contest t(net_t, samples, "step/");
  t.add_eigen("Eigen, dynamic sizes");
  progress* p = t.new_progress("Eigen, fixed sizes");
  const auto net = std::make_shared<fixed_eigen>(*t.first_weights(), net_t.rate);
  const auto order = std::make_shared<std::vector<std::int32_t>>(1024);
  t.contenders().add(p->name, [&samples, net, p, order] {
    chainrule::sampler(1024, order_seed).shuffle(static_cast<std::uint64_t>(p->epochs), *order);
    p->record(net->epoch(samples, *order), 0);
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
