/// \file
/// What tests of layers, networks, losses and optimizers share: small matrices in a backend's
/// memory, one step of backpropagation, and comparisons.
#ifndef CHAINRULE_TESTS_TESTING_BATCHES_HPP
#define CHAINRULE_TESTS_TESTING_BATCHES_HPP

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "chainrule/core/philox.hpp"
#include "chainrule/losses/loss.hpp"
#include "chainrule/network/network.hpp"
#include "conformance/backends.hpp"
#include "support/complaint.hpp"

namespace batches {

using namespace chainrule;

/// Those backends of the conformance suite whose scalar is a double: the ones for gradient checks.
template <class Backends>
struct with_double;
template <class... Bs>
struct with_double<std::tuple<Bs...>> {
  using type = decltype(std::tuple_cat(
      std::conditional_t<std::same_as<scalar_t<Bs>, double>, std::tuple<Bs>, std::tuple<>>{}...));
};
using backends = conformance::backends;
using support::tested;
using double_backends = with_double<backends>::type;

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The machine epsilon of a backend's scalar.
template <class B>
inline constexpr double epsilon = std::numeric_limits<scalar_t<B>>::epsilon();

/// rows x cols numbers in [low, high), the same on every backend up to rounding.
template <class B>
[[nodiscard]] tensor<B> uniform(const B& be, index_t rows, index_t cols, std::uint64_t seed,
                                double low = -1, double high = 1) {
  random_stream random(seed, 77);
  std::vector<scalar_t<B>> host(static_cast<std::size_t>(rows * cols));
  for (auto& x : host) x = static_cast<scalar_t<B>>(random.uniform(low, high));
  return from_host(be, matrix_view<const scalar_t<B>>(host.data(), rows, cols));
}

/// These numbers, row by row.
template <class B>
[[nodiscard]] tensor<B> numbers(const B& be, index_t rows, index_t cols,
                                const std::vector<double>& values) {
  const std::vector<scalar_t<B>> host(values.begin(), values.end());
  return from_host(be, matrix_view<const scalar_t<B>>(host.data(), rows, cols));
}

/// rows x cols indices in a backend's memory.
template <class B>
class index_tensor {
 public:
  index_tensor(const B& be, index_t rows, index_t cols, const std::vector<std::int32_t>& values)
      : storage_(be.template allocate<std::int32_t>(rows * cols)), rows_(rows), cols_(cols) {
    const typename B::template view<std::int32_t> all(storage_.data(), rows, cols);
    be.upload(all, matrix_view<const std::int32_t>(values.data(), rows, cols));
    be.synchronize();
  }
  [[nodiscard]] const_indices<B> view() const { return {storage_.data(), rows_, cols_}; }

 private:
  typename B::template storage<std::int32_t> storage_;
  index_t rows_, cols_;
};

/// rows x 1 class numbers below `classes`, each class at least once if there are as many rows.
template <class B>
[[nodiscard]] tensor<B> labels(const B& be, index_t rows, index_t classes) {
  std::vector<double> values;
  for (index_t i = 0; i < rows; ++i) values.push_back(static_cast<double>((i * 7 + 1) % classes));
  return numbers(be, rows, 1, values);
}

/// The elements in double, whatever the scalar.
template <class B>
[[nodiscard]] std::vector<double> doubles(const B& be, const_matrix<B> m) {
  const auto host = to_host(be, m);
  return {host.begin(), host.end()};
}
template <class B>
[[nodiscard]] std::vector<double> doubles(const B& be, const tensor<B>& t) {
  return doubles(be, t.view());
}

/// The largest |a - b|; NaN if there is one on one side only; infinity if the sizes differ.
template <class U, class V>
[[nodiscard]] double distance(const std::vector<U>& a, const std::vector<V>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (std::isnan(off) &&
        !(std::isnan(static_cast<double>(a[i])) && std::isnan(static_cast<double>(b[i]))))
      return off;
    if (off > worst) worst = off;
  }
  return worst;
}

