// The functions over lanes on each instruction set, densely over all numbers, beside long double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "chainrule/pointwise/functions.hpp"
#include "cpu/documented_bounds.hpp"
#include "cpu/sets.hpp"
#include "support/catch.hpp"

namespace vocabulary_test {

using namespace chainrule;

namespace {

using real = long double;
/// What the reference may be off itself, in units of a double's: a unit of a long double.
constexpr real reference_error = 0x1p-11L;

/// Numbers of all magnitudes and both signs, evenly by their bits; numbers between 2^-12 and 2^12,
/// where most functions bend, evenly in each power of 2; and those at the ends.
template <class T>
std::vector<T> all_kinds() {
  using limits = std::numeric_limits<T>;
  using word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  std::vector<T> x;
  constexpr index_t many = 260000;
  constexpr word step = sizeof(T) == 4 ? static_cast<word>(16519) : static_cast<word>(-1) / many;
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
  // Where one of the functions is worst, found by denser searches in doubles.
  for (const double hard : {0.52447531785601653, 1.5424764166581968, 3.0455165448121511, 1.0004864,
                            -4.84554403, -0.209448381, 0.96392044, 40.07896, -0.507451303})
    x.push_back(static_cast<T>(hard));
  for (const T f : {T(0), limits::denorm_min(), limits::min(), limits::max(), limits::infinity(),
                    limits::quiet_NaN(), T(1), T(0.5), T(0.92773437), T(2), T(4), T(6), T(27.3),
                    T(28), T(88.7), T(103.97), T(709.8), T(745.2), 1 / limits::epsilon()})
    for (const T s : {f, -f})
      for (const T n : {s, std::nextafter(s, T(0)), std::nextafter(s, s * 2)}) x.push_back(n);
  return x;
}

/// Calls visit(name, function, the same over long double) for each function of one argument.
template <class Visitor>
void for_each_function(Visitor&& visit) {
#define CHAINRULE_TEST_VISIT(name, expression) \
  visit(#name, fn::name{}, [](real x) -> real { return expression; })
  CHAINRULE_TEST_VISIT(exp, std::exp(x));
  CHAINRULE_TEST_VISIT(exp2, std::exp2(x));
  CHAINRULE_TEST_VISIT(expm1, std::expm1(x));
  CHAINRULE_TEST_VISIT(log, std::log(x));
  CHAINRULE_TEST_VISIT(log2, std::log2(x));
  CHAINRULE_TEST_VISIT(log10, std::log10(x));
  CHAINRULE_TEST_VISIT(log1p, std::log1p(x));
  CHAINRULE_TEST_VISIT(sqrt, std::sqrt(x));
  CHAINRULE_TEST_VISIT(cbrt, std::cbrt(x));
  CHAINRULE_TEST_VISIT(sin, std::sin(x));
  CHAINRULE_TEST_VISIT(cos, std::cos(x));
  CHAINRULE_TEST_VISIT(tan, std::tan(x));
  CHAINRULE_TEST_VISIT(asin, std::asin(x));
  CHAINRULE_TEST_VISIT(acos, std::acos(x));
  CHAINRULE_TEST_VISIT(atan, std::atan(x));
  CHAINRULE_TEST_VISIT(sinh, std::sinh(x));
  CHAINRULE_TEST_VISIT(cosh, std::cosh(x));
  CHAINRULE_TEST_VISIT(tanh, std::tanh(x));
  CHAINRULE_TEST_VISIT(asinh, std::asinh(x));
  CHAINRULE_TEST_VISIT(acosh, std::acosh(x));
  CHAINRULE_TEST_VISIT(atanh, std::atanh(x));
  CHAINRULE_TEST_VISIT(erf, std::erf(x));
  CHAINRULE_TEST_VISIT(erfc, std::erfc(x));
  CHAINRULE_TEST_VISIT(floor, std::floor(x));
  CHAINRULE_TEST_VISIT(ceil, std::ceil(x));
  CHAINRULE_TEST_VISIT(trunc, std::trunc(x));
  CHAINRULE_TEST_VISIT(round, std::round(x));
  CHAINRULE_TEST_VISIT(abs, std::fabs(x));
  CHAINRULE_TEST_VISIT(sign, x > 0 ? 1 : (x < 0 ? -1 : x));
  CHAINRULE_TEST_VISIT(sqr, x * x);
  CHAINRULE_TEST_VISIT(inv, 1 / x);
  CHAINRULE_TEST_VISIT(inv_sqrt, 1 / std::sqrt(x));
  CHAINRULE_TEST_VISIT(sigmoid, 1 / (1 + std::exp(-x)));
  CHAINRULE_TEST_VISIT(softplus, (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))));
#undef CHAINRULE_TEST_VISIT
}

/// Those whose zeros may lose their sign.
bool loses_sign_of_zero(const std::string& name) {
  return name == "expm1" || name == "log1p" || name == "sin";
}

}  // namespace

TEMPLATE_TEST_CASE("functions of one argument are as precise as documented", "[cpu]", float,
                   double) {
  using T = TestType;
  const std::vector<T> x = all_kinds<T>();
  REQUIRE(x.size() >= 500000);
  const auto count = static_cast<index_t>(x.size());
  const auto bounds = documented_bounds();
  std::vector<real> want(x.size());
  for_each_function([&]<class F>(const std::string& name, const F& f, const auto& reference) {
    INFO(name << " of " << (sizeof(T) == 4 ? "floats" : "doubles"));
    REQUIRE(bounds.count(name) == 1);
    const real bound = bounds.at(name).template of<T>();
    CHECK(bound <= 4);
    std::transform(x.begin(), x.end(), want.begin(), reference);
    for (const isa set : supported_sets()) {
      std::vector<T> y(x.size(), T(77));
      const basic_cpu<T> be(1, set);
      be.map(f, matrix_view<T>(y.data(), 1, count), matrix_view<const T>(x.data(), 1, count));
      real worst = 0;
      std::size_t at = 0;
      int zeros_of_other_sign = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const real off = ulps_off(y[i], want[i]);
        if (!(off <= worst)) worst = off, at = i;
        if (y[i] == 0 && want[i] == 0 && std::signbit(y[i]) != std::signbit(want[i]))
          ++zeros_of_other_sign;
      }
      INFO("by " << name_of(set) << " it is " << static_cast<double>(worst) << " units off at "
                 << x[at] << ": " << y[at] << " for " << static_cast<double>(want[at]));
      CHECK(worst <= bound + reference_error);
      CHECK((zeros_of_other_sign == 0 || loses_sign_of_zero(name)));
    }
  });
}

TEST_CASE("the table of accuracies has a row for each function and no other") {
  auto bounds = documented_bounds();
  for_each_function([&](const std::string& name, const auto&, const auto&) {
    INFO(name);
    CHECK(bounds.erase(name) == 1);
  });
  for (const char* name : {"pow", "atan2", "fmod", "max", "min"}) {
    INFO(name);
    CHECK(bounds.erase(name) == 1);
  }
  for (const auto& row : bounds) FAIL_CHECK("no function " << row.first);
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
  look(fn::exp{}), look(fn::log1p{}), look(fn::erf{}), look(fn::sin{}), look(fn::cos{});
  look(fn::tan{});
}

}  // namespace vocabulary_test
