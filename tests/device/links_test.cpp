// What neighbouring layers compute for each other in a backward pass, against passes of each layer
// by itself.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/network/network.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"

namespace links_test {

using namespace chainrule;
using support::backends;

namespace {

template <class B>
std::vector<scalar_t<B>> host(const B& be, const arena<B>& a) {
  return to_host(be, const_matrix<B>(a.all()));
}

/// Compares the gradients of a linked backward pass, assigned and added, with those of
/// trace_backward, whose layers are not linked. Returns the launches that were spared.
template <class Net>
std::uint64_t spared(Net net) {
  using B = typename Net::backend_type;
  using T = scalar_t<B>;
  const B& be = net.backend();
  net.initialize(7);
  constexpr index_t rows = 5;
  std::vector<T> values;
  for (index_t i = 0; i < rows * std::max(net.inputs(), net.outputs()); ++i)
    values.push_back(static_cast<T>(std::sin(1.0 + static_cast<double>(i))));
  const auto batch = [&](index_t cols) {
    return from_host(be, matrix_view<const T>(values.data(), rows, cols));
  };
  const tensor<B> x = batch(net.inputs()), dy = batch(net.outputs());
  pass<B> p = net.make_pass(rows, true);
  arena<B> linked = net.make_gradients(), alone = net.make_gradients();
  tensor<B> dx(be, rows, net.inputs()), dx_alone(be, rows, net.inputs());
  for (tensor<B>* to : {&dx, &dx_alone}) be.map(fn::fill{std::nan("")}, to->view());
  const auto launches = [&](const auto& work) {
    (void)net.forward(x.view(), p, phase::train(1, 1));
    be.copy(net.output_gradient(p), dy.view());
    const std::uint64_t before = be.statistics().launches;
    work();
    return be.statistics().launches - before;
  };
  const std::uint64_t with = launches([&] { net.backward(x.view(), p, linked, dx.view()); });
  const std::uint64_t without = launches([&] {
    net.trace_backward(const_matrix<B>(x.view()), p, alone, dx_alone.view(),
                       [](index_t, const auto&, const auto& run) { run(); });
  });
  // One product's sums in another order than the other's, of up to 40 terms of about 1.
  const double bound = 200 * std::numeric_limits<T>::epsilon();
  const auto same = [&](const std::vector<T>& a, const std::vector<T>& b, double factor) {
    double size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      CHECK(std::fabs(static_cast<double>(a[i]) - factor * static_cast<double>(b[i])) <= bound);
      size += std::fabs(static_cast<double>(b[i]));
    }
    CHECK(size > 0);
  };
  same(host(be, linked), host(be, alone), 1);
  same(to_host(be, const_matrix<B>(dx.view())), to_host(be, const_matrix<B>(dx_alone.view())), 1);
  (void)launches([&] { net.add_backward(x.view(), p, linked); });
  same(host(be, linked), host(be, alone), 2);
  return without - with;
}

/// A layer of the user that watches a dense layer's backward pass, which hides the one with links.
struct watched : dense<dynamic, dynamic, fn::sigmoid> {
  using dense::dense;
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    dense::backward(p, x, y, dy, dx);
  }
};

/// A layer of a user's: y = x / 2, which begins its backward pass where its neighbour did not, and
/// never that of the layer before it.
struct halving {
  static constexpr const char* name = "halving";
  struct half {
    template <class T>
    T operator()(T dy, T y) const {
      return 0.5 * dy + 0 * y;
    }
  };
  shape bind(plan&, const shape& in) const { return in; }
  void describe(archive&) const {}
  [[nodiscard]] auto begin_of_backward() const { return half{}; }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    p.backend().map(fn::affine{0.5, 0}, y, x);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    backward_link<B> alone;
    backward(p, x, y, dy, dx, alone);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy, matrix<B> dx,
                backward_link<B>& link) const {
    if (link.is_begun)
      p.backend().copy(dx, dy);
    else
      p.backend().map(fn::affine{0.5, 0}, dx, dy);
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("linked layers have the gradients of layers by themselves", "[device]",
                        backends) {
  const TestType be;
  CHECK(spared(network{be, dense{6, 5, fn::sigmoid{}}, dense{4, fn::tanh{}}, dense{3}}) == 2);
  // A functor with a value, positions, a frozen layer that passes the gradient on.
  CHECK(spared(network{be, input{shape{3, 4}}, dense{5, leaky_relu{0.2}}, dense{5, relu{}},
                       frozen{dense{4, relu{}}}, dense{2, fn::sigmoid{}}}) == 1);
  // Not into or out of blocks, in which layers are linked both times; gelu needs its argument.
  CHECK(spared(network{be, dense{6, 6, relu{}}, residual{dense{6, relu{}}, dense{6, relu{}}},
                       concat{dense{3, relu{}}, dense{2}}, dense{4, gelu{}}, dense{2}}) == 0);
  // Nor to layers that derive from dense and have a backward pass of their own.
  CHECK(spared(network{be, watched{6, 5}, watched{5, 4}}) == 0);
  // A layer that was begun for, and begins for none.
  CHECK(spared(network{be, dense{6, 5, relu{}}, halving{}, dense{3}}) == 0);
  // Layers that are collected at run time.
  std::vector<any_layer<TestType>> layers{dense{6, 5, relu{}}};
  layers.push_back(dense{4, fn::sigmoid{}});
  layers.push_back(activation{relu{}});
  layers.push_back(dense{2});
  CHECK(spared(network{be, std::move(layers)}) == 1);
}

}  // namespace links_test
