/// \file
/// Rows of the table of gradients for what stands in a network: layers, activations, losses.
#ifndef CHAINRULE_TESTS_GRADIENTS_NETWORK_ROW_HPP
#define CHAINRULE_TESTS_GRADIENTS_NETWORK_ROW_HPP

#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "gradients/row.hpp"

namespace gradients {

/// Where a network is differentiated.
struct batch_point {
  plain_matrix x;
  plain_matrix targets;
  bool allow_zero = false;
  std::vector<std::int32_t> indices{};  // of a network that takes them, in place of x
};

inline constexpr phase training_pass = phase::train(5, 17);

template <class B>
using specs = std::vector<any_layer<B>>;

/// Matrices in a backend's memory.
template <class B>
[[nodiscard]] tensor<B> on(const B& be, const plain_matrix& m) {
  return numbers(be, m.rows, m.cols, m.elements);
}

/// A network whose parameters are the same numbers in float and in double.
template <class B>
[[nodiscard]] network<B> made(const specs<B>& layers) {
  network<B> net{B{}, layers};
  net.initialize(3);
  for (const parameter& p : net.parameter_list()) {
    const matrix<B> place = net.parameters()[p.place];
    auto host = to_host(net.backend(), const_matrix<B>(place));
    for (auto& v : host) v = static_cast<scalar_t<B>>(static_cast<float>(v));
    net.backend().upload(place,
                         matrix_view<const scalar_t<B>>(host.data(), place.rows(), place.cols()));
    net.backend().synchronize();
  }
  return net;
}

/// The gradients of all parameters that `names` has, and of the input.
template <class B, class Loss>
[[nodiscard]] gradient_list gradients_of(network<B>& net, const Loss& loss, const batch_point& at,
                                         const std::vector<parameter>& names) {
  const B& be = net.backend();
  stepper step(net, loss, at.x.rows);
  tensor<B> dx(be, at.x.rows, at.indices.empty() ? at.x.cols : 0);
  const tensor<B> targets = on(be, at.targets);
  if (at.indices.empty())
    step.run(net, on(be, at.x).view(), targets.view(), training_pass, dx.view());
  else
    step.run(net, batches::index_tensor<B>(be, at.x.rows, at.x.cols, at.indices).view(),
             targets.view(), training_pass);
  gradient_list list;
  for (const parameter& p : names)
    list.push_back(doubles(be, const_matrix<B>(step.gradients[net.place_of(p.name)])));
  list.push_back(doubles(be, dx));
  return list;
}

/// The elements of all gradients of a network: parameters to be trained and input.
template <class Network>
[[nodiscard]] index_t elements_of(const Network& net, index_t rows) {
  const bool is_differentiable = net.declared().index_count() == 0;
  index_t count = is_differentiable ? rows * net.inputs() : 0;
  for (const parameter& p : net.parameter_list())
    if (!p.tags.frozen) count += p.extents.size();
  return count;
}

/// The terms of all sums that an element of a gradient goes through: those of every product forward
/// and backward, and that over the batch.
template <class Network>
[[nodiscard]] index_t longest_way(const Network& net, index_t rows) {
  index_t terms = rows;
  for (const parameter& p : net.parameter_list())
    if (p.place.region == 0) terms += p.inputs + p.outputs;
  return terms;
}

/// One function per layer forward, one backward, and as many in the loss.
template <class Network>
[[nodiscard]] index_t functions_on_the_way(const Network& net) {
  return 2 * net.depth() + 2;
}

/// Both rows of a network. `make` gives its layers over the backend it is called with.
template <class Make, class Loss>
void network_row(const std::string& group, const std::string& name, const Make& make,
                 const Loss& loss, const batch_point& at) {
  using D = support::tested<double>;
  using S = support::tested<float>;
  auto net = made<D>(make(D{}));
  if (wanted("double")) {
    gradient_check_options options;
    options.pass = training_pass;
    options.allow_zero = at.allow_zero;
    const D& be = net.backend();
    const tensor<D> targets = on(be, at.targets);
    const auto check = [&](auto x) {
      return check_gradients(net, loss, x, targets.view(), options);
    };
    double_row(group, name)
        .add(at.indices.empty()
                 ? check(on(be, at.x).view())
                 : check(batches::index_tensor<D>(be, at.x.rows, at.x.cols, at.indices).view()),
             elements_of(net, at.x.rows));
  }
  if (!wanted("float")) return;
  auto single = made<S>(make(S{}));
  const auto& names = net.parameter_list();
  float_row(group, name)
      .add(gradients_of(single, loss, at, names), gradients_of(net, loss, at, names),
           longest_way(net, at.x.rows), functions_on_the_way(net));
}

}  // namespace gradients

#endif  // CHAINRULE_TESTS_GRADIENTS_NETWORK_ROW_HPP
