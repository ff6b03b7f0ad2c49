/// \file
/// Sums, broadcasts, extrema and norms.
///
/// Results have a shape whose extents are those of x or 1: 1 × 1 (over everything), 1 × cols (over
/// the rows), rows × 1 (over the columns).
#ifndef CHAINRULE_OPS_REDUCTIONS_HPP
#define CHAINRULE_OPS_REDUCTIONS_HPP

#include <string_view>

#include "chainrule/ops/pointwise.hpp"

namespace chainrule::ops {

namespace terms {
/// dy x / norm, and 0 where the norm is 0.
struct norm_gradient {
  template <math::number X>
  constexpr X operator()(const X& dy, const X& x, const X& norm) const {
    return dy * (x / math::convert<X>(math::where(norm == 0, 1, norm)));
  }
};
/// 1 where a == b, else 0.
struct equal {
  constexpr auto operator()(const auto& a, const auto& b) const {
    return math::where(a == b, 1, 0);
  }
};
/// dy / count where x is the extremum y, else 0.
struct extremum_gradient {
  template <math::number X>
  constexpr X operator()(const X& dy, const X& x, const X& y, const X& count) const {
    return dy * math::convert<X>(math::where(x == y, 1 / count, 0));
  }
};
}  // namespace terms

/// x repeated to a shape.
struct broadcast_op {
  static constexpr std::string_view name = "broadcast";
  matrix_shape to;

  [[nodiscard]] matrix_shape shape(matrix_shape x) const {
    contract::broadcasts("broadcast_to", x, to);
    return to;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    be.map(fn::identity{}, y, x);
  }
  void vjp(auto& step) const { step.give(0, step.dy()); }  // which is summed
};

/// x summed to a shape.
struct sum_op {
  static constexpr std::string_view name = "sum";
  matrix_shape to;

  [[nodiscard]] matrix_shape shape(matrix_shape x) const {
    contract::reduces(to, x);
    return to;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    be.reduce(reduction::sum{}, y, fn::identity{}, x);
  }
  /// y = the sum + beta y.
  template <backend B>
  void accumulate(const B& be, matrix<B> y, double beta, const_matrix<B> x) const {
    be.reduce(reduction::sum{}, y, {beta}, fn::identity{}, x);
  }
  void vjp(auto& step) const { step.give(0, broadcast_op{step.shape_of(0)}, step.dy()); }
};

/// to += x.
template <backend B>
void add(const B& be, matrix<B> to, const_matrix<B> x) {
  be.map(fn::plus{}, to, const_matrix<B>(to), x);
}

/// Throws shape_error, naming the op, if there are no elements.
inline void require_elements(std::string_view op, matrix_shape s) {
  if (s.size() == 0)
    detail::fail<shape_error>(op, ": a matrix of ", to_string(s), " has no elements");
}

/// The largest (reduction::maximum) or smallest (reduction::minimum) elements. Equal ones share the
/// gradient.
template <class Extremum>
struct extremum_op {
  static constexpr std::string_view name =
      std::same_as<Extremum, reduction::maximum> ? "max" : "min";
  matrix_shape to;

  [[nodiscard]] matrix_shape shape(matrix_shape x) const {
    require_elements(name, x);
    return to;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    be.reduce(Extremum{}, y, fn::identity{}, x);
  }
  void vjp(auto& step) const {
    const auto x = step.input(0);
    const auto y = step.output();
    const auto count = step.make_sum(y.shape(), terms::equal{}, x, y);
    step.give(0, terms::extremum_gradient{}, step.dy(), x, y, count);
  }
};

/// The Euclidean norm, sqrt(Σ x²). Its gradient where it is 0 is 0.
struct norm_op {
  static constexpr std::string_view name = "norm";
  matrix_shape to;

  [[nodiscard]] matrix_shape shape(matrix_shape) const { return to; }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    be.reduce(reduction::sum{}, y, fn::sqr{}, x);
    be.map(fn::sqrt{}, y, y);
  }
  void vjp(auto& step) const {
    step.give(0, terms::norm_gradient{}, step.dy(), step.input(0), step.output());
  }
};

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_REDUCTIONS_HPP
