// The operations that layers and losses are made of, beside plain loops.
#include "chainrule/ops/dropout.hpp"
#include "chainrule/ops/linear.hpp"
#include "chainrule/ops/softmax.hpp"
#include "chainrule/ops/vjp.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace ops_test {

using namespace batches;

TEMPLATE_LIST_TEST_CASE("linear's vector-Jacobian product assigns or adds its gradients", "[ops]",
                        backends) {
  const TestType be;
  // h = W x has dh/dx = W and dL/dW = delta x^T; in rows: dx = dz W^T, dW = x^T dz. Integers:
  // exact.
  const tensor<TestType> x = numbers(be, 2, 3, {1, 2, 3, 4, 5, 6});
  const tensor<TestType> w = numbers(be, 3, 2, {1, -1, 2, 0, -3, 1});
  const tensor<TestType> dz = numbers(be, 2, 2, {1, 10, -2, 3});
  tensor<TestType> dw = numbers(be, 3, 2, std::vector<double>(6, not_a_number));
  tensor<TestType> db = numbers(be, 1, 2, {not_a_number, not_a_number});
  tensor<TestType> dx = numbers(be, 2, 3, std::vector<double>(6, not_a_number));
  const auto vjp = [&](double beta, matrix<TestType> to) {
    ops::matrix_step<TestType, 3> step(be, dz.view(), {}, {x.view(), w.view(), {}},
                                       {to, {dw.view(), beta}, {db.view(), beta}});
    ops::linear_op{}.vjp(step);
  };
  vjp(0, dx.view());
  CHECK(doubles(be, dw) == std::vector<double>{-7, 22, -8, 35, -9, 48});
  CHECK(doubles(be, db) == std::vector<double>{-1, 13});
  CHECK(doubles(be, dx) == std::vector<double>{-9, 2, 7, -5, -4, 9});

  // Without dx the others are the same.
  dw = numbers(be, 3, 2, std::vector<double>(6, not_a_number));
  vjp(0, {});
  CHECK(doubles(be, dw) == std::vector<double>{-7, 22, -8, 35, -9, 48});

  // A beta of 1 adds to the gradients of the parameters; dx is assigned all the same.
  dx = numbers(be, 2, 3, std::vector<double>(6, not_a_number));
  vjp(1, dx.view());
  CHECK(doubles(be, dw) == std::vector<double>{-14, 44, -16, 70, -18, 96});
  CHECK(doubles(be, db) == std::vector<double>{-2, 26});
  CHECK(doubles(be, dx) == std::vector<double>{-9, 2, 7, -5, -4, 9});
}

TEMPLATE_LIST_TEST_CASE("softmax beside a loop in double", "[ops]", backends) {
  const TestType be;
  for (const index_t cols : {1, 2, 7, 64, 131}) {
    const tensor<TestType> x = uniform(be, 5, cols, 3, -20, 20);
    tensor<TestType> max(be, 5, 1);
    tensor<TestType> sum(be, 5, 1);
    tensor<TestType> y(be, 5, cols);
    ops::softmax(be, x.view(), max.view(), sum.view(), y.view());
    const auto in = doubles(be, x);
    const auto out = doubles(be, y);
    double worst = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      const auto width = static_cast<std::size_t>(cols);
      double total = 0;
      double given = 0;
      for (std::size_t j = 0; j < width; ++j) {
        total += std::exp(in[i * width + j]);
        given += out[i * width + j];
      }
      for (std::size_t j = 0; j < width; ++j)
        worst =
            std::max(worst, std::fabs(out[i * width + j] - std::exp(in[i * width + j]) / total));
      CHECK(std::fabs(given - 1) <= static_cast<double>(cols + 8) * epsilon<TestType>);
    }
    // x - max is exact to one rounding of up to 40, the exponential's argument.
    CHECK(worst <= (40.0 + 16 + static_cast<double>(cols)) * epsilon<TestType>);

    // In place.
    tensor<TestType> same(be, 5, cols);
    be.copy(same.view(), x.view());
    ops::softmax(be, const_matrix<TestType>(same.view()), max.view(), sum.view(), same.view());
    CHECK(same_bits(doubles(be, same), out));
  }
}

