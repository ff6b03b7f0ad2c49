/// \file
/// Optimizer rules that adapt the step to each parameter: adam, adamw, nadam, rmsprop, adagrad,
/// adadelta; and lion.
///
///     adamw{.rate = 1e-3, .decay = 0.01}
///     chain(rmsprop{.rate = 1e-3}, heavy_ball{0.9})
///
/// Defaults are PyTorch's. See also optim/chain.hpp (what a rule is), optim/rules.hpp (the others).
#ifndef CHAINRULE_OPTIM_ADAPTIVE_HPP
#define CHAINRULE_OPTIM_ADAPTIVE_HPP

#include <array>
#include <cmath>
#include <cstdint>

#include "chainrule/optim/chain.hpp"

namespace chainrule {

namespace detail {
/// Throws value_error unless 0 <= value < 1.
inline void require_fraction(const char* rule, const char* what, double value) {
  require_constant(value >= 0 && value < 1, rule,
                   concat(what, " must be at least 0 and below 1").c_str(), value);
}
inline void require_epsilon(const char* rule, double epsilon) {
  require_constant(epsilon > 0, rule, "epsilon must be above 0", epsilon);
}
inline void require_moments(const char* rule, double beta1, double beta2, double epsilon) {
  require_fraction(rule, "beta1", beta1);
  require_fraction(rule, "beta2", beta2);
  require_epsilon(rule, epsilon);
}
/// 1 / (1 - beta^t), where t counts steps (not tensors) from 1.
inline double bias_correction(double beta, std::int64_t step) {
  return 1 / -std::expm1(static_cast<double>(step + 1) * std::log(beta));
}
/// decay average + (1 - decay) x
template <class X>
constexpr X averaged(double decay, const X& average, const X& x) {
  return decay * average + (1 - decay) * x;
}
}  // namespace detail

/// Adam. Source: D. Kingma, J. Ba, ICLR 2015, algorithm 1.
struct adam {
  schedule rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;

  void check() const { detail::require_moments(name, beta1, beta2, epsilon); }
  static constexpr const char* name = "adam";
  static constexpr std::size_t slots = 2;
  static constexpr std::size_t scalars = 2;
  static constexpr bool treats_tags_alike = true;
  void prepare(const step_info& info, std::array<double, 2>& s) const {
    s = {detail::bias_correction(beta1, info.step), detail::bias_correction(beta2, info.step)};
  }
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 2>& state,
                         const std::array<X, 2>& s) const {
    auto& [m, v] = state;
    m = detail::averaged<X>(beta1, m, g);
    v = detail::averaged<X>(beta2, v, g * g);
    return m * s[0] / (math::sqrt(v * s[1]) + epsilon);
  }
};

/// Adam with decoupled weight decay: chain(adam, weight_decay) as one rule. Biases do not decay
/// unless asked. Source: I. Loshchilov, F. Hutter, ICLR 2019, algorithm 2.
struct adamw {
  schedule rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0.01;
  bool biases = false;

  void check() const {
    detail::require_moments(name, beta1, beta2, epsilon);
    detail::require_constant(decay >= 0, name, "the decay must be at least 0", decay);
  }
  static constexpr const char* name = "adamw";
  static constexpr std::size_t slots = 2;
  static constexpr std::size_t scalars = 3;
  void prepare(const step_info& info, std::array<double, 3>& s) const {
    s = {detail::bias_correction(beta1, info.step), detail::bias_correction(beta2, info.step),
         info.tags.decay || biases ? decay : 0};
  }
  template <class X>
  constexpr X operator()(const X& g, const X& w, std::array<X, 2>& state,
                         const std::array<X, 3>& s) const {
    auto& [m, v] = state;
    m = detail::averaged<X>(beta1, m, g);
    v = detail::averaged<X>(beta2, v, g * g);
    return m * s[0] / (math::sqrt(v * s[1]) + epsilon) + s[2] * w;
  }
};

/// Adam with Nesterov's momentum, whose coefficient grows from beta1/2 towards beta1:
/// mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2). Source: T. Dozat, ICLR workshop 2016.
struct nadam {
  schedule rate = 0.002;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum_decay = 0.004;

