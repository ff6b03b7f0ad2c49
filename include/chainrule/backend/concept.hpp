/// \file
/// What a backend is: a cheap handle whose type supplies memory and a handful of verbs.
///
/// Everything above backend/ is written once, in terms of these verbs:
///
///     storage    be.template allocate<T>(n)             n elements, not initialised
///     copy       be.upload(dst, host), be.download(host, src), be.copy(dst, src)
///     gemm       be.gemm(c, a, transposed(b), {alpha, beta}, epilogue, operands...)
///     map        be.map(f, out, in...)                  pointwise, with broadcast
///     reduce     be.reduce(op, out, f, in...)           fused map-reduce, assigned
///                be.reduce(reduction::sum{}, out, {beta}, f, in...)   plus beta out
///     random     be.random(out, seed, stream, first)    uniform in [0, 1), the same bits anywhere
///     gather     be.gather(out, source, rows, f)        rows by index; index -1 gives zeros
///     scatter_add  be.scatter_add(target, rows, source)  rows added to rows by index, in order
///     synchronize  waits until all queued work is done
///
/// `rows` is a 1 x n matrix of std::int32_t in the backend's memory. gather assigns
/// out(i, j) = f(source(rows(i), j)); scatter_add adds source(i, j) to target(rows(i), j), one i
/// after the other, so that the bits are always the same. Index -1 is padding: gather gives a row
/// of zeros, whatever f is, and scatter_add skips the row. Any other index out of range throws on
/// backends in host memory, before anything is written; elsewhere gather gives NaN and scatter_add
/// skips the row.
///
/// Matrices of std::int32_t (tokens, indices) are uploaded, downloaded, copied and gathered without
/// conversion: be.gather(out, source, rows) where all three are int32. Where scalars would be NaN,
/// elements are the smallest int32, which is out of range for any later gather.
///
/// Verbs are queued in order; on a device they may return before they are done. All matrices are
/// row-major views, rows are samples. Every verb checks shapes and throws shape_error. An operand
/// of map may be the result itself; no other operand may share elements with the result, because
/// elements are computed in any order. Devices throw value_error for such operands of map and
/// gemm.
///
/// Every backend passes the suite in tests/conformance; optional verbs are detected.
/// See also backend/cpu.hpp.
#ifndef CHAINRULE_BACKEND_CONCEPT_HPP
#define CHAINRULE_BACKEND_CONCEPT_HPP

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>

#include "chainrule/core/view.hpp"
#include "chainrule/pointwise/functions.hpp"

namespace chainrule {

/// A matrix in B's memory, mutable and const.
template <class B>
using matrix = typename B::matrix;
template <class B>
using const_matrix = typename B::const_matrix;
/// The element type of backend B.
template <class B>
using scalar_t = typename B::scalar;

/// The factors of c = alpha a b + beta c. With beta = 0, c is not read, so it may hold NaN.
struct gemm_scalars {
  /// Factor of the product.
  double alpha = 1;
  /// Factor of the target's old values; 0 ignores them, NaN included.
  double beta = 0;
};

/// A factor of a product, as it is or transposed.
template <class View>
struct gemm_operand {
  View view;
  /// Whether the transpose of the view is multiplied.
  bool is_transposed = false;

  /// The view as a factor, or its transpose if t.
  // NOLINTNEXTLINE: implicit by design, a plain matrix is a factor
  gemm_operand(const View& v, bool t = false) : view(v), is_transposed(t) {}
  /// A mutable matrix is a factor too.
  template <std::convertible_to<View> Other>
  requires(!std::same_as<Other, View>) gemm_operand(const Other& v)
      : view(v) {}  // NOLINT: implicit by design
  /// The operand with its view converted, as from a matrix to a constant one.
  template <std::convertible_to<View> Other>
  requires(!std::same_as<Other, View>)
      gemm_operand(const gemm_operand<Other>& o)  // NOLINT: implicit by design
      : view(o.view), is_transposed(o.is_transposed) {}

  [[nodiscard]] index_t rows() const { return is_transposed ? view.cols() : view.rows(); }
  [[nodiscard]] index_t cols() const { return is_transposed ? view.rows() : view.cols(); }
};

/// The transpose of `m`, as a factor of a product.
template <class T, class P>
[[nodiscard]] auto transposed(const matrix_view<T, P>& m) {
  return gemm_operand<matrix_view<T, P>>(m, true);
}

namespace detail {
/// The matrix or factor of the same shape at an offset of `n` elements.
template <class T, class P>
[[nodiscard]] matrix_view<T, P> moved(const matrix_view<T, P>& m, index_t n) {
  return m.empty() ? m : matrix_view<T, P>(m.data() + n, m.rows(), m.cols(), m.stride());
}
template <class View>
[[nodiscard]] gemm_operand<View> moved(const gemm_operand<View>& f, index_t n) {
  return {moved(f.view, n), f.is_transposed};
}
}  // namespace detail

/// Matrices of one shape, or factors of products, `step` elements apart. With step 0 all are the
/// first.
template <class Matrix>
struct strided_batch {
  /// The matrix that the steps begin at.
  Matrix first;
  /// Elements from one matrix to the next.
  index_t step = 0;

