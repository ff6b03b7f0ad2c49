/// \file
/// Losses that are a sum over the outputs of one term each: squared and absolute errors, Huber's,
/// sigmoid cross-entropy, hinges.
///
/// A term is one functor of an output y and its target t; its derivative with respect to y comes
/// from dual numbers unless it states its own. Where the targets are class numbers, the target of
/// the class's own output is `hit` and that of the others `miss`, without ever being stored.
///
///     trainer t{net, mean_squared_error{}, sgd{0.1}};
#ifndef CHAINRULE_LOSSES_POINTWISE_HPP
#define CHAINRULE_LOSSES_POINTWISE_HPP

#include "chainrule/core/finite.hpp"
#include "chainrule/losses/loss.hpp"
#include "chainrule/pointwise/derivative.hpp"

namespace chainrule {

namespace detail {

/// How a target becomes the number that a term takes: as it is or, of a class number, `hit` at the
/// class's own column and `miss` elsewhere.
struct target_rule {
  bool classes = false;
  double hit = 1;
  double miss = 0;
  double last = 0;  // class
  template <math::number X>
  constexpr X operator()(const X& t, const X& column) const {
    return math::where(classes, math::where(t == column, hit, miss), t);
  }
};

/// factor * term(y, t); NaN for a class that does not exist, since no column matches its number and
/// the loss would look like that of an answer.
template <class Term>
struct weighted_term {
  Term term;
  double factor;
  target_rule target;
  template <math::number X>
  constexpr auto operator()(const X& y, const X& t, const X& column) const {
    const auto loss = factor * term(y, target(t, column));
    return math::where(target.classes, terms::loss_of_known_class{}(loss, t, X(target.last)), loss);
  }
};

/// scale * factor * d term / dy
template <class Term>
struct weighted_derivative {
  Term term;
  double factor;
  target_rule target;
  template <math::number X>
  constexpr X operator()(const X& y, const X& number, const X& column, const X& scale) const {
    const X t = target(number, column);
    if constexpr (requires { term.derivative(y, t); })
      return scale * (factor * math::convert<X>(term.derivative(y, t)));
    else
      return scale * (factor * dual_derivative<0>(term, y, t));
  }
};

}  // namespace detail

/// The loss Σ_j term(y_j, t_j) of each sample, times a factor. `Derived` has
///     static constexpr const char* name;
///     auto term() const;                          // the functor
///     double factor(index_t outputs) const;       // optional, else 1
///     static constexpr double hit, miss;          // optional, else 1 and 0
template <class Derived>
struct pointwise_loss {
  using extras_taker = pointwise_loss;
  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }

