// Every function of the vocabulary over SIMD lanes, against the same function in long double.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/backend/cpu/lane.hpp"
#include "support/catch.hpp"

namespace lane_vocabulary_test {

using chainrule::index_t;
using chainrule::math::lane;
namespace fn = chainrule::fn;

namespace {

/// One function, erased: what it does to a row of numbers, what it should, and where.
template <class T>
struct subject {
  const char* name;
  void (*run)(const std::vector<T>&, std::vector<T>&);
  long double (*reference)(long double);
  double low, high;  // of the argument
  double ulps;       // allowed, in units of epsilon |y|
  double absolute;   // allowed besides, in units of epsilon
};

template <class T, class F>
void run_lanes(const std::vector<T>& x, std::vector<T>& y) {
  constexpr auto width = static_cast<std::size_t>(lane<T>::width);
  y.resize(x.size());
  for (std::size_t i = 0; i < x.size(); i += width) {
    const auto count = static_cast<index_t>(std::min(width, x.size() - i));
    const auto v = count == lane<T>::width ? lane<T>::load(&x[i]) : lane<T>::load(&x[i], count);
    F{}(v).store(&y[i], count);
  }
}

long double sigmoid_of(long double x) { return 1 / (1 + std::exp(-x)); }
long double softplus_of(long double x) {
  return std::fmax(x, 0.0L) + std::log1p(std::exp(-std::fabs(x)));
}
long double sign_of(long double x) { return x > 0 ? 1 : (x < 0 ? -1 : x); }

/// The portable lanes; tests/cpu holds those of the other instruction sets to the same.
template <class T>
std::vector<subject<T>> subjects() {
  constexpr bool single = sizeof(T) == sizeof(float);
  // The last argument of exp before a packet version may overflow, and the last before underflow.
  constexpr double top = single ? 88.3 : 709.4;
  constexpr double bottom = single ? -87.3 : -708.3;
  constexpr double huge = single ? 1e38 : 1e300;
  constexpr double tiny = single ? 1e-37 : 1e-300;
#define CHAINRULE_TEST_REFERENCE(expression) [](long double x) -> long double { return expression; }
#define CHAINRULE_TEST_SUBJECT(f, expression, low, high, ulps, absolute) \
  { #f, run_lanes < T, fn::f>, CHAINRULE_TEST_REFERENCE(expression), low, high, ulps, absolute }
  return {
      CHAINRULE_TEST_SUBJECT(exp, std::exp(x), bottom, top, 3, 0),
      CHAINRULE_TEST_SUBJECT(exp, std::exp(x), -1, 1, 2, 0),
      CHAINRULE_TEST_SUBJECT(exp2, std::exp2(x), single ? -125.0 : -1021.0, single ? 127.0 : 1023.0,
                             2, 0),
      CHAINRULE_TEST_SUBJECT(expm1, std::expm1(x), -50, top, 2, 0),
      CHAINRULE_TEST_SUBJECT(expm1, std::expm1(x), -1, 1, 2, 0),
      CHAINRULE_TEST_SUBJECT(log, std::log(x), tiny, huge, 2, 0),
      CHAINRULE_TEST_SUBJECT(log, std::log(x), 0.5, 2, 2, 0),
      CHAINRULE_TEST_SUBJECT(log2, std::log2(x), 0.01, 100, 2, 0),
      CHAINRULE_TEST_SUBJECT(log10, std::log10(x), 0.01, 100, 2, 0),
      CHAINRULE_TEST_SUBJECT(log1p, std::log1p(x), -0.99, 2, 3, 0),
      CHAINRULE_TEST_SUBJECT(log1p, std::log1p(x), tiny, huge, 3, 0),
      CHAINRULE_TEST_SUBJECT(sqrt, std::sqrt(x), tiny, huge, 4, 0),
      CHAINRULE_TEST_SUBJECT(cbrt, std::cbrt(x), -100, 100, 2, 0),
      CHAINRULE_TEST_SUBJECT(sin, std::sin(x), -10, 10, 2, 0),
      CHAINRULE_TEST_SUBJECT(sin, std::sin(x), -1e5, 1e5, 2, 0),
      CHAINRULE_TEST_SUBJECT(cos, std::cos(x), -10, 10, 2, 0),
      CHAINRULE_TEST_SUBJECT(cos, std::cos(x), -1e5, 1e5, 2, 0),
      CHAINRULE_TEST_SUBJECT(tan, std::tan(x), -10, 10, 2, 0),
      CHAINRULE_TEST_SUBJECT(asin, std::asin(x), -1, 1, 2, 0),
      CHAINRULE_TEST_SUBJECT(acos, std::acos(x), -1, 1, 2, 0),
      CHAINRULE_TEST_SUBJECT(atan, std::atan(x), -100, 100, 2, 0),
      CHAINRULE_TEST_SUBJECT(sinh, std::sinh(x), -20, 20, 3, 0),
      CHAINRULE_TEST_SUBJECT(cosh, std::cosh(x), -20, 20, 3, 0),
      CHAINRULE_TEST_SUBJECT(tanh, std::tanh(x), -20, 20, 6, 0),
      CHAINRULE_TEST_SUBJECT(tanh, std::tanh(x), -1, 1, 6, 0),
      CHAINRULE_TEST_SUBJECT(tanh, std::tanh(x), tiny, 1e-3, 6, 0),
      CHAINRULE_TEST_SUBJECT(asinh, std::asinh(x), -100, 100, 3, 0),
      CHAINRULE_TEST_SUBJECT(acosh, std::acosh(x), 1, 100, 3, 0),
      CHAINRULE_TEST_SUBJECT(atanh, std::atanh(x), -0.99, 0.99, 3, 0),
      CHAINRULE_TEST_SUBJECT(erf, std::erf(x), -5, 5, 2, 0),
      CHAINRULE_TEST_SUBJECT(erfc, std::erfc(x), -5, 5, 5, 0),
      CHAINRULE_TEST_SUBJECT(floor, std::floor(x), -1e5, 1e5, 0, 0),
      CHAINRULE_TEST_SUBJECT(floor, std::floor(x), -3, 3, 0, 0),
      CHAINRULE_TEST_SUBJECT(ceil, std::ceil(x), -1e5, 1e5, 0, 0),
      CHAINRULE_TEST_SUBJECT(ceil, std::ceil(x), -3, 3, 0, 0),
      CHAINRULE_TEST_SUBJECT(trunc, std::trunc(x), -1e5, 1e5, 0, 0),
      CHAINRULE_TEST_SUBJECT(round, std::round(x), -3, 3, 0, 0),
      CHAINRULE_TEST_SUBJECT(abs, std::fabs(x), -huge, huge, 0, 0),
      CHAINRULE_TEST_SUBJECT(sign, sign_of(x), -2, 2, 0, 0),
      CHAINRULE_TEST_SUBJECT(sqr, x * x, -100, 100, 1, 0),
      CHAINRULE_TEST_SUBJECT(inv, 1 / x, 0.01, 100, 1, 0),
      CHAINRULE_TEST_SUBJECT(inv_sqrt, 1 / std::sqrt(x), 0.01, 100, 5, 0),
      CHAINRULE_TEST_SUBJECT(sigmoid, sigmoid_of(x), single ? -80.0 : -700.0, 80, 3, 0),
      CHAINRULE_TEST_SUBJECT(softplus, softplus_of(x), single ? -80.0 : -700.0, 80, 6, 0),
  };
#undef CHAINRULE_TEST_SUBJECT
#undef CHAINRULE_TEST_REFERENCE
}

/// Points between low and high: evenly, and by powers where the range is wide and positive.
template <class T>
std::vector<T> points(double low, double high) {
  constexpr int n = 20011;
  std::vector<T> x;
  const bool wide = low > 0 && high / low > 1e4;
  for (int i = 0; i <= n; ++i) {
    const double t = static_cast<double>(i) / n;
    const double p = wide ? low * std::pow(high / low, t) : low + (high - low) * t;
    x.push_back(static_cast<T>(std::fmin(std::fmax(p, low), high)));
  }
  return x;
}

/// a and b agree as results of a function do: NaN with NaN, infinities exactly.
bool agree(long double got, long double want, long double allowed) {
  if (want != want) return got != got;
  return got == want || std::fabs(got - want) <= allowed;
}

}  // namespace

TEMPLATE_TEST_CASE("the vocabulary over lanes is as precise as stated", "", float, double) {
  using T = TestType;
  constexpr long double epsilon = std::numeric_limits<T>::epsilon();
  for (const auto& f : subjects<T>()) {
    const std::vector<T> x = points<T>(f.low, f.high);
    std::vector<T> y;
    f.run(x, y);
    long double worst = 0;
    T worst_at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double want = f.reference(x[i]);
      const long double off = std::fabs(static_cast<long double>(y[i]) - want);
      const long double allowed = (f.ulps * std::fabs(want) + f.absolute) * epsilon;
      const long double used = off == 0 ? 0 : (allowed == 0 ? 1e9L : off / allowed);
      if (!(used <= worst)) worst = used, worst_at = x[i];
    }
    INFO(f.name << " on [" << f.low << ", " << f.high << "] uses " << static_cast<double>(worst)
                << " of its bound at " << worst_at);
    CHECK(worst <= 1);
  }
}

TEMPLATE_TEST_CASE("lanes treat special values as the scalar functions do", "", float, double) {
  using T = TestType;
  using limits = std::numeric_limits<T>;
  const std::vector<T> specials{T(0),
                                T(-0.0),
                                limits::infinity(),
                                -limits::infinity(),
                                limits::quiet_NaN(),
                                T(1e30),
                                T(-1e30),
                                T(1),
                                T(-1),
                                limits::max(),
                                limits::lowest(),
                                T(1e5),
                                T(-1e5)};
  for (const auto& f : subjects<T>()) {
    std::vector<T> y;
    f.run(specials, y);
    for (std::size_t i = 0; i < specials.size(); ++i) {
      const auto want = static_cast<T>(f.reference(specials[i]));
      const long double allowed =
          (f.ulps * std::fabs(static_cast<long double>(want)) + f.absolute) * limits::epsilon();
      INFO(f.name << "(" << specials[i] << ") is " << y[i] << ", expected " << want);
      // Of trigonometric functions of huge numbers no precision is promised, only a value.
      if (std::isfinite(want) && std::fabs(want) <= 1 && std::fabs(specials[i]) > 1e6 &&
          (f.name == std::string("sin") || f.name == std::string("cos"))) {
        CHECK(std::fabs(y[i]) <= 1);
        continue;
      }
      CHECK(agree(y[i], want, allowed));
    }
  }
}

TEMPLATE_TEST_CASE("lanes count denormal numbers as such, as 0, or as the smallest normal", "",
                   float, double) {
  using T = TestType;
  using limits = std::numeric_limits<T>;
  for (const auto& f : subjects<T>())
    for (const T x : {limits::denorm_min(), -limits::denorm_min(), limits::min() / 4}) {
      std::vector<T> y;
      f.run({x}, y);
      bool fits = false;
      for (const T meant : {x, T(0), std::copysign(limits::min(), x)}) {
        const auto want = static_cast<T>(f.reference(meant));
        const T allowed =
            static_cast<T>(f.ulps * std::fabs(want) + f.absolute) * limits::epsilon() +
            limits::denorm_min();
        fits = fits || agree(y[0], want, allowed);
      }
      INFO(f.name << "(" << x << ") is " << y[0]);
      CHECK(fits);
    }
}

TEMPLATE_TEST_CASE("lanes: exp at its ends", "", float, double) {
  using T = TestType;
  constexpr bool single = sizeof(T) == sizeof(float);
  const auto exp = [](double x) {
    std::vector<T> y;
    run_lanes<T, fn::exp>({static_cast<T>(x)}, y);
    return y[0];
  };
  CHECK(exp(single ? 88.73 : 709.79) == std::numeric_limits<T>::infinity());
  CHECK(std::isfinite(exp(single ? 88.3 : 709.7)));
  // Below the smallest normal number.
  CHECK(exp(single ? -87.4 : -708.5) < std::numeric_limits<T>::min());
  CHECK(exp(single ? -87.3 : -708.3) > 0);
  CHECK(exp(-1e30) == 0);
}

}  // namespace lane_vocabulary_test
