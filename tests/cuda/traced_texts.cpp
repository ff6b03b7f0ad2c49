#include "cuda/traced_texts.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/memory/arena.hpp"
#include "chainrule/ops/dropout.hpp"
#include "chainrule/ops/linear.hpp"
#include "chainrule/ops/softmax.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "cuda/fake_cuda.hpp"

namespace {

using namespace chainrule;

template <class... F>
struct functors {};

using of_one =
    functors<fn::exp, fn::exp2, fn::expm1, fn::log, fn::log2, fn::log10, fn::log1p, fn::sqrt,
             fn::cbrt, fn::sin, fn::cos, fn::tan, fn::asin, fn::acos, fn::atan, fn::sinh, fn::cosh,
             fn::tanh, fn::asinh, fn::acosh, fn::atanh, fn::erf, fn::erfc, fn::floor, fn::ceil,
             fn::trunc, fn::round, fn::abs, fn::sign, fn::sqr, fn::inv, fn::inv_sqrt, fn::sigmoid,
             fn::softplus, fn::identity, fn::negate, fn::affine>;
using of_two = functors<fn::pow, fn::atan2, fn::fmod, fn::max, fn::min, fn::plus, fn::minus,
                        fn::multiplies, fn::divides>;

/// What a user might write: constants, choices, several results.
struct custom {
  double slope = 0.1;
  auto operator()(auto x) const { return where((x > 0) | (x != x), x, slope * x) / (1 + exp(-x)); }
};
struct two_results {
  template <class X>
  auto operator()(const X& x, const X& y) const {
    return std::array<X, 2>{x * y + 1e-300, x / y - 3e38};
  }
};

/// The derivative of a function of two along its first operand.
template <class F>
struct partial {
  template <math::number X>
  X operator()(const X& x, const X& y) const {
    return dual_derivative(F{}, x, y);
  }
};

}  // namespace

