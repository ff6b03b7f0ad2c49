// Pointwise maps: 0 to 4 operands, 1 to 3 results, in place, between gaps.
#include <array>
#include <tuple>

#include "chainrule/pointwise/activations.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace map_test {

using namespace conformance;
namespace fn = chainrule::fn;

namespace {

const matrix_shape shapes[] = {{0, 0},   {0, 17},   {17, 0},   {1, 1},     {1, 17},   {17, 1},
                               {17, 17}, {1, 1025}, {1025, 1}, {17, 1025}, {1025, 17}};

struct of_three {
  constexpr auto operator()(const auto& a, const auto& b, const auto& c) const { return a * b - c; }
};
struct of_four {
  constexpr auto operator()(const auto& a, const auto& b, const auto& c, const auto& d) const {
    return a * b + c * d;
  }
};
struct sum_and_difference {
  constexpr auto operator()(const auto& a, const auto& b) const { return std::tuple(a + b, a - b); }
};
/// Three results of three operands: momentum is written like this.
struct three_of_three {
  constexpr auto operator()(const auto& a, const auto& b, const auto& c) const {
    return std::tuple(a + b, b * c, 5);
  }
};
struct log_of_sigmoid {
  constexpr auto operator()(const auto& x) const {
    return chainrule::math::log(chainrule::math::sigmoid(x));
  }
};

/// One type for any number of operands.
struct total {
  constexpr auto operator()(const auto&... values) const { return (... + values); }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("one functor with several numbers of operands", "[conformance][map]",
                        backends) {
  using T = scalar_t<TestType>;
  using matrix = framed<TestType>;
  const TestType be{};
  const auto a = integers<T>({3, 5}, 1);
  const auto b = integers<T>({3, 5}, 2);
  const auto c = integers<T>({3, 5}, 3);
  const matrix x(be, a, packed);
  const matrix y(be, b, packed);
  const matrix z(be, c, packed);
  const matrix out(be, unset<T>({3, 5}), packed);
  const matrix sum(be, unset<T>({1, 5}), packed);
  be.map(total{}, out.view(), x.view());
  CHECK(out.differs([&](index_t i, index_t j) { return a(i, j); }) == "");
  be.map(total{}, out.view(), x.view(), y.view(), z.view());
  CHECK(out.differs([&](index_t i, index_t j) { return a(i, j) + b(i, j) + c(i, j); }) == "");
  const auto added = [](const auto& m, index_t j) { return m(0, j) + m(1, j) + m(2, j); };
  be.reduce(chainrule::reduction::sum{}, sum.view(), total{}, x.view());
  CHECK(sum.differs([&](index_t, index_t j) { return added(a, j); }) == "");
  be.reduce(chainrule::reduction::sum{}, sum.view(), total{}, x.view(), y.view());
  CHECK(sum.differs([&](index_t, index_t j) { return added(a, j) + added(b, j); }) == "");
}

TEMPLATE_LIST_TEST_CASE("map of no to four operands", "[conformance][map]", backends) {
  using T = scalar_t<TestType>;
  using matrix = framed<TestType>;
  const TestType be{};
  for (const matrix_shape s : shapes)
    for (const layout l : {packed, strided}) {
      INFO(to_string(s) << (l == packed ? " packed" : " strided"));
      const auto a = integers<T>(s, 1);
      const auto b = integers<T>(s, 2);
      const auto c = integers<T>(s, 3);
      const auto d = integers<T>(s, 4);
      const matrix x(be, a, l);
      const matrix y(be, b, l);
      const matrix z(be, c, l);
      const matrix w(be, d, packed);  // operands may lie differently
      const auto result = [&] { return matrix(be, unset<T>(s), l); };

      const matrix none = result();
      be.map(fn::fill{2.5}, none.view());
      CHECK(none.differs([](index_t, index_t) { return 2.5; }) == "");
      const matrix one = result();
      be.map(fn::affine{-3, 0.5}, one.view(), x.view());
      CHECK(one.differs([&](index_t i, index_t j) { return -3 * a(i, j) + T(0.5); }) == "");
      const matrix two = result();
      be.map(fn::multiplies{}, two.view(), x.view(), w.view());
      CHECK(two.differs([&](index_t i, index_t j) { return a(i, j) * d(i, j); }) == "");
      const matrix three = result();
      be.map(of_three{}, three.view(), x.view(), y.view(), w.view());
      CHECK(three.differs([&](index_t i, index_t j) { return a(i, j) * b(i, j) - d(i, j); }) == "");
      const matrix four = result();
      be.map(of_four{}, four.view(), x.view(), y.view(), z.view(), w.view());
      CHECK(four.differs(
                [&](index_t i, index_t j) { return a(i, j) * b(i, j) + c(i, j) * d(i, j); }) == "");

      // Reading changes nothing.
      CHECK(x.differs(a) == "");
      CHECK(w.differs(d) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("map with several results", "[conformance][map]", backends) {
  using T = scalar_t<TestType>;
  using matrix = framed<TestType>;
  using view = chainrule::matrix<TestType>;
  const TestType be{};
  for (const matrix_shape s : shapes)
    for (const layout l : {packed, strided}) {
      INFO(to_string(s));
      const auto a = integers<T>(s, 5);
      const auto b = integers<T>(s, 6);
      const auto c = integers<T>({1, s.cols}, 7);
      const matrix x(be, a, l);
      const matrix y(be, b, packed);
      const matrix z(be, c, packed);
      const matrix p(be, unset<T>(s), l);
      const matrix q(be, unset<T>(s), packed);
      const matrix r(be, unset<T>(s), l);
      be.map(sum_and_difference{}, std::array<view, 2>{p.view(), q.view()}, x.view(), y.view());
      CHECK(p.differs([&](index_t i, index_t j) { return a(i, j) + b(i, j); }) == "");
      CHECK(q.differs([&](index_t i, index_t j) { return a(i, j) - b(i, j); }) == "");

      // Two of the results are operands too.
      be.map(three_of_three{}, std::array<view, 3>{x.view(), y.view(), r.view()}, x.view(),
             y.view(), z.view());
      CHECK(x.differs([&](index_t i, index_t j) { return a(i, j) + b(i, j); }) == "");
      CHECK(y.differs([&](index_t i, index_t j) { return b(i, j) * c(0, j); }) == "");
      CHECK(r.differs([](index_t, index_t) { return 5; }) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("map in place", "[conformance][map]", backends) {
  using T = scalar_t<TestType>;
  using matrix = framed<TestType>;
  const TestType be{};
  for (const matrix_shape s : shapes)
    for (const layout l : {packed, strided}) {
      INFO(to_string(s));
      const auto a = integers<T>(s, 8);
      const auto b = integers<T>(s, 9);
      const matrix x(be, a, l);
      const matrix y(be, b, l);
      be.map(fn::sqr{}, x.view(), x.view());
      CHECK(x.differs([&](index_t i, index_t j) { return a(i, j) * a(i, j); }) == "");
      be.map(fn::plus{}, y.view(), y.view(), y.view());
      CHECK(y.differs([&](index_t i, index_t j) { return 2 * b(i, j); }) == "");
      be.map(fn::minus{}, y.view(), x.view(), y.view());
      CHECK(y.differs([&](index_t i, index_t j) { return a(i, j) * a(i, j) - 2 * b(i, j); }) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("map of activations agrees with the scalar functor", "[conformance][map]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const matrix_shape s{17, 33};
  auto a = reals<T>(s, 10);
  for (T& x : a.values) x *= 4;
  const auto bound = [](index_t, index_t) { return 16 * std::numeric_limits<T>::epsilon(); };
  const framed<TestType> x(be, a, strided);
  const auto agrees = [&](const auto& f) {
    const framed<TestType> y(be, unset<T>(s), packed);
    be.map(f, y.view(), x.view());
    return y.differs([&](index_t i, index_t j) { return f(double(a(i, j))); }, bound);
  };
  CHECK(agrees(chainrule::fn::sigmoid{}) == "");
  CHECK(agrees(chainrule::fn::tanh{}) == "");
  CHECK(agrees(chainrule::gelu{}) == "");
  CHECK(agrees(chainrule::fn::softplus{}) == "");
  CHECK(agrees(chainrule::derivative_of<chainrule::mish>{}) == "");
}

TEMPLATE_LIST_TEST_CASE("map of sigmoids keeps the digits of their tails", "[conformance][map]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  auto a = reals<T>({1, 40}, 11);
  // As far as results are normal numbers: e^-87 and e^-708.
  const T most = sizeof(T) == sizeof(float) ? 80 : 700;
  for (T& x : a.values) x = -10 + (x - 1) * (most / 2 - 5);
  const framed<TestType> x(be, a, packed);
  const auto agrees = [&](const auto& f, const auto& want) {
    const framed<TestType> y(be, unset<T>(a.extents), packed);
    be.map(f, y.view(), x.view());
    const auto expected = [&](index_t i, index_t j) { return want(double(a(i, j))); };
    return y.differs(expected, [&](index_t i, index_t j) {
      return 16 * std::numeric_limits<T>::epsilon() * std::fabs(expected(i, j));
    });
  };
  const auto s = [](double at) { return 1 / (1 + std::exp(-at)); };
  CHECK(agrees(fn::sigmoid{}, s) == "");
  CHECK(agrees(chainrule::silu{}, [&](double at) { return at * s(at); }) == "");
  CHECK(agrees(log_of_sigmoid{}, [&](double at) { return std::log(s(at)); }) == "");
  CHECK(agrees(chainrule::derivative_of<fn::softplus>{}, s) == "");
}

TEMPLATE_LIST_TEST_CASE("map names the shapes that do not fit", "[conformance][map]", backends) {
  using T = scalar_t<TestType>;
  using chainrule::shape_error;
  using view = chainrule::matrix<TestType>;
  const TestType be{};
  const framed<TestType> x(be, integers<T>({2, 3}, 11), packed);
  const framed<TestType> y(be, integers<T>({3, 2}, 12), packed);
  const framed<TestType> row(be, integers<T>({1, 3}, 13), packed);
  CHECK(says(complaint<shape_error>([&] { be.map(fn::negate{}, x.view(), y.view()); }), "map",
             "2x3", "3x2"));
  CHECK(says(complaint<shape_error>([&] { be.map(fn::plus{}, x.view(), x.view(), y.view()); }),
             "map", "2x3", "3x2"));
  // A result is not repeated.
  CHECK(says(complaint<shape_error>([&] { be.map(fn::negate{}, row.view(), x.view()); }), "map",
             "1x3", "2x3"));
  CHECK(says(
      complaint<shape_error>([&] {
        be.map(sum_and_difference{}, std::array<view, 2>{x.view(), y.view()}, x.view(), x.view());
      }),
      "map", "2x3", "3x2"));
}

}  // namespace map_test
