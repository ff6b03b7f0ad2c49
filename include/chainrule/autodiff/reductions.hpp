/// \file
/// Sums, means, extrema, norms, log-sum-exp and softmax of variables.
///
///     loss = mean(sqr(y - t));
///     row = math::sum(x, over::rows);        // 1 x cols: the rows added up
///     column = max(x, over::cols);           // rows x 1: the largest of each row
///     loss = mean(log_sum_exp(scores) - math::sum(scores * one_hot, over::cols));
#ifndef CHAINRULE_AUTODIFF_REDUCTIONS_HPP
#define CHAINRULE_AUTODIFF_REDUCTIONS_HPP

#include "chainrule/autodiff/operators.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/ops/softmax.hpp"

namespace chainrule {

/// What a reduction goes over: everything (1 x 1), the rows (1 x cols), the columns (rows x 1).
enum class over { all, rows, cols };

namespace detail {

[[nodiscard]] inline matrix_shape reduced(matrix_shape s, over what) {
  return {what == over::cols ? s.rows : 1, what == over::rows ? s.cols : 1};
}

/// dy x / norm, and 0 where the norm is 0.
struct norm_slope {
  template <math::number X>
  constexpr X operator()(const X& dy, const X& x, const X& norm) const {
    return dy * (x / math::convert<X>(math::where(norm == 0, 1, norm)));
  }
};

template <backend B>
struct expand_operation {
  static void vjp(vjp_step<B>& step) { step.give(0, step.dy()); }  // which sums
  static constexpr operation<B> instance{"broadcast", &vjp};
};

template <backend B>
struct sum_operation {
  static void vjp(vjp_step<B>& step);
  static constexpr operation<B> instance{"sum", &vjp};
};

template <backend B>
struct extremum_operation {
  static void vjp(vjp_step<B>& step) {
    const variable<B> x = step.input(0);
    variable<B> share;
    {
      // Which elements are it, and how many: does not vary.
      const no_grad<B> silent(step.graph());
      const variable<B> is = (x == step.output()).holds;
      share = is / sum_to(is, step.output().shape());
    }
    step.give(0, step.dy() * share);
  }
  static constexpr operation<B> largest{"max", &vjp};
  static constexpr operation<B> smallest{"min", &vjp};
};

template <backend B>
struct norm_operation {
  static void vjp(vjp_step<B>& step) {
    pull(step, 0, norm_slope{}, step.dy(), step.input(0), step.output());
  }
  static constexpr operation<B> instance{"norm", &vjp};
};

template <backend B>
struct softmax_operation {
  static void vjp(vjp_step<B>& step) {
    const variable<B> y = step.output();
    const variable<B> along = sum_to(step.dy() * y, {y.rows(), 1});
    step.give(0, y * (step.dy() - along));
  }
  static constexpr operation<B> instance{"softmax", &vjp};
};

template <backend B>
struct log_sum_exp_operation {
  static void vjp(vjp_step<B>& step);
  static constexpr operation<B> instance{"log_sum_exp", &vjp};
};

/// The reduction of x by op to the shape s, remembered as `kind`.
template <backend B, class Op>
[[nodiscard]] variable<B> reduce_to(const variable<B>& x, matrix_shape s, const Op& op,
                                    const operation<B>& kind) {
  graph<B>& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make(s));
  g.backend().reduce(op, g.writable(&result.node()), fn::identity{}, x.view());
  record_made_from(result, kind, nothing{}, x);
  return result;
}

inline void require_elements(const char* what, matrix_shape s) {
  if (s.size() == 0)
    throw shape_error(concat(what, ": a matrix of ", to_string(s), " has no elements"));
}

}  // namespace detail

namespace math {

/// x repeated to the shape s. Throws shape_error unless each of x's extents is 1 or that of s.
template <backend B>
[[nodiscard]] variable<B> broadcast_to(const variable<B>& x, chainrule::matrix_shape s) {
  if (x.shape() == s) return x;
  namespace d = chainrule::detail;
  contract::broadcasts("broadcast_to", x.shape(), s);
  auto& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make(s));
  g.backend().map(fn::identity{}, g.writable(&result.node()), x.view());
  d::record_made_from(result, d::expand_operation<B>::instance, d::nothing{}, x);
  return result;
}

