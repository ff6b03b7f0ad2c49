/// \file
/// `check_gradients`: backward against finite differences, element by element, for the parameters
/// of a network and for its input.
///
///     network net{basic_cpu<double>{}, dense{5, 4, gelu{}}, my_layer{}, dense{4, 3}};
///     auto report = check_gradients(net, softmax_cross_entropy{}, x.view(), labels.view());
///     std::puts(to_string(report).c_str());
///     // gradients agree: worst relative error 2.1e-09 at 0.weight(3, 1), analytic 0.0312 ...
///     if (!report.passed()) return 1;
///
/// Works in double, on any backend that has it, through upload and download only. Put a layer of
/// your own between two others: its gradient with respect to its input is then checked as well.
/// For functions of variables see testing/function_check.hpp.
#ifndef CHAINRULE_TESTING_GRADIENT_CHECK_HPP
#define CHAINRULE_TESTING_GRADIENT_CHECK_HPP

#include <limits>
#include <string>
#include <vector>

#include "chainrule/core/finite.hpp"
#include "chainrule/losses/loss.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_comparison.hpp"

namespace chainrule {

struct gradient_check_options {
  /// The largest relative error that passes.
  double tolerance = 1e-6;
  /// The relative error of an analytic gradient a and a numeric one b is
  /// |a - b| / max(|a|, |b|, floor * max(1, |loss|)): below the floor, differences consist of
  /// rounding errors of the loss, about epsilon |loss| / h = 4e-11 |loss|.
  double floor = 1e-3;
  /// Every pass draws the numbers of this seed and step, so that dropout drops the same elements.
  phase pass = phase::train(0, 0);
  /// Whether the gradient with respect to the input is checked too.
  bool input = true;
  /// Accepts parameters and inputs whose gradient is zero everywhere, as that of a dead layer is.
  bool allow_zero = false;
};

namespace detail {

template <class Network, class Loss>
class gradient_checker final : function_at_a_point {
  using B = typename Network::backend_type;
  static_assert(std::same_as<scalar_t<B>, double>,
                "chainrule: gradients are checked in double; build the network over "
                "basic_cpu<double>, or over your backend's rebind<double>");

 public:
  gradient_checker(Network& net, const Loss& loss, const_matrix<B> x, const_indices<B> indices,
                   const_matrix<B> targets, const gradient_check_options& options)
      : net_(net),
        be_(net.backend()),
        loss_(loss),
        targets_(targets),
        indices_(indices),
        x_(be_, x.rows(), x.cols()),
        losses_(be_, x.rows() + indices.rows(), 1),
        scale_(be_, 1, 1),
        pass_(net.make_pass(losses_.rows(), true)),
        scratch_(be_, losses_.rows(), net.outputs()),
        options_(options),
        comparison_(options.tolerance, options.floor, options.allow_zero) {
    be_.copy(x_.view(), x);
    set(scale_.view(), 0, 0, 1 / static_cast<double>(losses_.rows()));
    if (!indices.empty()) options_.input = false;
  }

  gradient_report run() {
    arena<B> gradients = net_.make_gradients();
    tensor<B> input_gradient(be_, x_.rows(), x_.cols());
    differentiate(gradients, input_gradient);
    at_point_ = value();
    if (at_point_ != value() && !is_nan(at_point_))
      throw value_error(
          "the loss of one seed and step differs between two passes; layers may draw random "
          "numbers from the seed and step of the phase only");

    for (const parameter& p : net_.parameter_list())
      if (!p.tags.frozen) compare(p.name, net_.parameters()[p.place], gradients[p.place]);
    if (options_.input) compare("input", x_.view(), input_gradient.view());
    return comparison_.report();
  }

 private:
  /// Gradients are filled with NaN first, which elements keep that are not written, or added to
  /// instead of assigned.
  void unset(matrix<B> m) {
    const std::vector<double> nan(static_cast<std::size_t>(m.size()),
                                  std::numeric_limits<double>::quiet_NaN());
    be_.upload(m, matrix_view<const double>(nan.data(), m.rows(), m.cols()));
    be_.synchronize();
  }
  void set(matrix<B> m, index_t i, index_t j, double value) {
    be_.upload(m.block(i, j, 1, 1), matrix_view<const double>(&value, 1, 1));
    be_.synchronize();
  }

  void forward(bool with_gradient) {
    const const_matrix<B> y = indices_.empty() ? net_.forward(x_.view(), pass_, options_.pass)
                                               : net_.forward(indices_, pass_, options_.pass);
    matrix<B> gradient{};
    if (with_gradient) {
      gradient = net_.output_gradient(pass_);
      unset(gradient);
    }
    unset(losses_.view());
    loss_(be_, y, targets_, scale_.view(), losses_.view(), gradient, scratch_);
  }

  /// The mean loss of the batch.
  [[nodiscard]] double value() override {
    forward(false);
    double total = 0;
    for (const double l : to_host(be_, const_matrix<B>(losses_.view()))) total += l;
    return total / static_cast<double>(losses_.rows());
  }

  void differentiate(arena<B>& gradients, tensor<B>& input_gradient) {
    unset(gradients.all());
    unset(input_gradient.view());
    forward(true);
    if (!indices_.empty())
      net_.backward(indices_, pass_, gradients);
    else if (options_.input)
      net_.backward(x_.view(), pass_, gradients, input_gradient.view());
    else
      net_.backward(x_.view(), pass_, gradients);
  }

  void compare(const std::string& name, matrix<B> values, const_matrix<B> gradient) {
    values_ = values;
    comparison_.compare(name, values.shape(), to_host(be_, const_matrix<B>(values)),
                        to_host(be_, gradient), *this, at_point_);
  }
  void put(index_t i, index_t j, double value) override { set(values_, i, j, value); }

  Network& net_;
  B be_;
  const Loss& loss_;
  const_matrix<B> targets_;
  const_indices<B> indices_;  // in place of x_, of a network that takes them
  tensor<B> x_;
  tensor<B> losses_;
  tensor<B> scale_;
  pass<B> pass_;
  loss_scratch<B> scratch_;
  matrix<B> values_;  // the matrix that is compared
  double at_point_ = 0;
  gradient_check_options options_;
  gradient_comparison comparison_;
};

}  // namespace detail

/// Compares every element that backward writes, with respect to all parameters to be trained and
/// the input, with a central difference of the mean loss over the batch, in the step h =
/// cbrt(epsilon) max(1, |v|) for an element of value v.
///
/// x: n × inputs; targets: as the loss takes them. Elements where the loss has a kink (the
/// differences to the two sides disagree) are skipped and counted. The parameters are changed one
/// by one and restored. Throws value_error if the loss is not a function of parameters, input, seed
/// and step, and whatever the network and the loss throw.
template <class Network, class Loss>
[[nodiscard]] gradient_report check_gradients(Network& net, const Loss& loss,
                                              const_matrix<typename Network::backend_type> x,
                                              const_matrix<typename Network::backend_type> targets,
                                              const gradient_check_options& options = {}) {
  return detail::gradient_checker<Network, Loss>(net, loss, x, {}, targets, options).run();
}
/// Checks the parameters of a network that takes indices (n × inputs).
template <class Network, class Loss>
[[nodiscard]] gradient_report check_gradients(Network& net, const Loss& loss,
                                              const_indices<typename Network::backend_type> x,
                                              const_matrix<typename Network::backend_type> targets,
                                              const gradient_check_options& options = {}) {
  return detail::gradient_checker<Network, Loss>(net, loss, {}, x, targets, options).run();
}

}  // namespace chainrule

#endif  // CHAINRULE_TESTING_GRADIENT_CHECK_HPP