  void check() const {
    detail::require_moments(name, beta1, beta2, epsilon);
    detail::require_constant(momentum_decay >= 0, name, "the momentum decay must be at least 0",
                             momentum_decay);
  }
  static constexpr const char* name = "nadam";
  static constexpr std::size_t slots = 2;
  static constexpr std::size_t scalars = 3;
  static constexpr bool treats_tags_alike = true;
  /// The factors of m, of g and of v.
  void prepare(const step_info& info, std::array<double, 3>& s) const {
    const std::int64_t t = info.step + 1;
    const auto mu = [&](std::int64_t i) {
      return beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(i) * momentum_decay));
    };
    // A product below half an epsilon no longer changes 1 - product.
    double product = 1;
    for (std::int64_t i = 1; i <= t && product > 1e-17; ++i) product *= mu(i);
    s = {mu(t + 1) / (1 - product * mu(t + 1)), (1 - mu(t)) / (1 - product),
         detail::bias_correction(beta2, info.step)};
  }
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 2>& state,
                         const std::array<X, 3>& s) const {
    auto& [m, v] = state;
    m = detail::averaged<X>(beta1, m, g);
    v = detail::averaged<X>(beta2, v, g * g);
    return (m * s[0] + g * s[1]) / (math::sqrt(v * s[2]) + epsilon);
  }
};

/// Divides the gradient by the root of a moving average of its squares. With momentum:
/// chain(rmsprop{...}, heavy_ball{0.9}). Source: G. Hinton, Neural Networks for Machine Learning,
/// lecture 6e, 2012.
struct rmsprop {
  schedule rate = 0.01;
  double alpha = 0.99;
  double epsilon = 1e-8;

  void check() const {
    detail::require_fraction(name, "alpha", alpha);
    detail::require_epsilon(name, epsilon);
  }
  static constexpr const char* name = "rmsprop";
  static constexpr std::size_t slots = 1;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 1>& state,
                         const std::array<X, 0>&) const {
    X& v = state[0];
    v = detail::averaged<X>(alpha, v, g * g);
    return g / (math::sqrt(v) + epsilon);
  }
};

/// rmsprop by a moving variance in place of the mean of squares. Source: A. Graves,
/// arXiv:1308.0850, eq. 38-45.
struct centered_rmsprop {
  schedule rate = 0.01;
  double alpha = 0.99;
  double epsilon = 1e-8;

  void check() const {
    detail::require_fraction(name, "alpha", alpha);
    detail::require_epsilon(name, epsilon);
  }
  static constexpr const char* name = "centered rmsprop";
  static constexpr std::size_t slots = 2;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 2>& state,
                         const std::array<X, 0>&) const {
    auto& [mean, v] = state;
    mean = detail::averaged<X>(alpha, mean, g);
    v = detail::averaged<X>(alpha, v, g * g);
    // Rounding may make the variance of equal gradients negative.
    return g / (math::sqrt(math::max(v - mean * mean, 0)) + epsilon);
  }
};

/// Divides the gradient by the root of the sum of all its squares so far, to which
/// `initial_accumulator` is added. Source: J. Duchi et al., JMLR 12, 2011.
struct adagrad {
  schedule rate = 0.01;
  double epsilon = 1e-10;
  double initial_accumulator = 0;

  void check() const {
    detail::require_epsilon(name, epsilon);
    detail::require_constant(initial_accumulator >= 0, name,
                             "the initial accumulator must be at least 0", initial_accumulator);
  }
  static constexpr const char* name = "adagrad";
  static constexpr std::size_t slots = 1;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 1>& state,
                         const std::array<X, 0>&) const {
    X& sum = state[0];
    sum = sum + g * g;
    return g / (math::sqrt(sum + initial_accumulator) + epsilon);
  }
};

/// Scales the gradient by the ratio of the root mean squares of earlier steps and of gradients.
/// Source: M. Zeiler, arXiv:1212.5701, algorithm 1.
struct adadelta {
  schedule rate = 1.0;
  double rho = 0.9;
  double epsilon = 1e-6;

  void check() const {
    detail::require_fraction(name, "rho", rho);
    detail::require_epsilon(name, epsilon);
  }
  static constexpr const char* name = "adadelta";
  static constexpr std::size_t slots = 2;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 2>& state,
                         const std::array<X, 0>&) const {
    auto& [squares, steps] = state;
    squares = detail::averaged<X>(rho, squares, g * g);
    const X step = math::sqrt(steps + epsilon) / math::sqrt(squares + epsilon) * g;
    steps = detail::averaged<X>(rho, steps, step * step);
    return step;
  }
};

/// The sign of a moving average of gradients; 0 where that is 0. Decoupled decay:
/// chain(lion{...}, weight_decay{...}). Source: X. Chen et al., NeurIPS 2023, algorithm 2.
struct lion {
  schedule rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;

  void check() const {
    detail::require_fraction(name, "beta1", beta1);
    detail::require_fraction(name, "beta2", beta2);
  }
  static constexpr const char* name = "lion";
  static constexpr std::size_t slots = 1;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 1>& state,
                         const std::array<X, 0>&) const {
    X& m = state[0];
    const X direction = math::sign(detail::averaged<X>(beta1, m, g));
    m = detail::averaged<X>(beta2, m, g);
    return direction;
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_ADAPTIVE_HPP