  template <backend B>
  void operator()(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                  matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const {
    const auto& self = static_cast<const Derived&>(*this);
    const auto term = self.term();
    using Term = std::remove_const_t<decltype(term)>;
    double factor = 1;
    if constexpr (requires { self.factor(y.cols()); }) factor = self.factor(y.cols());
    detail::target_rule target;
    target.classes = kind_of_targets(Derived::name, y.shape(), t.shape()) == target_kind::classes;
    target.last = static_cast<double>(y.cols() - 1);
    if constexpr (requires { Derived::hit; })
      target.hit = Derived::hit, target.miss = Derived::miss;
    const detail::weighted_term<Term> weighted{term, factor, target};
    const detail::weighted_derivative<Term> derivative{term, factor, target};
    if constexpr (requires {
                    be.term_rows(weighted, derivative, y, t, scale, losses, gradient,
                                 scratch.extras);
                  })
      return be.term_rows(weighted, derivative, y, t, scale, losses, gradient, scratch.extras);
    else if constexpr (requires {
                         be.term_rows(weighted, derivative, y, t, scale, losses, gradient);
                       })
      return be.term_rows(weighted, derivative, y, t, scale, losses, gradient);
    const const_matrix<B> columns = scratch.columns.view();
    be.reduce(reduction::sum{}, losses, weighted, y, t, columns);
    if (!gradient.empty()) be.map(derivative, gradient, y, t, columns, scale);
  }
};

namespace terms {
/// (y - t)²
struct squared_error {
  constexpr auto operator()(const auto& y, const auto& t) const { return math::sqr(y - t); }
};
/// |y - t|; derivative 0 where they are equal.
struct absolute_error {
  constexpr auto operator()(const auto& y, const auto& t) const { return math::abs(y - t); }
};
/// (y - t)²/2 up to a distance of delta, linear beyond. Source: P. Huber, 1964.
struct huber {
  double delta = 1;
  constexpr auto operator()(const auto& y, const auto& t) const {
    const auto distance = math::abs(y - t);
    const auto inner = math::min(distance, delta);
    return inner * (distance - 0.5 * inner);
  }
  // Stated because the parts of the expression have kinks where their sum has none.
  constexpr auto derivative(const auto& y, const auto& t) const {
    return math::clamp(y - t, -delta, delta);
  }
};
/// -t log s(y) - (1 - t) log(1 - s(y)) for a logit y, where s is the sigmoid.
struct sigmoid_cross_entropy {
  constexpr auto operator()(const auto& y, const auto& t) const {
    return math::max(y, 0) - y * t + math::log1p(math::exp(-math::abs(y)));
  }
  constexpr auto derivative(const auto& y, const auto& t) const { return math::sigmoid(y) - t; }
};
/// max(0, margin - t y) for targets -1 and 1.
struct hinge {
  double margin = 1;
  constexpr auto operator()(const auto& y, const auto& t) const {
    return math::max(margin - t * y, 0);
  }
};
/// max(0, margin - t y)²
struct squared_hinge {
  double margin = 1;
  constexpr auto operator()(const auto& y, const auto& t) const {
    return math::sqr(math::max(margin - t * y, 0));
  }
};
}  // namespace terms

/// The mean over the outputs of (y - t)²: what PyTorch and Keras call MSE.
struct mean_squared_error : pointwise_loss<mean_squared_error> {
  static constexpr const char* name = "mean squared error";
  static constexpr auto term() { return terms::squared_error{}; }
  static constexpr double factor(index_t outputs) { return 1.0 / static_cast<double>(outputs); }
};

/// Σ_j (y_j - t_j)² / 2; its mean over n samples is the quadratic cost C = 1/(2n) Σ |y - t|².
struct quadratic_cost : pointwise_loss<quadratic_cost> {
  static constexpr const char* name = "quadratic cost";
  static constexpr auto term() { return terms::squared_error{}; }
  static constexpr double factor(index_t) { return 0.5; }
};

/// Σ_j (y_j - t_j)²
struct sum_of_squares : pointwise_loss<sum_of_squares> {
  static constexpr const char* name = "sum of squares";
  static constexpr auto term() { return terms::squared_error{}; }
};

/// The mean over the outputs of |y - t|.
struct mean_absolute_error : pointwise_loss<mean_absolute_error> {
  static constexpr const char* name = "mean absolute error";
  static constexpr auto term() { return terms::absolute_error{}; }
  static constexpr double factor(index_t outputs) { return 1.0 / static_cast<double>(outputs); }
};

/// The mean over the outputs of Huber's function.
struct huber_loss : pointwise_loss<huber_loss> {
  static constexpr const char* name = "Huber loss";
  /// Distance from which the loss is linear.
  double delta = 1;
  /// Quadratic up to the distance d, linear beyond. Throws value_error unless d is positive and
  /// finite.
  constexpr explicit huber_loss(double d = 1) : delta(d) {
    if (detail::is_nan(d) || d <= 0)
      detail::fail<value_error>("Huber loss: delta must be above 0, got ", d);
  }
  constexpr auto term() const { return terms::huber{delta}; }
  static constexpr double factor(index_t outputs) { return 1.0 / static_cast<double>(outputs); }
};

/// The mean over the outputs of the binary cross-entropy, from logits; targets in [0, 1].
struct sigmoid_cross_entropy : pointwise_loss<sigmoid_cross_entropy> {
  static constexpr const char* name = "sigmoid cross-entropy";
  static constexpr const char* targets = "from 0 to 1";
  static constexpr bool takes(double target) { return target >= 0 && target <= 1; }
  static constexpr output_link link = output_link::sigmoid;
  static constexpr auto term() { return terms::sigmoid_cross_entropy{}; }
  static constexpr double factor(index_t outputs) { return 1.0 / static_cast<double>(outputs); }
};

/// Σ_j max(0, 1 - t_j y_j) for targets -1 and 1: the binary support vector machine; with class
/// numbers, one against the rest.
struct hinge : pointwise_loss<hinge> {
  static constexpr const char* name = "hinge";
  static constexpr const char* targets = "of -1 or 1";
  static constexpr bool takes(double target) { return target == -1 || target == 1; }
  static constexpr double hit = 1;
  static constexpr double miss = -1;
  static constexpr auto term() { return terms::hinge{}; }
};

/// Σ_j max(0, 1 - t_j y_j)²
struct squared_hinge : pointwise_loss<squared_hinge> {
  static constexpr const char* name = "squared hinge";
  static constexpr const char* targets = "of -1 or 1";
  static constexpr bool takes(double target) { return target == -1 || target == 1; }
  static constexpr double hit = 1;
  static constexpr double miss = -1;
  static constexpr auto term() { return terms::squared_hinge{}; }
};

}  // namespace chainrule

#endif  // CHAINRULE_LOSSES_POINTWISE_HPP
