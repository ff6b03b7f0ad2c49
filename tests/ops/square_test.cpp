// The vector-Jacobian product of each op is one: over matrices in planned memory, over the
// variables of a tape, and (tests/gradients) beside differences.
#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/backend/cpu.hpp"
#include "chainrule/ops/dropout.hpp"
#include "chainrule/ops/normalization.hpp"
#include "chainrule/ops/pooling.hpp"
#include "chainrule/ops/vjp.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace square_test {

using namespace batches;

namespace {

/// A tensor whose elements are NaN: what is not assigned shows.
template <class B>
[[nodiscard]] tensor<B> unset(const B& be, matrix_shape s) {
  tensor<B> t(be, s.rows, s.cols);
  be.map(fn::fill{not_a_number}, t.view());
  return t;
}

/// Runs op and its vjp over matrices and on a tape: the same values and gradients. Inputs from
/// `differentiated` on are constants. `scratch` are the shapes of intermediate results.
template <std::size_t N, class B, class Op>
void check_square(const B& be, const Op& op, const std::array<matrix_shape, N>& shapes,
                  std::size_t differentiated = N, const std::vector<matrix_shape>& scratch = {}) {
  INFO(Op::name);
  std::vector<tensor<B>> x, dx, rooms;
  for (std::size_t i = 0; i < N; ++i) {
    x.push_back(uniform(be, shapes[i].rows, shapes[i].cols, i + 1, 0.1, 1));
    dx.push_back(unset(be, shapes[i]));
  }
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    tensor<B> y = unset(be, op.shape(shapes[I]...));
    op.forward(be, y.view(), std::as_const(x[I]).view()...);
    const tensor<B> dy = uniform(be, y.rows(), y.cols(), 9);
    std::vector<matrix<B>> views;
    for (const matrix_shape s : scratch) {
      rooms.push_back(unset(be, s));
      views.push_back(rooms.back().view());
    }
    const const_matrix<B> inputs[] = {std::as_const(x[I]).view()...};
    const ops::gradient_target<B> targets[] = {
        (I < differentiated ? dx[I].view() : matrix<B>{})...};
    ops::matrix_step<B, N> step(be, dy.view(), std::as_const(y).view(), inputs, targets, views);
    op.vjp(step);

    tape<B> t(be);
    const std::array<variable<B>, N> v{
        (I < differentiated ? t.borrow(inputs[I]) : t.borrow_constant(inputs[I]))...};
    const auto taped = math::apply(op, v[I]...);
    // A few roundings of sums of at most 12 numbers below 12.
    const double bound = 12 * 12 * epsilon<B>;
    CHECK(distance(doubles(be, taped.view()), doubles(be, y)) <= bound);
    backward(taped, t.borrow_constant(dy.view()));
    for (std::size_t i = 0; i < differentiated; ++i) {
      INFO("input " << i);
      CHECK(largest(doubles(be, dx[i])) > 0.01);
      CHECK(distance(doubles(be, v[i].gradient().view()), doubles(be, dx[i])) <= bound);
    }
  }
  (std::make_index_sequence<N>{});
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("ops over matrices and on a tape", "[ops]", backends) {
  using B = TestType;
  const B be;
  using array1 = std::array<matrix_shape, 1>;
  using array2 = std::array<matrix_shape, 2>;
  check_square<2>(be, ops::product_op{}, array2{{{3, 4}, {4, 2}}});
  check_square<2>(be, ops::product_op{true, false}, array2{{{4, 3}, {4, 2}}});
  check_square<2>(be, ops::product_op{false, true}, array2{{{3, 4}, {2, 4}}});
  check_square<2>(be, ops::product_op{true, true}, array2{{{4, 3}, {2, 4}}});
  check_square<3>(be, ops::linear_op{}, std::array<matrix_shape, 3>{{{3, 4}, {4, 2}, {1, 2}}});
  check_square<1>(be, ops::transpose_op{}, array1{{{3, 4}}});
  check_square<1>(be, ops::sum_op{{1, 4}}, array1{{{3, 4}}});
  check_square<1>(be, ops::sum_op{{3, 1}}, array1{{{3, 4}}});
  check_square<1>(be, ops::broadcast_op{{3, 4}}, array1{{{1, 4}}});
  check_square<1>(be, ops::extremum_op<reduction::maximum>{{1, 4}}, array1{{{3, 4}}}, 1, {{1, 4}});
  check_square<1>(be, ops::norm_op{{3, 1}}, array1{{{3, 4}}});
  check_square<1>(be, ops::softmax_op{}, array1{{{3, 4}}}, 1, {{3, 1}});
  check_square<1>(be, ops::log_sum_exp_op{}, array1{{{3, 4}}}, 1, {{3, 4}});
  check_square<1>(be, ops::reshape_op{{2, 6}}, array1{{{3, 4}}});
  check_square<1>(be, ops::block_op{{2, 3}, 1, 1}, array1{{{3, 4}}});
  check_square<1>(be, ops::pad_op{{4, 5}, 1, 0}, array1{{{3, 4}}});
  const std::vector<std::int32_t> rows{2, 0, 2, 2, 1};
  const ops::row_numbers<B> numbers = ops::upload_rows(be, std::span(rows));
  check_square<1>(be, ops::gather_op<B>{numbers}, array1{{{3, 4}}});
  check_square<1>(be, ops::scatter_op<B>{numbers, 3}, array1{{{5, 4}}});
  check_square<2>(be, ops::dropout_op{0.4}, array2{{{3, 4}, {3, 4}}}, 1);
  const window w{{3, 2}, {4, 2, 2, 1, 0, 1}, 1};  // 2 × 2 positions on 3 × 4 pixels
  check_square<1>(be, ops::max_pool_op{w}, array1{{{3, 12}}}, 1, {{3, 4}});
  check_square<1>(be, ops::resample_op{{w, resampling::rule::mean}}, array1{{{3, 12}}});
  check_square<1>(be, ops::resample_op{{w, resampling::rule::one, true}}, array1{{{3, 4}}});
  check_square<2>(be, ops::channel_dropout_op{0.4}, array2{{{3, 6}, {3, 2}}}, 1);
  check_square<1>(be, ops::window_sum_op{2, 1}, array1{{{3, 4}}});
  for (const matrix_shape s : {matrix_shape{1, 4}, {3, 1}})
    check_square<1>(be, ops::normalize_op{s, 0.01}, array1{{{3, 4}}}, 1, {s, s, s, s, s});
  check_square<2>(be, ops::pointwise_op<fn::multiplies, 2>{}, array2{{{3, 4}, {1, 4}}});
  check_square<2>(be, ops::pointwise_op<fn::minus, 2>{}, array2{{{3, 4}, {3, 1}}});
  check_square<1>(be, ops::pointwise_op<gelu, 1>{}, array1{{{3, 4}}});
}

TEST_CASE("misuse of a step over matrices is a sentence", "[ops]") {
  const cpu be;
  tensor<cpu> m = uniform(be, 3, 4, 1);
  const const_matrix<cpu> c = std::as_const(m).view();
  tensor<cpu> d(be, 3, 4);
  ops::matrix_step<cpu, 1> bare(be, c, c, {c}, {d.view()});
  CHECK(
      support::complaint<value_error>([&] { ops::softmax_op{}.vjp(bare); }) ==
      "the vjp of this op makes an intermediate result; give the matrix_step a scratch matrix for "
      "each");
  ops::matrix_step<cpu, 1> adding(be, c, c, {c}, {{d.view(), 1}});
  CHECK(support::complaint<value_error>([&] { ops::norm_op{}.vjp(adding); }) ==
        "this op can only assign a gradient of 3x4, not add to it; use a beta of 0");
}

}  // namespace square_test
