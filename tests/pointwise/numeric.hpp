/// \file
/// Derivatives by differences, and their error: what dual numbers are compared with.
#ifndef CHAINRULE_TESTS_POINTWISE_NUMERIC_HPP
#define CHAINRULE_TESTS_POINTWISE_NUMERIC_HPP

#include <cmath>
#include <limits>

#include "chainrule/pointwise/derivative.hpp"

namespace numeric {

inline constexpr double epsilon = std::numeric_limits<double>::epsilon();

/// The step that balances truncation (h^2) and rounding (epsilon / h).
inline double step(double x) { return std::cbrt(epsilon) * std::fmax(1, std::fabs(x)); }

/// (f(x + h) - f(x - h)) / 2h, with the h that the processor really adds.
template <class F>
double central_difference(const F& f, double x) {
  const volatile double above = x + step(x);
  const volatile double below = x - step(x);
  return (f(above) - f(below)) / (above - below);
}

/// What the central difference may be off: h^2 / 6 times the third derivative, where |f'''| is at
/// most 60 times the scale of f, and rounding of f by one unit on both sides.
inline double allowed(double x, double value, double slope) {
  const double h = step(x);
  const double scale = 1 + std::fabs(value) + std::fabs(slope);
  return (10 * h * h + 2 * epsilon / h) * scale;
}

/// f''(x), by dual numbers over dual numbers.
template <class F>
double second_derivative(const F& f, double x) {
  using chainrule::dual;
  const auto y = f(dual<dual<double>>({x, 1}, {1, 0}));
  if constexpr (requires { y.derivative.derivative; })
    return y.derivative.derivative;
  else
    return 0;
}

/// One function of one argument, erased.
struct function {
  const char* name;
  double (*value)(double);
  double (*slope)(double);   // by dual numbers, whatever the functor states
  double (*stated)(double);  // as the library takes it
  double (*second)(double);
};

template <class F>
function of(const char* name) {
  return {name, [](double x) { return static_cast<double>(F{}(x)); },
          [](double x) { return static_cast<double>(chainrule::dual_derivative(F{}, x)); },
          [](double x) { return static_cast<double>(chainrule::derivative_of<F>{}(x)); },
          [](double x) { return second_derivative(F{}, x); }};
}

/// The i-th of n + 1 points between low and high.
inline double point(double low, double high, int i, int n) { return low + (high - low) * i / n; }

}  // namespace numeric

#endif  // CHAINRULE_TESTS_POINTWISE_NUMERIC_HPP
