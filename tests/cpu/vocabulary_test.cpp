// The functions over lanes on each instruction set, densely over all numbers, beside long double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "chainrule/pointwise/functional.hpp"
#include "cpu/sets.hpp"
#include "support/catch.hpp"

using namespace chainrule;

namespace {

using real = long double;

/// Numbers of all magnitudes and both signs, evenly by their bits; numbers between 2^-12 and 2^12,
/// where most functions bend, evenly in each power of 2; and those at the ends.
template <class T>
std::vector<T> all_kinds() {
  using limits = std::numeric_limits<T>;
  using word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::vector<T> x;
  constexpr index_t many = 250000;
  constexpr word step = sizeof(T) == 4 ? static_cast<word>(17179) : static_cast<word>(-1) / many;
  for (index_t i = 0; i < many; ++i) {
    const word bits = static_cast<word>(i) * step;
    T f = 0;
    std::memcpy(&f, &bits, sizeof f);
    x.push_back(f);
  }
  for (int power = -12; power < 12; ++power)
    for (index_t i = 0; i < 5003; ++i) {
      const T size = std::ldexp(1 + static_cast<T>(i) / 5003, power);
      x.push_back(size), x.push_back(-size);
    }
  for (const T f : {T(0), limits::denorm_min(), limits::min(), limits::max(), limits::infinity(),
                    limits::quiet_NaN(), T(1), T(0.5), T(0.92773437), T(2), T(4), T(6), T(27.3),
                    T(28), T(88.7), T(103.97), T(709.8), T(745.2), 1 / limits::epsilon()})
    for (const T s : {f, -f})
      for (const T n : {s, std::nextafter(s, T(0)), std::nextafter(s, s * 2)}) x.push_back(n);
  return x;
}

/// f(x) by each instruction set: at most `epsilons` of |f(x)| away, or a denormal's unit; exactly
/// what the type rounds the true value to is always right.
template <class T, class F, class Reference>
void check_of(const char* name, const Reference& reference, real epsilons) {
  using limits = std::numeric_limits<T>;
  static const std::vector<T> x = all_kinds<T>();
  const auto count = static_cast<index_t>(x.size());
  std::vector<real> want;
  for (const T v : x) want.push_back(reference(static_cast<real>(v)));
  for (const isa set : supported_sets()) {
    std::vector<T> y(x.size(), limits::quiet_NaN());
    const basic_cpu<T> be(1, set);
    be.map(F{}, matrix_view<T>(y.data(), 1, count), matrix_view<const T>(x.data(), 1, count));
    real worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto rounded = static_cast<T>(want[i]);
      real used = 0;
      if (want[i] != want[i])
        used = y[i] != y[i] ? 0 : 1e9L;
      else if (y[i] != rounded)
        used = std::fabs(static_cast<real>(y[i]) - want[i]) /
               (epsilons * static_cast<real>(limits::epsilon()) * std::fabs(want[i]) +
                static_cast<real>(limits::denorm_min()));
      if (!(used <= worst)) worst = used, at = i;
    }
    INFO(name << " of " << (sizeof(T) == 4 ? "floats" : "doubles") << " by " << name_of(set)
              << " uses " << static_cast<double>(worst) << " of its bound at " << x[at] << ": "
              << y[at] << " for " << static_cast<double>(want[at]));
    CHECK(worst <= 1);
  }
}

template <class F, class Reference>
void check(const char* name, const Reference& reference, real of_floats, real of_doubles) {
  check_of<float, F>(name, reference, of_floats);
  check_of<double, F>(name, reference, of_doubles);
}

}  // namespace

// Bounds are in epsilons, which are one or two units in the last place; for floats, then for
// doubles. A comment says what was measured, at times on many more numbers than here, where it is
// not nearly nothing: 0.5 is a result that is the nearest number, or next to it.

TEST_CASE("exponentials and logarithms are as precise as stated on each instruction set") {
  check<fn::exp>(
      "exp", [](real x) { return std::exp(x); }, 1, 1);  // 0.68, 0.69
  check<fn::expm1>(
      "expm1", [](real x) { return std::expm1(x); }, 1, 1.5L);  // 0.85, 1.16
  check<fn::log>(
      "log", [](real x) { return std::log(x); }, 1, 1);  // 0.67, 0.67
  check<fn::log1p>(
      "log1p", [](real x) { return std::log1p(x); }, 1.5L, 1.5L);  // 1.13, 1.08
  check<fn::tanh>(
      "tanh", [](real x) { return std::tanh(x); }, 2, 2);  // 1.43, 1.62
  check<fn::exp2>(
      "exp2", [](real x) { return std::exp2(x); }, 1, 1);  // 0.70, 0.76
  check<fn::log2>(
      "log2", [](real x) { return std::log2(x); }, 1.5L, 1.5L);  // 1.28, 1.16
  check<fn::log10>(
      "log10", [](real x) { return std::log10(x); }, 0.51L, 1.5L);  // doubles by the scalar one
  check<fn::cbrt>(
      "cbrt", [](real x) { return std::cbrt(x); }, 0.51L, 3);  // doubles by the scalar one
}

TEST_CASE("error functions are as precise as stated on each instruction set") {
  check<fn::erf>(
      "erf", [](real x) { return std::erf(x); }, 1, 1);  // 0.78, 0.79
  check<fn::erfc>(
      "erfc", [](real x) { return std::erfc(x); }, 0.51L, 2.5L);  // 0.5, 1.92
}

