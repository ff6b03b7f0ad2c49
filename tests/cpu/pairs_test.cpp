// The functions of two arguments over lanes on each instruction set: pairs of all special numbers,
// and many others beside long double.
#include <cmath>
#include <limits>
#include <vector>

#include "chainrule/pointwise/functions.hpp"
#include "cpu/documented_bounds.hpp"
#include "cpu/sets.hpp"
#include "support/catch.hpp"

namespace pairs_test {

using namespace chainrule;

namespace {

using real = long double;

template <class T>
struct pairs {
  std::vector<T> a, b;
  void add(T x, T y) { a.push_back(x), b.push_back(y); }
};

template <class T>
pairs<T> special_pairs() {
  using limits = std::numeric_limits<T>;
  std::vector<T> numbers;
  for (const T x :
       {T(0), limits::denorm_min(), 3 * limits::denorm_min(), limits::min(), T(0.25), T(0.5), T(1),
        T(1) + limits::epsilon(), T(1.5), T(2), T(3), T(4), T(1e5), 1 / limits::epsilon() - 1,
        2 / limits::epsilon(), limits::max(), limits::infinity(), limits::quiet_NaN()})
    for (const T s : {x, -x}) numbers.push_back(s);
  pairs<T> all;
  for (const T x : numbers)
    for (const T y : numbers) all.add(x, y);
  return all;
}

/// Pairs of all sizes between 2^-most and 2^most, and pairs near each other.
template <class T>
pairs<T> many_pairs(int most) {
  random_stream random(3, 0);
  pairs<T> all;
  for (int i = 0; i < 100000; ++i) {
    const auto any = [&] {
      const double size = std::exp2(random.uniform(-most, most));
      return static_cast<T>(random.uniform(0, 1) < 0.5 ? size : -size);
    };
    const T x = any();
    all.add(x, i % 2 == 0 ? any() : static_cast<T>(x * random.uniform(0.3, 3)));
  }
  return all;
}

/// Within so many units in the last place of f over long double.
template <class T, class F, class Reference>
void check(const char* name, const pairs<T>& p, const Reference& reference, real bound) {
  const auto count = static_cast<index_t>(p.a.size());
  for (const isa set : supported_sets()) {
    const basic_cpu<T> be(1, set);
    std::vector<T> y(p.a.size(), T(77));
    be.map(F{}, matrix_view<T>(y.data(), 1, count), matrix_view<const T>(p.a.data(), 1, count),
           matrix_view<const T>(p.b.data(), 1, count));
    real worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const real off = ulps_off(y[i], reference(real{p.a[i]}, real{p.b[i]}));
      if (!(off <= worst)) worst = off, at = i;
    }
    INFO(name << " by " << name_of(set) << " is " << static_cast<double>(worst) << " units off at "
              << p.a[at] << ", " << p.b[at] << ": " << y[at] << " for "
              << static_cast<double>(reference(real{p.a[at]}, real{p.b[at]})));
    CHECK(worst <= bound + 0x1p-11L);  // a unit of a long double
  }
}

template <class F, class Reference>
void check(const char* name, const Reference& reference) {
  const auto bounds = documented_bounds();
  REQUIRE(bounds.count(name) == 1);
  const documented_bound bound = bounds.at(name);
  for (const int most : {3, 140}) {
    check<float, F>(name, many_pairs<float>(most), reference, bound.of_floats);
    check<double, F>(name, many_pairs<double>(most), reference, bound.of_doubles);
  }
  check<float, F>(name, special_pairs<float>(), reference, bound.of_floats);
  check<double, F>(name, special_pairs<double>(), reference, bound.of_doubles);
}

}  // namespace

TEST_CASE("functions of two arguments are as precise as documented") {
  check<fn::pow>("pow", [](real a, real b) { return std::pow(a, b); });
  check<fn::atan2>("atan2", [](real a, real b) { return std::atan2(a, b); });
  check<fn::fmod>("fmod", [](real a, real b) { return std::fmod(a, b); });
}

TEST_CASE("choices of two arguments are exact on each instruction set") {
  check<fn::min>("min", [](real a, real b) { return fn::min::value(a, b); });
  check<fn::max>("max", [](real a, real b) { return fn::max::value(a, b); });
}

}  // namespace pairs_test