TEMPLATE_LIST_TEST_CASE("softmax of huge scores is finite", "[ops]", backends) {
  const TestType be;
  const tensor<TestType> x = numbers(be, 3, 3, {1e5, -1e5, 0, 1e30, 1e30, -1e30, -1e5, -1e5, -1e5});
  tensor<TestType> max(be, 3, 1);
  tensor<TestType> sum(be, 3, 1);
  tensor<TestType> y(be, 3, 3);
  ops::softmax(be, x.view(), max.view(), sum.view(), y.view());
  const double third = static_cast<double>(scalar_t<TestType>(1) / scalar_t<TestType>(3));
  CHECK(distance(doubles(be, y), std::vector<double>{1, 0, 0, 0.5, 0.5, 0, third, third, third}) <=
        epsilon<TestType>);
}

TEMPLATE_LIST_TEST_CASE("log-sum-exp beside a loop in double, and of infinities", "[ops]",
                        backends) {
  const TestType be;
  for (const index_t cols : {1, 2, 7, 131}) {
    const tensor<TestType> x = uniform(be, 5, cols, 4, -20, 20);
    tensor<TestType> sum(be, 5, 1);
    tensor<TestType> out(be, 5, 1);
    ops::log_sum_exp(be, x.view(), sum.view(), out.view());
    const auto in = doubles(be, x);
    const auto got = doubles(be, out);
    for (std::size_t i = 0; i < 5; ++i) {
      double total = 0;
      for (std::size_t j = 0; j < static_cast<std::size_t>(cols); ++j)
        total += std::exp(in[i * static_cast<std::size_t>(cols) + j]);
      // The relative error of the sum is one of the logarithm, which is at most 25.
      CHECK(std::fabs(got[i] - std::log(total)) <=
            (40.0 + 2 * 25 + static_cast<double>(cols)) * epsilon<TestType>);
    }
  }
  const tensor<TestType> x = numbers(be, 4, 2, {1e5, 1e5, inf, 3, -inf, -inf, not_a_number, inf});
  tensor<TestType> sum(be, 4, 1);
  tensor<TestType> out(be, 4, 1);
  ops::log_sum_exp(be, x.view(), sum.view(), out.view());
  const auto got = doubles(be, out);
  CHECK(std::fabs(got[0] - (1e5 + std::log(2.0))) <= 1e5 * epsilon<TestType>);
  CHECK(got[1] == inf);
  CHECK(got[2] == -inf);
  CHECK(std::isnan(got[3]));
}

TEMPLATE_LIST_TEST_CASE("argmax is the first of the largest, and no class where there is NaN",
                        "[ops]", backends) {
  const TestType be;
  const tensor<TestType> x = numbers(be, 6, 5,
                                     {1,
                                      3,
                                      2,
                                      3,
                                      0,  //
                                      7,
                                      7,
                                      7,
                                      7,
                                      7,  //
                                      -5,
                                      -4,
                                      -3,
                                      -2,
                                      -1,  //
                                      not_a_number,
                                      1,
                                      2,
                                      3,
                                      4,  //
                                      0,
                                      1,
                                      2,
                                      3,
                                      not_a_number,  //
                                      -inf,
                                      -inf,
                                      -inf,
                                      -inf,
                                      -inf});
  const tensor<TestType> columns = ops::counting_row(be, 5);
  tensor<TestType> max(be, 6, 1);
  tensor<TestType> argmax(be, 6, 1);
  ops::argmax(be, x.view(), columns.view(), max.view(), argmax.view());
  CHECK(doubles(be, argmax) == std::vector<double>{1, 0, 4, inf, inf, 0});
}

TEMPLATE_LIST_TEST_CASE("dropout's gradient flows where the forward pass did", "[ops]", backends) {
  const TestType be;
  const tensor<TestType> ones = numbers(be, 9, 13, std::vector<double>(117, 1));
  tensor<TestType> u(be, 9, 13);
  tensor<TestType> y(be, 9, 13);
  tensor<TestType> dx(be, 9, 13);
  be.random(u.view(), 1, 2);
  const ops::dropout_op op{0.25};
  op.forward(be, y.view(), const_matrix<TestType>(ones.view()), const_matrix<TestType>(u.view()));
  ops::matrix_step<TestType, 2> step(be, ones.view(), {}, {{}, u.view()}, {dx.view(), {}});
  op.vjp(step);
  CHECK(same_bits(doubles(be, dx), doubles(be, y)));
  const auto drawn = doubles(be, u);
  const auto out = doubles(be, y);
  for (std::size_t i = 0; i < drawn.size(); ++i) CHECK((out[i] == 0) == (drawn[i] < 0.25));

  // In place.
  be.copy(dx.view(), ones.view());
  be.random(u.view(), 1, 2);
  op.forward(be, dx.view(), const_matrix<TestType>(dx.view()), const_matrix<TestType>(u.view()));
  CHECK(same_bits(doubles(be, dx), out));
}

}  // namespace ops_test