TEST_CASE("roots and whole numbers are exact on each instruction set") {
  check<fn::sqrt>(
      "sqrt", [](real x) { return std::sqrt(x); }, 0.5L, 0.5L);
  check<fn::floor>(
      "floor", [](real x) { return std::floor(x); }, 0, 0);
  check<fn::ceil>(
      "ceil", [](real x) { return std::ceil(x); }, 0, 0);
  check<fn::trunc>(
      "trunc", [](real x) { return std::trunc(x); }, 0, 0);
  check<fn::round>(
      "round", [](real x) { return std::round(x); }, 0, 0);
  check<fn::abs>(
      "abs", [](real x) { return std::fabs(x); }, 0, 0);
}

TEST_CASE("angles and hyperbolic functions are as precise as stated on each instruction set") {
  check<fn::sin>(
      "sin", [](real x) { return std::sin(x); }, 1.25L, 0.75L);  // 1.00, 0.60
  check<fn::cos>(
      "cos", [](real x) { return std::cos(x); }, 1.25L, 0.75L);  // 1.00, 0.59
  check<fn::tan>(
      "tan", [](real x) { return std::tan(x); }, 2.25L, 1.5L);  // 1.87, 1.32
  check<fn::atan>(
      "atan", [](real x) { return std::atan(x); }, 1.5L, 1.5L);  // 1.18, 1.16
  check<fn::asin>(
      "asin", [](real x) { return std::asin(x); }, 0.51L, 2.5L);  // 0.5, 2.14
  check<fn::acos>(
      "acos", [](real x) { return std::acos(x); }, 0.51L, 1.5L);  // 0.5, 1.08
  check<fn::sinh>(
      "sinh", [](real x) { return std::sinh(x); }, 2, 2);  // 1.44, 1.62
  check<fn::cosh>(
      "cosh", [](real x) { return std::cosh(x); }, 1.25L, 1.25L);  // 1.03, 1.03
  check<fn::asinh>(
      "asinh", [](real x) { return std::asinh(x); }, 0.51L, 2);  // 0.5, 1.46
  check<fn::acosh>(
      "acosh", [](real x) { return std::acosh(x); }, 0.51L, 2.25L);  // 0.5, 1.82
  check<fn::atanh>(
      "atanh", [](real x) { return std::atanh(x); }, 0.51L, 2);  // 0.5, 1.64
}

// Next to the multiples of a right angle the difference is small, and a reduction with too few bits
// of pi shows. The neighbours of n pi / 2 are the hardest numbers there are.
TEMPLATE_TEST_CASE("sines and cosines are precise next to their zeros", "[cpu]", float, double) {
  using T = TestType;
  const real right_angle = std::acos(real{0});
  std::vector<T> x;
  for (int n = 1; n < 700000; n += n < 2000 ? 1 : 37) {
    const T at = static_cast<T>(n * right_angle);
    for (const T v : {at, std::nextafter(at, T(0)), std::nextafter(at, T(2e6))}) x.push_back(v);
  }
  const auto count = static_cast<index_t>(x.size());
  for (const isa set : supported_sets()) {
    const basic_cpu<T> be(1, set);
    std::vector<T> s(x.size(), std::numeric_limits<T>::quiet_NaN()), c = s;
    be.map(fn::sin{}, matrix_view<T>(s.data(), 1, count), matrix_view<const T>(x.data(), 1, count));
    be.map(fn::cos{}, matrix_view<T>(c.data(), 1, count), matrix_view<const T>(x.data(), 1, count));
    real worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto error = [](T got, real want) { return std::fabs((got - want) / want); };
      worst =
          std::max({worst, error(s[i], std::sin(real{x[i]})), error(c[i], std::cos(real{x[i]}))});
    }
    CAPTURE(name_of(set), static_cast<double>(worst));
    CHECK(worst <= real{std::numeric_limits<T>::epsilon()});
  }
}

// Of the functions that leave some lanes to the scalar one as well.
TEMPLATE_TEST_CASE("a result depends neither on its place in a row nor on its neighbours", "[cpu]",
                   float, double) {
  using T = TestType;
  constexpr index_t n = 40;
  std::vector<T> x;
  for (index_t i = 0; i < n; ++i) x.push_back(static_cast<T>(i * i) * T(0.37) - 5);
  x[7] = T(3e7), x[20] = std::numeric_limits<T>::infinity(), x[21] = -T(1e30);
  const auto look = [&](const auto& f) {
    for (const isa set : supported_sets()) {
      const basic_cpu<T> be(1, set);
      std::vector<T> whole(x.size()), alone(x.size()), late(x.size());
      be.map(f, matrix_view<T>(whole.data(), 1, n), matrix_view<const T>(x.data(), 1, n));
      for (index_t i = 0; i < n; ++i)
        be.map(f, matrix_view<T>(alone.data() + i, 1, 1), matrix_view<const T>(x.data() + i, 1, 1));
      late[0] = whole[0];
      be.map(f, matrix_view<T>(late.data() + 1, 1, n - 1),
             matrix_view<const T>(x.data() + 1, 1, n - 1));
      CAPTURE(name_of(set));
      const std::size_t bytes = x.size() * sizeof(T);
      CHECK(std::memcmp(whole.data(), alone.data(), bytes) == 0);
      CHECK(std::memcmp(whole.data(), late.data(), bytes) == 0);
    }
  };
  look(fn::exp{}), look(fn::log1p{}), look(fn::erf{}), look(fn::sin{}), look(fn::tan{});
  look(fn::log10{}), look(fn::atan{}), look(fn::cosh{});
}