namespace support {

template <class T>
std::vector<std::string> traced_texts() {
  fake_cuda::reset();
  ::setenv("CHAINRULE_CUDA_GEMM", "text", 1);
  using B = device_backend<fake_runtime, T>;
  const B be(std::make_shared<fake_runtime>(fake_runtime::devices().front()));
  ::unsetenv("CHAINRULE_CUDA_GEMM");
  const auto memory = be.template allocate<T>(4096);
  // Nothing runs, so matrices may be of any extents and lie where there is no memory.
  auto m = [&, at = index_t{0}](index_t rows, index_t cols) mutable {
    at += rows * cols;
    return matrix<B>(memory.view().data() + (at - rows * cols), rows, cols);
  };
  const matrix<B> x = m(8, 8);

  const auto unary = [&]<class... F>(functors<F...>) {
    (be.map(F{}, x, x), ...);
    (be.map(derivative_of<F>{}, x, x), ...);
  };
  unary(of_one{});
  unary(functors<custom>{});
  [&]<class... F>(functors<F...>) {
    (be.map(F{}, x, x, x), ...);
    (be.map(partial<F>{}, x, x, x), ...);
  }(of_two{});
  be.map(two_results{}, std::array<matrix<B>, 2>{x, x}, x, x);
  be.map(fn::fill{0.5}, x);

  // Activations as layers use them, alone and in products.
  for_each_activation([&]<class F>(const F& f) {
    be.map(f, x, x);
    be.map(derivative_of<F>{f}, x, x);
    be.map(backward_of<F>{f}, x, x, x);
    ops::linear_op{}.forward(be, m(8, 8), const_matrix<B>(x), const_matrix<B>(x),
                             const_matrix<B>(m(1, 8)), f);
  });
  // Products of all transposes in shapes that GPUs tile differently.
  for (const matrix_shape s : {matrix_shape{1, 1},
                               {1, 300},
                               {300, 1},
                               {16, 16},
                               {32, 40},
                               {100, 3},
                               {3, 100},
                               {64, 64},
                               {256, 256},
                               {512, 1024},
                               {4096, 4096}})
    for (const bool a : {false, true})
      for (const bool b : {false, true})
        be.gemm(m(s.rows, s.cols), {a ? m(20, s.rows) : m(s.rows, 20), a},
                {b ? m(s.cols, 20) : m(20, s.cols), b}, {1, 0.5});
  // By vectors and cut along k: all extents and offsets are multiples of a vector's.
  const auto aligned = [&](index_t rows, index_t cols) {
    return matrix<B>(memory.view().data(), rows, cols);
  };
  for (const matrix_shape s :
       {matrix_shape{16, 16}, {32, 40}, {100, 4}, {4, 100}, {64, 64}, {512, 1024}, {4096, 4096}})
    for (const index_t k : {20, 1024})
      for (const bool a : {false, true})
        for (const bool b : {false, true})
          be.gemm(aligned(s.rows, s.cols), {a ? aligned(k, s.rows) : aligned(s.rows, k), a},
                  {b ? aligned(s.cols, k) : aligned(k, s.cols), b}, {1, 0.5});
  if constexpr (requires { be.gemm_and_sum(x, x, x, {1, 0}, x, 0); })
    for (const matrix_shape s :
         {matrix_shape{1, 1}, {300, 1}, {16, 16}, {3, 100}, {64, 64}, {512, 1024}})
      be.gemm_and_sum(m(s.rows, s.cols), transposed(m(20, s.rows)), m(20, s.cols), {1, 0.5},
                      m(1, s.cols), 1);
  for (const matrix_shape s : {matrix_shape{1, 1}, {16, 16}, {100, 3}, {64, 64}, {512, 1024}})
    for (const bool a : {false, true})
      for (const bool b : {false, true})
        be.gemm_batch(8, {m(s.rows, s.cols), s.size()},
                      {{a ? m(20, s.rows) : m(s.rows, 20), a}, 20 * s.rows},
                      {{b ? m(s.cols, 20) : m(20, s.cols), b}, 0}, {1, 0.5});

  // All passes of convolutions whose tiles differ, strided, in groups and depthwise.
  for (const convolution& c : {convolution{{{5, 3}, {5, 3}, 1}, 2},
                               {{{28, 5}, {28, 5}, 1}, 32},
                               {{{32, 3, 1, 1, 1, 1}, {32, 3, 1, 1, 1, 1}, 64}, 128},
                               {{{64, 3, 2, 1, 1, 1}, {64, 3, 2, 1, 1, 1}, 256}, 256, 2},
                               {{{16, 3}, {16, 3}, 32}, 32, 32}})
    for (const index_t n : {1, 256}) {
      const matrix<B> image = m(n, c.window.image());
      const matrix<B> weights = m(c.weights().rows, c.weights().cols);
      const matrix<B> result = m(n, c.result());
      be.convolve(result, image, weights, c, add_bias_then<relu>{}, m(1, c.outputs));
      be.convolve_input(image, result, weights, c, {1});
      be.convolve_weights(weights, image, result, c, {1});
    }

  // Reductions of every walk, short and long, with several operands.
  const auto reductions = [&](const auto& op) {
    for (const matrix_shape s :
         {matrix_shape{8, 8}, {3, 5000}, {5000, 3}, {512, 512}, {100000, 1}, {1, 100000}}) {
      be.reduce(op, m(1, 1), fn::identity{}, m(s.rows, s.cols));
      if (s.cols > 1) be.reduce(op, m(s.rows, 1), fn::sqr{}, m(s.rows, s.cols));
      if (s.rows > 1) be.reduce(op, m(1, s.cols), fn::identity{}, m(s.rows, s.cols));
    }
    be.reduce(op, m(8, 1), fn::multiplies{}, x, m(1, 8));
    be.reduce(op, m(1, 8), fn::multiplies{}, x, m(8, 1));
    be.reduce(op, m(1, 1), fn::multiplies{}, x, x);
  };
  be.reduce(reduction::sum{}, x, {.beta = 1}, fn::sqr{}, x);
  reductions(reduction::sum{}), reductions(reduction::maximum{}), reductions(reduction::minimum{});

  be.random(x, 1, 2);
  const auto rows = be.template allocate<std::int32_t>(8);
  const auto bytes = be.template allocate<std::uint8_t>(64);
  const auto numbers = be.template allocate<std::int32_t>(64);
  const auto as = [&]<class U>(const device_storage<fake_runtime, U>& s) {
    return matrix_view<U, device_pointer<void*, U>>(s.view().data(), 8, 8);
  };
  be.gather(x, const_matrix<B>(x), rows.view());
  be.gather(x, const_matrix<B>(x), rows.view(), custom{});
  be.gather(x, as(bytes), rows.view(), fn::affine{});
  be.gather(x, as(numbers), rows.view(), fn::affine{});
  be.gather(as(numbers), as(numbers), rows.view());
  be.copy(as(numbers), as(numbers));
  be.scatter_add(x, rows.view(), x);
  if constexpr (requires { typename B::counter; }) {
    const typename B::counter at(be);
    be.advance(at);
    be.hold(at);
    be.template map_planned<1>(fn::multiplies{}, std::array<matrix<B>, 1>{x},
                               {const_matrix<B>(x), at, 1}, x);
    be.random(x, 1, 2, 3, at);
    be.take(m(1, 8), const_matrix<B>(x), at);
    be.gather_pair(x, const_matrix<B>(x), m(8, 1), m(8, 1), {rows.view(), at, 8}, fn::affine{});
    be.gather_pair(x, as(bytes), m(8, 1), m(8, 1), {rows.view(), at, 8}, fn::affine{});
    be.gather(x, const_matrix<B>(x), {rows.view(), at, 8});
    be.gather(x, as(bytes), {rows.view(), at, 8}, fn::affine{});
    be.gather(as(numbers), as(numbers), {rows.view(), at, 8});
    be.copy_at(x, m(8, 1), at, 1);
  }

  ops::dropout_op{0.5}.forward(be, x, const_matrix<B>(x), const_matrix<B>(x));
  ops::softmax(be, const_matrix<B>(x), m(8, 1), m(8, 1), x);
  ops::argmax(be, const_matrix<B>(x), const_matrix<B>(m(1, 8)), m(8, 1), m(8, 1));

  // A functor of erased type at the end of a product.
  if constexpr (requires { typename B::traced_functor; })
    be.gemm(m(8, 8), m(8, 8), m(8, 8), {}, typename B::traced_functor(backward_of<fn::tanh>{}), x);

  const detail::weighted_term<terms::huber> weighted{{0.5}, 1, {}};
  const detail::weighted_derivative<terms::huber> derivative{{0.5}, 1, {}};
  // Verbs on rows, in widths that are shared differently.
  if constexpr (requires { be.log_sum_exp_rows(x, x); })
    for (const index_t cols : {1, 3, 10, 40, 100, 500, 5000}) {
      be.softmax_rows(m(64, cols), m(64, cols));
      be.log_sum_exp_rows(m(64, cols), m(64, 1));
      be.argmax_rows(m(64, cols), m(64, 1));
      be.argmax_matches_rows(m(64, cols), m(64, 1), m(64, 1));
      for (const index_t targets : {index_t{1}, cols})
        for (const index_t gradients : {index_t{0}, cols})
          be.term_rows(weighted, derivative, m(64, cols), m(64, targets), m(1, 1), m(64, 1),
                       m(gradients == 0 ? 0 : 64, gradients));
      if constexpr (requires { typename B::row_extras; }) {
        const typename B::counter at(be);
        const typename B::row_extras all{m(64, 1), m(64, 1), &at, 64,
                                         typename B::traced_functor(backward_of<fn::tanh>{})};
        auto extras = all;
        be.term_rows(weighted, derivative, m(64, cols), m(64, 1), m(1, 1), m(64, 1), m(64, cols),
                     extras);
        extras = all;
        be.softmax_cross_entropy_rows(m(64, cols), m(64, 1), m(1, 1), m(64, 1), m(64, cols),
                                      extras);
      }
      be.softmax_cross_entropy_rows(m(64, cols), m(64, 1), m(1, 1), m(64, 1), m(64, cols));
      be.softmax_cross_entropy_rows(m(64, cols), m(64, cols), m(1, 1), m(64, 1), m(0, 0));
    }
  if constexpr (requires { be.transpose(x, x); }) be.transpose(m(8, 5), m(5, 8));
  if constexpr (requires(window w) { be.max_pool(x, x, x, w); }) {
    using rule = resampling::rule;
    for (const index_t dilation : {1, 2}) {
      const window w{{5, 2, 1, dilation}, {4, 2}, 3};
      const auto y = m(2, w.positions() * w.channels);
      const auto images = m(2, w.image());
      be.max_pool(y, y, images, w);
      be.max_pool(y, m(0, 0), images, w);
      be.max_pool(m(0, 0), y, images, w);
      be.unpool(images, y, y, w);
    }
    for (const rule weights : {rule::one, rule::mean, rule::mean_inside, rule::linear})
      for (const bool spreads : {false, true}) {
        const resampling r{{{6, 4, 2, 1, 1, 1}, {6, 4, 2, 1, 1, 1}, 3}, weights, spreads};
        be.resample(m(2, r.to()), m(2, r.from()), r);
      }
  }
  if constexpr (requires { be.scatter(x, rows.view(), x); }) be.scatter(x, rows.view(), x);

  loss_scratch<B> scratch(be, 8, 8);
  const auto of_classes = [&](const auto&... loss) {
    (loss(be, x, m(8, 1), m(1, 1), m(8, 1), x, scratch), ...);
  };
  const auto losses = [&](const auto&... loss) {
    (loss(be, x, x, m(1, 1), m(8, 1), x, scratch), ...);
    of_classes(loss...);
  };
  losses(mean_squared_error{}, quadratic_cost{}, sum_of_squares{}, mean_absolute_error{},
         huber_loss{}, sigmoid_cross_entropy{}, hinge{}, squared_hinge{}, softmax_cross_entropy{},
         softmax_cross_entropy{.smoothing = 0.1});
  of_classes(multiclass_hinge{});

  arena_plan plan;
  static_cast<void>(plan.add(weight_tags, 3, 4));
  static_cast<void>(plan.add(bias_tags, 1, 4));
  arena<B> parameters(be, plan);
  const arena<B> gradients(be, plan);
  const auto optimizers = [&](const auto&... rules) {
    const auto step = [&](const auto& r) {
      optimizer o(be, plan, r);
      o.update(parameters, gradients);
    };
    (step(rules), ...);
  };
  optimizers(sgd{}, momentum{}, momentum{.nesterov = true}, adam{}, adamw{}, nadam{}, rmsprop{},
             centered_rmsprop{}, adagrad{}, adadelta{}, lion{}, chain(l1_penalty{}, sgd{}),
             chain(clip_by_norm{1}, clip_by_value{1}, weight_decay{0.1}, adam{}),
             chain(weight_decay{0.1}, momentum{}));

  const std::string prelude = device::cuda_prelude;
  std::vector<std::string> texts;
  for (const std::string& t : fake_cuda::now().texts) texts.push_back(t.substr(prelude.size()));
  return texts;
}

template std::vector<std::string> traced_texts<float>();
template std::vector<std::string> traced_texts<double>();

}  // namespace support
