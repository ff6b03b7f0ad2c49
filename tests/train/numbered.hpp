/// \file
/// What the tests of training share: samples that are recognised by their target, and a loss that
/// writes down what it is given.
#ifndef CHAINRULE_TESTS_TRAIN_NUMBERED_HPP
#define CHAINRULE_TESTS_TRAIN_NUMBERED_HPP

#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "testing/batches.hpp"

namespace training {

using namespace batches;

using be64 = tested<double>;
using numbers_of_samples = std::vector<double>;

/// `count` samples whose target is their number i and whose input is 10 i + 1.
class numbered {
 public:
  explicit numbered(index_t count) : x_(make(count, 10, 1)), t_(make(count, 1, 0)) {}

  [[nodiscard]] dataset<be64> data() const { return {be64{}, view(x_), view(t_)}; }

 private:
  static std::vector<double> make(index_t count, double factor, double offset) {
    std::vector<double> v;
    for (index_t i = 0; i < count; ++i) v.push_back(factor * static_cast<double>(i) + offset);
    return v;
  }
  static matrix_view<const double> view(const std::vector<double>& v) {
    return {v.data(), static_cast<index_t>(v.size()), 1};
  }
  std::vector<double> x_, t_;
};

/// A call of the loss.
struct seen_batch {
  std::vector<double> targets;
  std::vector<double> outputs;
  double scale = 0;
  bool learning = false;  // a gradient was wanted
};

/// Writes down its arguments. The loss of a sample is its target, the gradient 0.
struct recording_loss {
  static constexpr const char* name = "recorder";
  std::vector<seen_batch>* seen;

  template <backend B>
  void operator()(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                  matrix<B> losses, matrix<B> gradient, loss_scratch<B>&) const {
    seen->push_back({doubles(be, t), doubles(be, y), doubles(be, scale)[0], !gradient.empty()});
    be.copy(losses, t);
    if (!gradient.empty()) be.map(fn::fill{0}, gradient);
  }
};

/// Gives a parameter these values.
template <class Network>
void set(Network& net, const char* name, const std::vector<double>& values) {
  const auto place = net.values(name);
  net.backend().copy(place, numbers(net.backend(), place.rows(), place.cols(), values).view());
}

/// The network y = weight x + bias.
[[nodiscard]] inline auto line(double weight = 1, double bias = 0) {
  network net{be64{}, dense{1, 1}};
  set(net, "0.weight", {weight});
  set(net, "0.bias", {bias});
  return net;
}

}  // namespace training

#endif  // CHAINRULE_TESTS_TRAIN_NUMBERED_HPP