  /// Matrix i, from 0 on.
  [[nodiscard]] Matrix operator[](index_t i) const { return detail::moved(first, i * step); }
};

/// What reduce combines values with: an associative operation and its neutral element. The names
/// stand apart from those of functions: in a program that is `using namespace chainrule`, sum(x) is
/// a function of variables.
namespace reduction {

/// The sum; of nothing it is 0.
struct sum {
  /// The sum of no elements: 0.
  template <class T>
  static constexpr T identity() {
    return T(0);
  }
  constexpr auto operator()(const auto& a, const auto& b) const { return a + b; }
};

/// The largest; of nothing it is -infinity; NaN if one is NaN.
struct maximum {
  /// The maximum of no elements: -infinity.
  template <class T>
  static constexpr T identity() {
    return -std::numeric_limits<T>::infinity();
  }
  constexpr auto operator()(const auto& a, const auto& b) const {
    return math::where((a > b) | (a != a), a, b);
  }
};

/// The smallest; of nothing it is infinity; NaN if one is NaN.
struct minimum {
  /// The minimum of no elements: +infinity.
  template <class T>
  static constexpr T identity() {
    return std::numeric_limits<T>::infinity();
  }
  constexpr auto operator()(const auto& a, const auto& b) const {
    return math::where((a < b) | (a != a), a, b);
  }
};

}  // namespace reduction

using maximum [[deprecated("write reduction::maximum")]] = reduction::maximum;
using minimum [[deprecated("write reduction::minimum")]] = reduction::minimum;

/// The factor of out = (the sum of f(in...)) + beta out. With beta = 0, out is not read, so it may
/// hold NaN.
struct reduce_scalars {
  /// Factor of the target's old values; 0 ignores them, NaN included.
  double beta = 0;
};

namespace detail {
/// Compile-time error for operations other than a sum in a reduction with scalars.
template <class Op>
constexpr void require_sum() {
  static_assert(std::same_as<Op, reduction::sum>,
                "chainrule: reduce with beta adds a sum to what the result holds; other operations "
                "assign, so leave the scalars out");
}

/// f(in...) + beta times the old value, for reductions whose result has the operands' shape.
template <class F>
struct plus_scaled {
  double beta;
  [[no_unique_address]] F f;  // no padding: the bytes of a functor are its key
  constexpr auto operator()(const auto& old, const auto&... in) const {
    return f(in...) + beta * old;
  }
};
}  // namespace detail

// Epilogues of gemm: pointwise functors of the product and of operands that broadcast to it.

/// c = f(product + bias); operand: bias, 1 x n.
template <class F>
struct add_bias_then {
  /// The functor that is applied after the bias was added.
  F f{};
  constexpr auto operator()(const auto& product, const auto& bias) const {
    return f(product + bias);
  }
};

/// A type that has a backend's verbs.
template <class B>
concept backend = std::copyable<B> &&
    requires(const B& be, matrix<B> m, const_matrix<B> c,
             const typename B::template storage<std::int32_t>& rows, matrix_view<scalar_t<B>> host,
             matrix_view<std::int32_t> numbers) {
  requires std::floating_point<scalar_t<B>>;
  {be.template allocate<scalar_t<B>>(index_t{1})};
  be.upload(m, host);
  be.download(host, c);
  be.copy(m, c);
  be.gemm(m, c, transposed(c), gemm_scalars{});
  be.gemm(m, c, c, gemm_scalars{}, add_bias_then<fn::sqr>{}, c);
  be.map(fn::plus{}, m, c, c);
  be.reduce(reduction::sum{}, m, fn::sqr{}, c);
  be.reduce(reduction::sum{}, m, reduce_scalars{}, fn::sqr{}, c);
  be.random(m, std::uint64_t{0}, std::uint64_t{0}, index_t{0});
  be.gather(m, c, rows.view(), fn::affine{});
  be.scatter_add(m, rows.view(), c);
  be.upload(rows.view(), numbers);
  be.download(numbers, rows.view());
  be.copy(rows.view(), rows.view());
  be.gather(rows.view(), rows.view(), rows.view());
  be.synchronize();
  { be.name() } -> std::convertible_to<std::string>;
};

// Optional verbs, which ops and losses use where they exist and compose from others elsewhere:
//
//     be.gemm_batch(count, c, a, b, {alpha, beta})
//                                         several products at once: see backend/gemm_batch.hpp
//     be.gemm_and_sum(c, a, b, {alpha, beta}, sums, beta_of_sums)
//                                         gemm(c, a, b, {alpha, beta}) and sums (1 x n) = the sum
//                                         of b's rows + beta_of_sums sums; b is not transposed
//     be.gemm_and_map(c, a, b, f, outs, operands...)
//                                         map(f, outs, operands...), the second of which is c = a
//                                         b, without assigning c; false, and nothing done, if there
//                                         is no kernel for it
//     be.softmax_rows(x, y)               y = e^x / Σ e^x in each row; y may be x
//     be.log_sum_exp_rows(x, out)         out (n x 1) = log Σ e^x of each row
//     be.argmax_matches_rows(x, classes, out)
//                                         1 where it is the class, else 0: see metrics/metric.hpp
//     be.term_rows(term, derivative, y, targets, scale, losses, gradient)
//                                         see losses/pointwise.hpp
//     be.gather_pair(out, source, second, from, counted_rows, f)
//                                         two gathers of the same rows, the second without f
//     be.argmax_rows(x, argmax)           argmax (n x 1) = the first largest: see ops/softmax.hpp
//     be.softmax_cross_entropy_rows(y, targets, scale, losses, gradient)
//                                         see losses/softmax_cross_entropy.hpp. This and
//                                         term_rows may take B::row_extras as a further argument:
//                                         see losses/loss.hpp and device_backend
//     be.transpose(target, source)            target(i, j) = source(j, i)
//     be.scatter(target, rows, source)        target(rows(i), :) = source(i, :); the rows differ,
//                                             -1 and others that do not exist as in scatter_add
//     be.max_pool(y, argmax, x, window)       maxima under a window, and the numbers of the
//     window's
//                                             elements where they are: see ops/pooling.hpp; one of
//                                             y and argmax may be empty
//     be.unpool(dx, dy, argmax, window)       the gradient of max_pool: see ops/pooling.hpp
//     be.resample(y, x, resampling)            weighted sums under a window: see
//     backend/pooling.hpp be.convolve(y, x, w, c, f, operands...)  y = f(x * w, operands...),
//     operands broadcast to the
//                                             outputs of one position: see backend/window.hpp
//     be.convolve_input(dx, dy, w, c, {beta})    dx = its gradient + beta dx
//     be.convolve_weights(dw, x, dy, c, {beta})  dw = its gradient + beta dw

/// A backend with state to set during a training step and to restore after it: `B::step_scope`,
/// default-constructed for the duration of the step.
template <class B>
concept scoping_backend = requires {
  typename B::step_scope;
};

/// A backend that processes parts of a batch in parallel:
///
///     be.parallel_for(count, f)               // f(0), ..., f(count - 1), in any order
///
/// parallel_for returns when all calls have returned. Verbs called by f have completed when they
/// return.
template <class B>
concept parallel_backend = requires(const B& be, void (*f)(index_t)) {
  be.parallel_for(index_t{2}, f);
};

/// A backend that copies matrices from the host while it computes: `B::staging<T>`, which
/// memory/staging.hpp describes.
template <class B>
concept staging_backend = requires {
  typename B::template staging<scalar_t<B>>;
};

/// A backend whose verbs can read a number in its own memory, so that consecutive training steps
/// need no data from the host: `B::counter`, constructed from a backend, with
///
///     be.set(counter, 0), be.restart(counter), be.advance(counter)  // queued like every verb
///     be.random(out, seed, stream, first, counter)           // stream + its advances
///     be.gather(out, source, counted_rows{all, counter, step}, f)
///     be.copy_at(target, source, counter, step)                // columns from number * step on
///     be.take(out, source, counter)               // the row of that number; advances the counter
///     be.hold(counter)                                       // as gather does: for map_planned
///     be.map_planned<k>(f, outs, planned_row{table, counter, first}, in...)
///         // k more operands are scalars in the table's row of the number held; advances the
///         counter
///     counter.view()                                         // the number, 1 x 1
template <class B>
concept has_device_counter = requires(const B& be, const typename B::counter& count) {
  be.set(count, 0);
  be.restart(count);
  be.advance(count);
  be.hold(count);
};

namespace detail {
/// The type Member<B>, or an empty one for a backend without.
template <bool IsThere, template <class> class Member, class B>
struct optional_member {
  struct type {};
};
template <template <class> class Member, class B>
struct optional_member<true, Member, B> {
  using type = Member<B>;
};
template <class B>
using counter_member = typename B::counter;
template <class B>
using row_chain_member = typename B::row_chain;
}  // namespace detail

/// The counter of B for numbers that are read from device memory.
template <class B>
using counter_t =
    typename detail::optional_member<has_device_counter<B>, detail::counter_member, B>::type;

/// A backend that plans the forward pass of one sample, step by step: `B::row_chain`, as
/// backend/cpu/row_chain.hpp describes it.
template <class B>
concept row_backend = requires {
  typename B::row_chain;
};

/// What B plans forward passes of one sample by.
template <class B>
using row_chain_t =
    typename detail::optional_member<row_backend<B>, detail::row_chain_member, B>::type;

/// A backend whose verbs take functors of erased type: `B::traced_functor`, a functor of two
/// numbers that is made from another one.
template <class B>
concept tracing_backend = requires {
  typename B::traced_functor;
};

/// A backend that captures the work that a function queues, as a graph that is replayed with one
/// call: `auto graph = be.capture(f); be.replay(graph);`. Capturing does not run the work.
template <class B>
concept capturing_backend = has_device_counter<B> && requires(const B& be, void (*f)()) {
  be.replay(be.capture(f));
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CONCEPT_HPP
