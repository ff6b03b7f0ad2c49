/// \file
/// Initialization of parameters: a small value that states a rule and fills a matrix with it.
///
///     dense{784, 128, relu{}}.weights(init::he_normal()).bias(init::constant(0.1))
///
/// Numbers are drawn in double on the host, from a stream per parameter, so that a seed gives the
/// same weights on every backend.
#ifndef CHAINRULE_LAYERS_INITIALIZERS_HPP
#define CHAINRULE_LAYERS_INITIALIZERS_HPP

#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "chainrule/core/error.hpp"
#include "chainrule/core/philox.hpp"
#include "chainrule/core/view.hpp"
#include "chainrule/layers/description.hpp"

namespace chainrule {

/// A rule for the first values of a parameter. Made by the functions in namespace init.
class initializer {
 public:
  /// How first values are computed.
  enum class rule {
    constant,        // a
    uniform,         // in [a, b)
    normal,          // mean a, standard deviation b
    scaled_uniform,  // variance a / fan, where fan = (1 - b) inputs + b outputs
    scaled_normal,
    orthogonal,  // orthonormal rows or columns, times a
  };

  /// The names of the rules, in their order.
  static constexpr std::array<std::string_view, 6> names = {
      "constant", "uniform", "normal", "scaled_uniform", "scaled_normal", "orthogonal"};

  /// A rule with its constants, named as at the rules.
  constexpr initializer(rule r, double a, double b = 0) : initializer(r, a, b, &orthonormalize) {}
  /// Any rule but orthogonal. Programs that state no other do not compile what that one needs.
  [[nodiscard]] static constexpr initializer elementwise(rule r, double a, double b = 0) {
    if (r == rule::orthogonal)
      detail::fail<value_error>("orthogonal weights are not drawn one by one; write initializer(",
                                "initializer::rule::orthogonal, gain)");
    return {r, a, b, nullptr};
  }

  friend constexpr bool operator==(const initializer& x, const initializer& y) {
    return x.rule_ == y.rule_ && x.a_ == y.a_ && x.b_ == y.b_;
  }
  /// The rule and its constants: "normal(0, 0.01)".
  [[nodiscard, gnu::cold]] std::string in_words() const {
    return std::string(names[static_cast<std::size_t>(rule_)]) + "(" + detail::digits_of(a_) +
           ", " + detail::digits_of(b_) + ")";
  }

  /// Fills the matrix of a parameter with that many inputs and outputs per unit.
  void fill(matrix_view<double> m, index_t inputs, index_t outputs, random_stream& random) const {
    const double fan = (1 - b_) * static_cast<double>(inputs) + b_ * static_cast<double>(outputs);
    const double deviation = std::sqrt(a_ / (fan > 0 ? fan : 1));
    const auto each = [&](auto&& draw) {
      for (index_t i = 0; i < m.rows(); ++i)
        for (index_t j = 0; j < m.cols(); ++j) m(i, j) = draw();
    };
    const auto uniform = [&](double low, double high) __attribute__((noinline)) {
      each([&] { return random.uniform(low, high); });
    };
    const auto normal = [&](double mean, double scale) __attribute__((noinline)) {
      each([&] { return mean + scale * random.normal(); });
    };
    switch (rule_) {
      case rule::constant:
        each([&] { return a_; });
        break;
      case rule::uniform:
        uniform(a_, b_);
        break;
      case rule::normal:
        normal(a_, b_);
        break;
      case rule::scaled_uniform: {
        const double limit = std::sqrt(3.0) * deviation;  // the variance of [-l, l] is l²/3
        uniform(-limit, limit);
        break;
      }
      case rule::scaled_normal:
        normal(0, deviation);
        break;
      case rule::orthogonal:
        normal(0, 1);
        orthonormalize_(m, a_, random);
        break;
    }
  }

 private:
  using completion = void (*)(matrix_view<double> m, double gain, random_stream& random);
  constexpr initializer(rule r, double a, double b, completion after)
      : rule_(r), a_(a), b_(b), orthonormalize_(after) {}

