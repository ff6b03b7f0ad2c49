// The row-wise verbs, where a backend has them, beside loops in long double: softmax, log-sum-exp,
// argmax and softmax cross-entropy.
#include "chainrule/pointwise/functions.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace row_verbs_test {

using namespace conformance;

namespace {

/// Whether a backend has the row-wise verbs.
template <class B>
inline constexpr bool has_row_verbs = requires(const B& be, chainrule::const_matrix<B> in,
                                               chainrule::matrix<B> out) {
  be.softmax_rows(in, out);
  be.log_sum_exp_rows(in, out);
  be.argmax_rows(in, out);
  be.softmax_cross_entropy_rows(in, in, in, out, out);
};

// Around the numbers of columns at which kernels change. (Where no backend has the verbs, nobody
// asks for them.)
[[maybe_unused]] const matrix_shape shapes[] = {
    {1, 1},   {1, 2},   {17, 10}, {128, 10},  {5, 16},    {3, 17},  {33, 32},
    {40, 33}, {2, 256}, {9, 257}, {17, 1000}, {3, 20000}, {1025, 3}};

/// Scores in [-8, 8).
template <class T>
host_matrix<T> scores(matrix_shape s, std::uint64_t seed) {
  auto m = reals<T>(s, seed);
  for (T& x : m.values) x *= 8;
  return m;
}

/// The largest element of a row, and Σ e^(x - max).
template <class T>
std::pair<long double, long double> sums(const host_matrix<T>& x, index_t i) {
  long double max = x(i, 0);
  long double sum = 0;
  for (index_t j = 0; j < x.extents.cols; ++j) max = std::max<long double>(max, x(i, j));
  for (index_t j = 0; j < x.extents.cols; ++j) sum += std::exp(x(i, j) - max);
  return {max, sum};
}

/// What a sum of e^(x - max) of c columns may be off by, relatively: one rounding of x - max, which
/// is at most 16, an exponential good to 4 ulps, and c additions.
template <class T>
long double slack(index_t cols) {
  return (16 + 8 + static_cast<long double>(cols)) * std::numeric_limits<T>::epsilon();
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("softmax_rows and log_sum_exp_rows beside loops", "[conformance][rows]",
                        backends) {
  if constexpr (has_row_verbs<TestType>) {
    using T = scalar_t<TestType>;
    const TestType be{};
    for (const matrix_shape s : shapes)
      for (const layout l : {packed, strided}) {
        INFO(to_string(s) << (l == packed ? " packed" : " strided"));
        const auto a = scores<T>(s, 1);
        host_matrix<long double> wanted(s), logarithm({s.rows, 1});
        for (index_t i = 0; i < s.rows; ++i) {
          const auto [max, sum] = sums(a, i);
          logarithm(i, 0) = max + std::log(sum);
          for (index_t j = 0; j < s.cols; ++j) wanted(i, j) = std::exp(a(i, j) - max) / sum;
        }
        const framed<TestType> x(be, a, l);
        const framed<TestType> y(be, unset<T>(s), l);
        const framed<TestType> out(be, unset<T>({s.rows, 1}), l);
        be.softmax_rows(x.view(), y.view());
        CHECK(y.differs(wanted, [&](index_t i, index_t j) {
          return slack<T>(s.cols) * wanted(i, j) + std::numeric_limits<T>::min();
        }) == "");
        be.log_sum_exp_rows(x.view(), out.view());
        CHECK(out.differs(logarithm, [&](index_t i, index_t) {
          return slack<T>(s.cols) + 4 * std::numeric_limits<T>::epsilon() * fabsl(logarithm(i, 0));
        }) == "");
        CHECK(x.differs(a) == "");
        // In place: the same bits.
        const auto once = y.download();
        be.softmax_rows(x.view(), x.view());
        CHECK(x.differs(once) == "");
      }
  } else {
    WARN("this backend has no row-wise verbs");
  }
}

TEMPLATE_LIST_TEST_CASE("log_sum_exp_rows of infinities", "[conformance][rows]", backends) {
  if constexpr (has_row_verbs<TestType>) {
    using T = scalar_t<TestType>;
    constexpr T inf = std::numeric_limits<T>::infinity();
    const TestType be{};
    host_matrix<T> a({4, 3});
    a.values = {inf, 1, 2, -inf, -inf, -inf, -inf, 5, -inf, 0, std::numeric_limits<T>::quiet_NaN(),
                inf};
    const framed<TestType> x(be, a, strided);
    const framed<TestType> out(be, unset<T>({4, 1}), packed);
    be.log_sum_exp_rows(x.view(), out.view());
    const auto got = out.download();
    CHECK(got(0, 0) == inf);
    CHECK(got(1, 0) == -inf);
    CHECK(got(2, 0) == 5);
    CHECK(std::isnan(got(3, 0)));
  } else {
    WARN("this backend has no row-wise verbs");
  }
}

TEMPLATE_LIST_TEST_CASE("argmax_rows finds the first largest", "[conformance][rows]", backends) {
  if constexpr (has_row_verbs<TestType>) {
    using T = scalar_t<TestType>;
    const TestType be{};
    for (const matrix_shape s : shapes)
      for (const layout l : {packed, strided}) {
        INFO(to_string(s) << (l == packed ? " packed" : " strided"));
        // Few different values: the largest is there often. A row in five has NaN somewhere.
        auto a = integers<T>(s, 2);
        host_matrix<T> wanted({s.rows, 1});
        for (index_t i = 0; i < s.rows; ++i) {
          for (index_t j = 1; j < s.cols; ++j)
            if (a(i, j) > a(i, static_cast<index_t>(wanted(i, 0))))
              wanted(i, 0) = static_cast<T>(j);
          if (i % 5 == 3) {
            a(i, i * 31 % s.cols) = std::numeric_limits<T>::quiet_NaN();
            wanted(i, 0) = std::numeric_limits<T>::infinity();
          }
        }
        const framed<TestType> x(be, a, l);
        const framed<TestType> out(be, unset<T>({s.rows, 1}), l);
        be.argmax_rows(x.view(), out.view());
        CHECK(out.differs(wanted) == "");
      }
  } else {
    WARN("this backend has no row-wise verbs");
  }
}

TEMPLATE_LIST_TEST_CASE("argmax_matches_rows takes the first largest for the answer",
                        "[conformance][rows]", backends) {
  using T = scalar_t<TestType>;
  if constexpr (requires(const TestType& be, chainrule::const_matrix<TestType> in,
                         chainrule::matrix<TestType> out) {
                  be.argmax_matches_rows(in, in, out);
                }) {
    const TestType be{};
    for (const matrix_shape s : shapes)
      for (const layout l : {packed, strided}) {
        INFO(to_string(s) << (l == packed ? " packed" : " strided"));
        // Few different values: the largest is there often. Classes are in turn the answer, the
        // last of the largest elements, another column, none of the columns; some rows have NaN.
        auto a = integers<T>(s, 2);
        host_matrix<T> classes({s.rows, 1}), wanted({s.rows, 1});
        for (index_t i = 0; i < s.rows; ++i) {
          index_t first = 0;
          index_t last = 0;
          for (index_t j = 1; j < s.cols; ++j) {
            if (a(i, j) > a(i, first)) first = j;
            if (a(i, j) >= a(i, last)) last = j;
          }
          const index_t others[] = {first, last, i * 31 % s.cols, s.cols, -1};
          const index_t named = others[i % 5];
          const bool is_between = i % 7 == 6;
          classes(i, 0) = static_cast<T>(named) + (is_between ? T(0.5) : T(0));
          wanted(i, 0) = named == first && !is_between ? T(1) : T(0);
          if (i % 11 == 10) {
            a(i, i * 17 % s.cols) = std::numeric_limits<T>::quiet_NaN();
            wanted(i, 0) = 0;
          }
        }
        const framed<TestType> x(be, a, l);
        const framed<TestType> t(be, classes, l);
        const framed<TestType> out(be, unset<T>({s.rows, 1}), l);
        be.argmax_matches_rows(x.view(), t.view(), out.view());
        CHECK(out.differs(wanted) == "");
      }
    // Alone in its row, NaN is not the largest either.
    const framed<TestType> nan(be, host_matrix<T>({1, 1}, std::numeric_limits<T>::quiet_NaN()),
                               packed);
    const framed<TestType> zero(be, host_matrix<T>({1, 1}), packed);
    const framed<TestType> one(be, unset<T>({1, 1}), packed);
    be.argmax_matches_rows(nan.view(), zero.view(), one.view());
    CHECK(one.differs(host_matrix<T>({1, 1})) == "");
    const framed<TestType> x(be, host_matrix<T>({2, 3}), packed);
    const framed<TestType> out(be, unset<T>({3, 1}), packed);
    CHECK(says(complaint<chainrule::shape_error>(
                   [&] { be.argmax_matches_rows(x.view(), out.view(), out.view()); }),
               "argmax_matches_rows", "2x1", "3x1"));
  } else {
    WARN("this backend has no argmax_matches_rows");
  }
}

TEMPLATE_LIST_TEST_CASE("softmax_cross_entropy_rows by class", "[conformance][rows]", backends) {
  if constexpr (has_row_verbs<TestType>) {
    using T = scalar_t<TestType>;
    const TestType be{};
    host_matrix<T> factor({1, 1}, T(0.25));
    const framed<TestType> scale(be, factor, packed);
    for (const matrix_shape s : shapes)
      for (const layout l : {packed, strided}) {
        if (s.cols < 2) continue;  // a number per row would be a value
        INFO(to_string(s) << (l == packed ? " packed" : " strided"));
        const auto a = scores<T>(s, 3);
        host_matrix<T> labels({s.rows, 1});
        host_matrix<long double> losses({s.rows, 1}), gradient(s);
        for (index_t i = 0; i < s.rows; ++i) {
          const index_t own = (i * 7 + 1) % s.cols;
          // A row in four names a class that there is not: its gradient is that of no class.
          const bool known = i % 4 != 3;
          labels(i, 0) = known
                             ? static_cast<T>(own)
                             : (i % 8 == 3 ? static_cast<T>(s.cols) : static_cast<T>(own) + T(0.5));
          const auto [max, sum] = sums(a, i);
          losses(i, 0) = known ? std::log(sum) - (a(i, own) - max)
                               : std::numeric_limits<long double>::quiet_NaN();
          for (index_t j = 0; j < s.cols; ++j)
            gradient(i, j) = (std::exp(a(i, j) - max) / sum - (known && j == own ? 1 : 0)) / 4;
        }
        const framed<TestType> y(be, a, l);
        const framed<TestType> t(be, labels, l);
        const framed<TestType> out(be, unset<T>({s.rows, 1}), l);
        const framed<TestType> g(be, unset<T>(s), l);
        const auto loss_bound = [&](index_t, index_t) {
          return slack<T>(s.cols) + 32 * std::numeric_limits<T>::epsilon();
        };
        const auto gradient_bound = [&](index_t, index_t) { return slack<T>(s.cols) / 4; };
        be.softmax_cross_entropy_rows(y.view(), t.view(), scale.view(), out.view(), g.view());
        CHECK(out.differs(losses, loss_bound) == "");
        CHECK(g.differs(gradient, gradient_bound) == "");
        CHECK(y.differs(a) == "");
        // Without a gradient the losses are the same; with the gradient in the scores' place both.
        const framed<TestType> again(be, unset<T>({s.rows, 1}), l);
        const auto once = out.download();
        be.softmax_cross_entropy_rows(y.view(), t.view(), scale.view(), again.view(), {});
        CHECK(again.differs(once) == "");
        const auto slopes = g.download();
        be.softmax_cross_entropy_rows(y.view(), t.view(), scale.view(), again.view(), y.view());
        CHECK(again.differs(once) == "");
        CHECK(y.differs(slopes) == "");
      }
  } else {
    WARN("this backend has no row-wise verbs");
  }
}

TEMPLATE_LIST_TEST_CASE("softmax_cross_entropy_rows by distribution", "[conformance][rows]",
                        backends) {
  if constexpr (has_row_verbs<TestType>) {
    using T = scalar_t<TestType>;
    const TestType be{};
    host_matrix<T> factor({1, 1}, T(2));
    const framed<TestType> scale(be, factor, packed);
    for (const matrix_shape s : shapes) {
      if (s.cols < 2) continue;  // would be a class
      INFO(to_string(s));
      const auto a = scores<T>(s, 4);
      // Weights of any mass, a third of them 0.
      auto weights = reals<T>(s, 5);
      for (T& w : weights.values) w = w < T(-1) / 3 ? T(0) : std::fabs(w) / T(s.cols);
      host_matrix<long double> losses({s.rows, 1}), gradient(s);
      for (index_t i = 0; i < s.rows; ++i) {
        const auto [max, sum] = sums(a, i);
        long double mass = 0;
        for (index_t j = 0; j < s.cols; ++j) {
          losses(i, 0) += weights(i, j) * (std::log(sum) - (a(i, j) - max));
          mass += weights(i, j);
        }
        for (index_t j = 0; j < s.cols; ++j)
          gradient(i, j) = 2 * (std::exp(a(i, j) - max) / sum * mass - weights(i, j));
      }
      const framed<TestType> y(be, a, strided);
      const framed<TestType> t(be, weights, packed);
      const framed<TestType> out(be, unset<T>({s.rows, 1}), packed);
      const framed<TestType> g(be, unset<T>(s), strided);
      be.softmax_cross_entropy_rows(y.view(), t.view(), scale.view(), out.view(), g.view());
      // The mass is at most 1; a term at most 32.
      CHECK(out.differs(losses, [&](index_t, index_t) { return 32 * slack<T>(s.cols); }) == "");
      CHECK(g.differs(gradient, [&](index_t, index_t) { return 4 * slack<T>(s.cols); }) == "");
    }
  } else {
    WARN("this backend has no row-wise verbs");
  }
}

TEMPLATE_LIST_TEST_CASE("row-wise verbs name the shapes that do not fit", "[conformance][rows]",
                        backends) {
  if constexpr (has_row_verbs<TestType>) {
    using T = scalar_t<TestType>;
    using chainrule::shape_error;
    const TestType be{};
    const framed<TestType> x(be, integers<T>({2, 3}, 6), packed);
    const framed<TestType> y(be, integers<T>({3, 2}, 7), packed);
    const framed<TestType> column(be, integers<T>({2, 1}, 8), packed);
    const framed<TestType> one(be, integers<T>({1, 1}, 9), packed);
    CHECK(says(complaint<shape_error>([&] { be.softmax_rows(x.view(), y.view()); }), "softmax_rows",
               "2x3", "3x2"));
    CHECK(says(complaint<shape_error>([&] { be.log_sum_exp_rows(x.view(), y.view()); }),
               "log_sum_exp_rows", "2x1", "3x2"));
    CHECK(says(complaint<shape_error>([&] { be.argmax_rows(x.view(), y.view()); }), "argmax_rows",
               "2x1", "3x2"));
    CHECK(says(complaint<shape_error>([&] {
                 be.softmax_cross_entropy_rows(x.view(), y.view(), one.view(), column.view(), {});
               }),
               "softmax_cross_entropy_rows", "2x1", "3x2"));
    CHECK(says(complaint<shape_error>([&] {
                 be.softmax_cross_entropy_rows(x.view(), column.view(), one.view(), column.view(),
                                               y.view());
               }),
               "softmax_cross_entropy_rows", "2x3", "3x2"));
  } else {
    WARN("this backend has no row-wise verbs");
  }
}

}  // namespace row_verbs_test