/// The largest magnitude.
template <class U>
[[nodiscard]] double largest(const std::vector<U>& a) {
  double most = 0;
  for (const U x : a) most = std::max(most, std::fabs(static_cast<double>(x)));
  return most;
}

/// Whether the two hold the same bits.
template <class U>
[[nodiscard]] bool same_bits(const std::vector<U>& a, const std::vector<U>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(U)) == 0;
}

/// Calls a loss on outputs and targets: losses per sample and the gradient.
template <class B>
struct evaluated {
  std::vector<double> losses;
  std::vector<double> gradient;
  [[nodiscard]] double mean() const {
    double total = 0;
    for (const double l : losses) total += l;
    return total / static_cast<double>(losses.size());
  }
};
template <class B, class Loss>
[[nodiscard]] evaluated<B> evaluate(const B& be, const Loss& loss, const tensor<B>& y,
                                    const tensor<B>& targets, double factor = 1) {
  tensor<B> losses =
      numbers(be, y.rows(), 1, std::vector<double>(std::size_t(y.rows()), not_a_number));
  tensor<B> gradient = numbers(be, y.rows(), y.cols(),
                               std::vector<double>(std::size_t(y.rows() * y.cols()), not_a_number));
  const tensor<B> scale = numbers(be, 1, 1, {factor});
  loss_scratch<B> scratch(be, y.rows(), y.cols());
  loss(be, y.view(), targets.view(), scale.view(), losses.view(), gradient.view(), scratch);
  return {doubles(be, losses), doubles(be, gradient)};
}

/// Forward, loss and backward, with all that they need, for up to `capacity` samples.
template <class Network, class Loss>
class stepper {
 public:
  using B = typename Network::backend_type;

  stepper(const Network& net, const Loss& loss, index_t capacity)
      : loss_(loss),
        pass(net.make_pass(capacity, true)),
        gradients(net.make_gradients()),
        losses_(net.backend(), capacity, 1),
        scale_(net.backend(), capacity, 1),
        scratch_(net.backend(), capacity, net.outputs()) {
    // scale_(n - 1, 0) is 1/n: a step uploads nothing of its own.
    std::vector<scalar_t<B>> factors;
    for (index_t n = 1; n <= capacity; ++n)
      factors.push_back(scalar_t<B>(1) / static_cast<scalar_t<B>>(n));
    net.backend().upload(scale_.view(),
                         matrix_view<const scalar_t<B>>(factors.data(), capacity, 1));
    net.backend().synchronize();
  }

  /// Fills `gradients`; the losses per sample stay where they are.
  void run(const Network& net, const_matrix<B> x, const_matrix<B> targets, const phase& p,
           matrix<B> input_gradient = {}) {
    differentiate(net, x, targets, p);
    net.backward(x, pass, gradients, input_gradient);
  }
  void run(const Network& net, const_indices<B> x, const_matrix<B> targets, const phase& p) {
    differentiate(net, x, targets, p);
    net.backward(x, pass, gradients);
  }

  /// The mean loss of the last run.
  [[nodiscard]] double mean(const B& be) const {
    double total = 0;
    for (const double l : doubles(be, losses_.top_rows(rows_))) total += l;
    return total / static_cast<double>(rows_);
  }

 private:
  template <class Samples>
  void differentiate(const Network& net, const Samples& x, const_matrix<B> targets,
                     const phase& p) {
    const B& be = net.backend();
    rows_ = x.rows();
    const const_matrix<B> y = net.forward(x, pass, p);
    loss_(be, y, targets, const_matrix<B>(scale_.view()).block(rows_ - 1, 0, 1, 1),
          losses_.top_rows(rows_), net.output_gradient(pass), scratch_);
  }

  Loss loss_;

 public:
  chainrule::pass<B> pass;
  arena<B> gradients;

 private:
  tensor<B> losses_;
  tensor<B> scale_;
  loss_scratch<B> scratch_;
  index_t rows_ = 0;
};

using support::complaint;

}  // namespace batches

#endif  // CHAINRULE_TESTS_TESTING_BATCHES_HPP