/// x summed to the shape s, whose extents are those of x or 1: what undoes a broadcast.
template <backend B>
variable<B> sum_to(const variable<B>& x, chainrule::matrix_shape s) {
  if (x.shape() == s) return x;
  contract::reduces(s, x.shape());
  return chainrule::detail::reduce_to(x, s, chainrule::reduction::sum{},
                                      chainrule::detail::sum_operation<B>::instance);
}

/// The sum of the elements.
template <backend B>
[[nodiscard]] variable<B> sum(const variable<B>& x, over what = over::all) {
  return sum_to(x, chainrule::detail::reduced(x.shape(), what));
}

/// Their mean. Throws shape_error if there are none.
template <backend B>
[[nodiscard]] variable<B> mean(const variable<B>& x, over what = over::all) {
  chainrule::detail::require_elements("mean", x.shape());
  const variable<B> total = sum(x, what);
  return total /
         (static_cast<double>(x.shape().size()) / static_cast<double>(total.shape().size()));
}

/// The largest element; NaN if one is NaN. Where several are, they share the gradient. Throws
/// shape_error if there are none.
template <backend B>
[[nodiscard]] variable<B> max(const variable<B>& x, over what = over::all) {
  namespace d = chainrule::detail;
  d::require_elements("max", x.shape());
  return d::reduce_to(x, d::reduced(x.shape(), what), reduction::maximum{},
                      d::extremum_operation<B>::largest);
}
/// The smallest element; as max.
template <backend B>
[[nodiscard]] variable<B> min(const variable<B>& x, over what = over::all) {
  namespace d = chainrule::detail;
  d::require_elements("min", x.shape());
  return d::reduce_to(x, d::reduced(x.shape(), what), reduction::minimum{},
                      d::extremum_operation<B>::smallest);
}

/// The Euclidean norm, sqrt(Σ x²). Its gradient at 0 is 0, as is its second derivative there.
template <backend B>
[[nodiscard]] variable<B> norm(const variable<B>& x, over what = over::all) {
  namespace d = chainrule::detail;
  auto& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make(d::reduced(x.shape(), what)));
  const matrix<B> out = g.writable(&result.node());
  g.backend().reduce(chainrule::reduction::sum{}, out, fn::sqr{}, x.view());
  g.backend().map(fn::sqrt{}, out, out);
  d::record_made_from(result, d::norm_operation<B>::instance, d::nothing{}, x);
  return result;
}

/// e^x / Σ e^x in each row, with the maximum shifted out.
template <backend B>
[[nodiscard]] variable<B> softmax(const variable<B>& x) {
  namespace d = chainrule::detail;
  auto& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make(x.shape()));
  tensor<B> most(g.backend(), x.rows(), 1);
  tensor<B> total(g.backend(), x.rows(), 1);
  ops::softmax(g.backend(), x.view(), most.view(), total.view(), g.writable(&result.node()));
  d::record_made_from(result, d::softmax_operation<B>::instance, d::nothing{}, x);
  return result;
}

/// log Σ e^x of each row (rows x 1), with the maximum shifted out.
template <backend B>
[[nodiscard]] variable<B> log_sum_exp(const variable<B>& x) {
  namespace d = chainrule::detail;
  auto& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make({x.rows(), 1}));
  tensor<B> total(g.backend(), x.rows(), 1);
  ops::log_sum_exp(g.backend(), x.view(), total.view(), g.writable(&result.node()));
  d::record_made_from(result, d::log_sum_exp_operation<B>::instance, d::nothing{}, x);
  return result;
}

}  // namespace math

namespace detail {

template <backend B>
void sum_operation<B>::vjp(vjp_step<B>& step) {
  step.give(0, math::broadcast_to(step.dy(), step.input_shape(0)));
}

template <backend B>
void log_sum_exp_operation<B>::vjp(vjp_step<B>& step) {
  step.give(0, step.dy() * math::softmax(step.input(0)));
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_REDUCTIONS_HPP