  /// Makes the rows (or the columns, if they are fewer) orthonormal by Gram and Schmidt's process,
  /// run twice per vector against rounding, and multiplies by the gain.
  static void orthonormalize(matrix_view<double> m, double gain, random_stream& random) {
    const bool by_rows = m.rows() <= m.cols();
    const index_t vectors = by_rows ? m.rows() : m.cols();
    const index_t length = by_rows ? m.cols() : m.rows();
    const auto element = [&](index_t v, index_t i) -> double& {
      return by_rows ? m(v, i) : m(i, v);
    };
    // Each vector in one piece: along the columns of a tall matrix it takes ten times as long.
    detail::plain_vector<double> packed(static_cast<std::size_t>(vectors * length));
    const auto vector = [&](index_t v) { return packed.data() + v * length; };
    for (index_t v = 0; v < vectors; ++v)
      for (index_t i = 0; i < length; ++i) vector(v)[i] = element(v, i);

    const auto dot = [length](const double* a, const double* b) {
      double total = 0;
      for (index_t i = 0; i < length; ++i) total += a[i] * b[i];
      return total;
    };
    for (index_t v = 0; v < vectors; ++v) {
      double* const x = vector(v);
      for (int pass = 0; pass < 2; ++pass)
        for (index_t w = 0; w < v; ++w) {
          const double along = dot(x, vector(w));
          for (index_t i = 0; i < length; ++i) x[i] -= along * vector(w)[i];
        }
      const double norm = std::sqrt(dot(x, x));
      if (norm < 1e-8) {  // the draw lay in the span of those before it: draw again
        for (index_t i = 0; i < length; ++i) x[i] = random.normal();
        --v;
        continue;
      }
      for (index_t i = 0; i < length; ++i) x[i] /= norm;
    }
    for (index_t v = 0; v < vectors; ++v)
      for (index_t i = 0; i < length; ++i) element(v, i) = gain * vector(v)[i];
  }

  rule rule_;
  double a_;
  double b_;
  completion orthonormalize_;
};

namespace init {

/// All 0.
[[nodiscard]] constexpr initializer zeros() {
  return initializer::elementwise(initializer::rule::constant, 0);
}
/// All of this value.
[[nodiscard]] constexpr initializer constant(double value) {
  return initializer::elementwise(initializer::rule::constant, value);
}
/// Uniform in [low, high).
[[nodiscard]] constexpr initializer uniform(double low, double high) {
  return initializer::elementwise(initializer::rule::uniform, low, high);
}
/// Normal distribution with this mean and standard deviation.
[[nodiscard]] constexpr initializer normal(double mean, double deviation) {
  return initializer::elementwise(initializer::rule::normal, mean, deviation);
}
/// Variance 2 / (in + out), also called Xavier. Source: X. Glorot, Y. Bengio, AISTATS 2010, eq. 16.
[[nodiscard]] constexpr initializer glorot_uniform() {
  return initializer::elementwise(initializer::rule::scaled_uniform, 1, 0.5);
}
/// Normal distribution with variance 2 / (inputs + outputs).
[[nodiscard]] constexpr initializer glorot_normal() {
  return initializer::elementwise(initializer::rule::scaled_normal, 1, 0.5);
}
/// Variance 2 / in. Source: K. He et al., ICCV 2015, eq. 10.
[[nodiscard]] constexpr initializer he_uniform() {
  return initializer::elementwise(initializer::rule::scaled_uniform, 2);
}
/// Normal distribution with variance 2 / inputs.
[[nodiscard]] constexpr initializer he_normal() {
  return initializer::elementwise(initializer::rule::scaled_normal, 2);
}
/// Variance 1 / in. Source: Y. LeCun et al., "Efficient BackProp", 1998, eq. 16.
[[nodiscard]] constexpr initializer lecun_uniform() {
  return initializer::elementwise(initializer::rule::scaled_uniform, 1);
}
/// Normal distribution with variance 1 / inputs.
[[nodiscard]] constexpr initializer lecun_normal() {
  return initializer::elementwise(initializer::rule::scaled_normal, 1);
}
/// Orthonormal rows or columns, times `gain`. Source: A. Saxe et al., ICLR 2014.
[[nodiscard]] constexpr initializer orthogonal(double gain = 1) {
  return {initializer::rule::orthogonal, gain};
}

}  // namespace init
/// The default initialization of weights before an activation F: He for rectifiers, LeCun for
/// selu, Glorot otherwise.
template <class F>
[[nodiscard]] constexpr initializer initializer_for() {
  switch (gain_of<F>()) {
    case gain_class::rectifier:
      return init::he_normal();
    case gain_class::self_normalizing:
      return init::lecun_normal();
    case gain_class::linear:
      break;
  }
  return init::glorot_uniform();
}

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_INITIALIZERS_HPP
