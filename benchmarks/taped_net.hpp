/// \file
/// `taped_net`: 784-128-10 (or alike) and its training, written with operations of a tape, as one
/// would without layers: what the tape costs, and whether it learns the same.
///
///     taped_net<cpu> net(layered, 0.1);        // begins with the parameters of that network
///     double loss = net.epoch(data, order, 64);
#ifndef CHAINRULE_BENCHMARKS_TAPED_NET_HPP
#define CHAINRULE_BENCHMARKS_TAPED_NET_HPP

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/chainrule.hpp"

/// Two dense layers, a ReLU between them, softmax cross-entropy, gradient descent.
template <chainrule::backend B>
class taped_net {
 public:
  /// Takes the parameters of `layered`, a network of two dense layers.
  template <class Network>
  taped_net(const Network& layered, double rate)
      : be_(layered.backend()), tape_(be_), rate_(be_, 1, 1) {
    for (const char* name : {"0.weight", "0.bias", "1.weight", "1.bias"}) {
      const auto values = layered.values(name);
      parameters_.emplace_back(be_, values.rows(), values.cols());
      be_.copy(parameters_.back().view(), values);
    }
    be_.map(chainrule::fn::fill{rate}, rate_.view());
  }

  /// Sees the samples once, in that order, in batches of `batch` and a last one of what is left.
  /// Returns the mean of their losses before each step.
  double epoch(const chainrule::dataset<B>& data, std::span<const std::int32_t> order,
               chainrule::index_t batch) {
    using namespace chainrule;
    const auto count = static_cast<index_t>(order.size());
    const auto rows = be_.template allocate<std::int32_t>(count);
    be_.upload(rows.view(), matrix_view<const std::int32_t>(order.data(), 1, count));
    tensor<B> inputs(be_, batch, data.features());
    tensor<B> targets(be_, batch, data.target_cols());
    tensor<B> losses(be_, count, 1);
    for (const auto [first, n] : batch_range(count, batch)) {
      const matrix<B> x = inputs.top_rows(n);
      const matrix<B> t = targets.top_rows(n);
      data.gather(rows.view().block(0, first, 1, n), x, t);
      step(x, t, losses.view().middle_rows(first, n));
    }
    const std::vector<scalar_t<B>> all = to_host(be_, const_matrix<B>(losses.view()));
    double total = 0;
    for (const scalar_t<B> loss : all) total += static_cast<double>(loss);
    return total / static_cast<double>(count);
  }

 private:
  /// Assigns the losses of the samples.
  void step(chainrule::const_matrix<B> samples, chainrule::const_matrix<B> labels,
            chainrule::matrix<B> losses) {
    using namespace chainrule;
    std::vector<variable<B>> p;
    for (const tensor<B>& each : parameters_) p.push_back(tape_.borrow(each.view()));
    const auto x = tape_.borrow_constant(samples);
    const auto hidden = math::max(matmul(x, p[0]) + p[1], 0);
    const auto scores = matmul(hidden, p[2]) + p[3];
    const auto each = call(softmax_cross_entropy{}, scores, labels);
    be_.copy(losses, each.view());
    const std::vector<variable<B>> slopes = gradient(mean(each), p);
    for (std::size_t i = 0; i < p.size(); ++i)
      be_.map([](auto w, auto slope, auto rate) { return w - rate * slope; }, parameters_[i].view(),
              const_matrix<B>(parameters_[i].view()), slopes[i].view(),
              const_matrix<B>(rate_.view()));
  }

  B be_;
  chainrule::tape<B> tape_;
  std::vector<chainrule::tensor<B>> parameters_;
  chainrule::tensor<B> rate_;
};

#endif  // CHAINRULE_BENCHMARKS_TAPED_NET_HPP
