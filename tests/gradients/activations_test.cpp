// Rows of the table of gradients: every activation, as a layer and as the end of a dense one.
#include "chainrule/layers/activation.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "gradients/network_row.hpp"

namespace activations_test {

using namespace gradients;

namespace {

/// Wide first weights: pre-activations lie in (-8, 8) or so, on both sides of every kink there is.
const dense<> first = dense{5, 9}.weights(init::uniform(-2, 2)).bias(init::uniform(-1, 1));
const dense<> last{7, 3};

template <class F>
batch_point point(const F&) {
  // A step lets no gradient through: what is before it gets none, and rightly so.
  return {rounded(spread(7, 5, 1, -2, 2)), rounded(spread(7, 3, 2)), std::same_as<F, fn::sign>};
}

/// What a user writes: no name, no gain, no derivative.
struct homemade {
  auto operator()(auto x) const { return x / (1 + exp(-x)) + sin(x); }
};

}  // namespace

TEST_CASE("activations as layers", "[gradients][networks]") {
  const auto row = []<class F>(const std::string& name, const F& f) {
    network_row(
        "activations", name,
        [&]<class B>(const B&) {
          return specs<B>{first, dense{9, 7}, activation{f}, last};
        },
        quadratic_cost{}, point(f));
  };
  for_each_activation([&]<class F>(const F& f) { row(std::string(F::name), f); });
  row("one of a user", homemade{});
}

TEST_CASE("activations of dense layers", "[gradients][networks]") {
  const auto row = []<class F>(const std::string& name, const F& f) {
    network_row(
        "activations of dense layers", name,
        [&]<class B>(const B&) {
          return specs<B>{first, dense{9, 7, f}.bias(init::uniform(-1, 1)), last};
        },
        quadratic_cost{}, point(f));
  };
  for_each_activation([&]<class F>(const F& f) { row(std::string(F::name), f); });
  row("leaky_relu{0.3}", leaky_relu{0.3});
  row("elu{2}", elu{2.0});
  row("one of a user", homemade{});
}

}  // namespace activations_test
