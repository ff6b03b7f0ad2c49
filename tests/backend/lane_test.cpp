// Lanes: loads and stores, arithmetic, comparisons, selection, functions of two arguments.
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "chainrule/backend/cpu/lane.hpp"
#include "support/catch.hpp"

namespace lane_test {

using chainrule::index_t;
using chainrule::math::lane;
using chainrule::math::where;
namespace fn = chainrule::fn;
namespace math = chainrule::math;

namespace {

template <class T>
std::vector<T> elements(const lane<T>& x) {
  std::vector<T> v(static_cast<std::size_t>(lane<T>::width));
  x.store(v.data());
  return v;
}

/// f over lanes equals f over scalars, to within `ulps`, for all pairs of the values.
template <class T, class F>
bool as_scalar(const F& f, double ulps = 0) {
  using limits = std::numeric_limits<T>;
  const T nan = limits::quiet_NaN();
  const T values[] = {T(0),
                      T(-0.0),
                      T(1),
                      T(-1),
                      T(2.5),
                      T(-3.5),
                      T(7),
                      T(0.1),
                      T(1e30),
                      T(-1e30),
                      limits::infinity(),
                      -limits::infinity(),
                      nan};
  for (const T a : values)
    for (const T b : values) {
      const auto want = static_cast<T>(f(a, b));
      for (const T got : elements<T>(f(lane<T>(a), lane<T>(b)))) {
        const bool same = got == want || (got != got && want != want) ||
                          std::fabs(got - want) <= ulps * std::fabs(want) * limits::epsilon();
        if (!same) {
          UNSCOPED_INFO("f(" << a << ", " << b << ") is " << got << ", expected " << want);
          return false;
        }
      }
    }
  return true;
}

}  // namespace

TEMPLATE_TEST_CASE("lanes load and store what they are told, and no more", "", float, double) {
  using T = TestType;
  constexpr index_t width = lane<T>::width;
  for (index_t count = 0; count <= width; ++count) {
    // On the heap and exactly as large as needed, so that a sanitizer sees one element too many.
    const auto source = std::make_unique<T[]>(static_cast<std::size_t>(count));
    for (index_t i = 0; i < count; ++i) source[static_cast<std::size_t>(i)] = static_cast<T>(i + 1);
    const auto x =
        count == width ? lane<T>::load(source.get()) : lane<T>::load(source.get(), count);
    const std::vector<T> all = elements(x);
    for (index_t i = 0; i < width; ++i)
      CHECK(all[static_cast<std::size_t>(i)] == (i < count ? static_cast<T>(i + 1) : T(0)));

    std::vector<T> target(static_cast<std::size_t>(width + 2), T(-9));
    x.store(target.data() + 1, count);  // not aligned either
    for (index_t i = 0; i < width + 2; ++i)
      CHECK(target[static_cast<std::size_t>(i)] ==
            (i >= 1 && i <= count ? static_cast<T>(i) : T(-9)));
  }
}

TEMPLATE_TEST_CASE("lanes compute as scalars do", "", float, double) {
  using T = TestType;
  CHECK(as_scalar<T>([](auto a, auto b) { return a + b; }));
  CHECK(as_scalar<T>([](auto a, auto b) { return a - b; }));
  CHECK(as_scalar<T>([](auto a, auto b) { return a * b; }));
  CHECK(as_scalar<T>([](auto a, auto b) { return a / b; }));
  CHECK(as_scalar<T>([](auto a, auto b) { return -a + 2 * b - 0.5 / a + (b - 1) / 4; }, 4));
  CHECK(as_scalar<T>([](auto a, auto b) {
    a += b;
    a *= 3;
    a -= b;
    a /= 2;
    return a;
  }));
}

TEMPLATE_TEST_CASE("functions of two lanes are those of scalars", "", float, double) {
  using T = TestType;
  CHECK(as_scalar<T>(fn::pow{}));
  CHECK(as_scalar<T>(fn::atan2{}));
  CHECK(as_scalar<T>(fn::fmod{}));
  CHECK(as_scalar<T>(fn::max{}));
  CHECK(as_scalar<T>(fn::min{}));
  // With a constant on either side.
  CHECK(as_scalar<T>([](auto a, auto b) { return math::max(a, 1) + math::min(-1, b); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return math::clamp(a, -1, 1) * math::pow(b, 2); }));
}

TEMPLATE_TEST_CASE("comparisons and selection are lane by lane", "", float, double) {
  using T = TestType;
  CHECK(as_scalar<T>([](auto a, auto b) { return where(a < b, 1, 0); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where(a <= b, 1, 0); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where(a > b, 1, 0); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where(a >= b, 1, 0); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where(a == b, 1, 0); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where(a != b, 1, 0); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where((a < 1) & (b > 0), a, b); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where((a < 1) | (b > 0), a, 0); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where(!(a < b), a, b); }));
  CHECK(as_scalar<T>([](auto a, auto b) { return where(2 < a, -1, where(b >= 1, b, 7)); }));

  // Neighbours may differ.
  constexpr index_t width = lane<T>::width;
  std::vector<T> x(static_cast<std::size_t>(width));
  for (index_t i = 0; i < width; ++i) x[static_cast<std::size_t>(i)] = static_cast<T>(i % 3 - 1);
  const auto v = lane<T>::load(x.data());
  const std::vector<T> y = elements<T>(where(v > 0, 10, where(v < 0, -10, v)));
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == 10 * x[i]);
}

TEMPLATE_TEST_CASE("a lane's result does not depend on its neighbours", "", float, double) {
  using T = TestType;
  constexpr auto width = static_cast<std::size_t>(lane<T>::width);
  const auto alone = elements<T>(math::tanh(math::exp(lane<T>(0.3))))[0];
  for (std::size_t place = 0; place < width; ++place) {
    std::vector<T> x(width, std::numeric_limits<T>::quiet_NaN());
    x[place] = T(0.3);
    if (place > 0) x[place - 1] = T(1e30);
    CHECK(elements<T>(math::tanh(math::exp(lane<T>::load(x.data()))))[place] == alone);
  }
}

}  // namespace lane_test
