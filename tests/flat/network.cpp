// A network and a step of training whose machine code check.cmake looks at.
#include "chainrule/train/static_trainer.hpp"

using namespace chainrule;

namespace {
using net = static_network<float, dense<10, 16, fn::tanh>, dense<16, 3, fn::sigmoid>>;
}

double work(net& n, matrix_view<const float> x, matrix_view<const float> t, matrix_view<float> y);
double work(net& n, matrix_view<const float> x, matrix_view<const float> t, matrix_view<float> y) {
  static_trainer squared{n, quadratic_cost{}, adam{}};
  static_trainer entropy{n, softmax_cross_entropy{}, momentum{0.1, 0.9}};
  n.predict(x, y);
  return squared.step(x, t) + entropy.compute_gradients(x, t) +
         n.predict(std::array<float, 10>{})[0];
}
