// Pooling and resampling beside plain loops: by a backend's verbs, or by its required verbs only.
#include <algorithm>
#include <cmath>
#include <vector>

#include "chainrule/ops/pooling.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace pooling_test {

using namespace conformance;
using namespace chainrule;

namespace {

/// Axes of even and odd extents, with gaps, overlaps, dilation, padding of both sides and of one.
std::vector<window> windows() {
  const window_axis whole{3, 3};
  return {
      {{1, 1}, {1, 1}, 1},
      {{6, 2, 2}, {8, 2, 2}, 16},
      {{7, 3, 2, 1, 1, 1}, {5, 3, 2, 1, 1, 1}, 17},
      {{7, 2, 3}, {9, 1, 2}, 3},                     // gaps
      {{8, 3, 1, 2, 2, 2}, {7, 2, 2, 3, 1, 1}, 5},   // dilation
      {{5, 2, 1, 1, 0, 1}, {4, 4, 1, 1, 1, 2}, 33},  // unequal padding
      {whole, {4, 4}, 7},
      {{}, {11, 3, 2, 1, 1, 0}, 4},                 // a sequence
      {{2, 1, 1, 1, 1, 1}, {2, 1, 2, 1, 1, 1}, 2},  // windows in padding only
  };
}

/// visit(h, v, k, l, pixel) for the pixels under the window at position (p, q), in order.
template <class Visit>
void visit_window(const window& w, index_t p, index_t q, const Visit& visit) {
  for (index_t k = 0; k < w.height.kernel; ++k)
    for (index_t l = 0; l < w.width.kernel; ++l) {
      const index_t i = p * w.height.stride - w.height.before + k * w.height.dilation;
      const index_t j = q * w.width.stride - w.width.before + l * w.width.dilation;
      if (i >= 0 && i < w.height.size && j >= 0 && j < w.width.size)
        visit(k * w.width.kernel + l, i * w.width.size + j);
    }
}

template <class T>
struct pooled {
  conformance::host_matrix<T> y, argmax;
};

template <class T>
pooled<T> max_pooled(const window& w, const conformance::host_matrix<T>& x) {
  const index_t across = w.width.count();
  const matrix_shape s{x.extents.rows, w.positions() * w.channels};
  pooled<T> out{conformance::host_matrix<T>(s, -std::numeric_limits<T>::infinity()),
                conformance::host_matrix<T>(s, T(-1))};
  for (index_t n = 0; n < s.rows; ++n)
    for (index_t e = 0; e < s.cols; ++e) {
      const index_t position = e / w.channels;
      visit_window(w, position / across, position % across, [&](index_t number, index_t pixel) {
        const T value = x(n, pixel * w.channels + e % w.channels);
        const bool is_first = out.argmax(n, e) < 0;
        const bool is_larger =
            value > out.y(n, e) || (value != value && out.y(n, e) == out.y(n, e));
        if (!is_first && !is_larger) return;
        out.y(n, e) = value;
        out.argmax(n, e) = static_cast<T>(number);
      });
    }
  return out;
}

/// Integers of few values, so that there are ties, and some NaN and infinities.
template <class T>
conformance::host_matrix<T> with_ties(matrix_shape s) {
  conformance::host_matrix<T> x = integers<T>(s, 5, -2, 2);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    if (i % 19 == 11) x.values[i] = std::numeric_limits<T>::quiet_NaN();
    if (i % 23 == 5) x.values[i] = -std::numeric_limits<T>::infinity();
  }
  return x;
}

std::string words(const window_axis& a) {
  return chainrule::detail::concat(a.size, " by ", a.kernel, ", stride ", a.stride, ", dilation ",
                                   a.dilation, ", padding ", a.before, " + ", a.after);
}
std::string words(const window& w) {
  return words(w.height) + " x " + words(w.width) + " x " + std::to_string(w.channels);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("maxima under windows, and where they are", "[conformance][pooling]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be{};
  for (const window& w : windows())
    for (const index_t n : {3, 0}) {
      w.check();
      for (const layout l : {packed, strided}) {
        INFO(words(w) << (l == packed ? ", packed" : ", strided"));
        const auto x = with_ties<T>({n, w.image()});
        const auto expected = max_pooled(w, x);
        const matrix_shape s = expected.y.extents;
        const framed<B> from(be, x, l);
        const framed<B> y(be, unset<T>(s), l);
        const framed<B> argmax(be, unset<T>(s), l);
        ops::max_pool_op{w}.forward(be, y.view(), const_matrix<B>(from.view()), argmax.view());
        CHECK(y.differs(expected.y) == "");
        CHECK(argmax.differs(expected.argmax) == "");

        // Only the maxima; only the places.
        const framed<B> alone(be, unset<T>(s), l);
        ops::max_pool_op{w}.forward(be, alone.view(), const_matrix<B>(from.view()));
        CHECK(alone.differs(expected.y) == "");
        const framed<B> places(be, unset<T>(s), l);
        ops::max_pool_argmax_op{w}.forward(be, places.view(), const_matrix<B>(from.view()),
                                           const_matrix<B>(y.view()));
        CHECK(places.differs(expected.argmax) == "");

        // What won is picked again, and has the gradients of all positions at which it won.
        const framed<B> picked(be, unset<T>(s), l);
        ops::pick_argmax_op{w}.forward(be, picked.view(), const_matrix<B>(from.view()),
                                       const_matrix<B>(argmax.view()));
        CHECK(picked.differs([&](index_t i, index_t j) {
          return expected.argmax(i, j) < 0 ? T(0) : expected.y(i, j);
        }) == "");
        const auto dy = integers<T>(s, 6, 1, 9);
        conformance::host_matrix<T> dx({n, w.image()});
        for (index_t i = 0; i < n; ++i)
          for (index_t e = 0; e < s.cols; ++e) {
            const index_t position = e / w.channels;
            visit_window(w, position / w.width.count(), position % w.width.count(),
                         [&](index_t number, index_t pixel) {
                           if (expected.argmax(i, e) == static_cast<T>(number))
                             dx(i, pixel * w.channels + e % w.channels) += dy(i, e);
                         });
          }
        const framed<B> gradient(be, dy, l);
        const framed<B> to(be, unset<T>(dx.extents), l);
        ops::unpool_op{w}.forward(be, to.view(), const_matrix<B>(gradient.view()),
                                  const_matrix<B>(argmax.view()));
        CHECK(to.differs(dx) == "");
      }
    }
}

namespace {

/// The matrix of a map along an axis, `to` x `from`, by the words of its definition.
std::vector<std::vector<double>> matrix_of(const resampling& r, const window_axis& a) {
  const auto coarse = static_cast<std::size_t>(a.count());
  const auto fine = static_cast<std::size_t>(a.size);
  std::vector<std::vector<double>> m(coarse, std::vector<double>(fine));
  for (index_t p = 0; p < a.count(); ++p) {
    const index_t first = p * a.stride - a.before;
    index_t inside = 0;
    for (index_t i = first; i < first + a.kernel; ++i) inside += i >= 0 && i < a.size ? 1 : 0;
    for (index_t i = 0; i < a.size; ++i) {
      const bool under = i >= first && i < first + a.kernel;
      double& weight = m[static_cast<std::size_t>(p)][static_cast<std::size_t>(i)];
      using rule = resampling::rule;
      if (r.weights == rule::linear) {
        const double source =
            std::clamp((static_cast<double>(i) + 0.5) / static_cast<double>(a.stride) - 0.5, 0.0,
                       static_cast<double>(a.count() - 1));
        weight = std::max(0.0, 1 - std::fabs(source - static_cast<double>(p)));
      } else if (under) {
        weight = r.weights == rule::one    ? 1
                 : r.weights == rule::mean ? 1 / static_cast<double>(a.kernel)
                                           : 1 / static_cast<double>(inside);
      }
    }
  }
  if (!r.spreads) return m;
  std::vector<std::vector<double>> transposed(fine, std::vector<double>(coarse));
  for (std::size_t p = 0; p < coarse; ++p)
    for (std::size_t i = 0; i < fine; ++i) transposed[i][p] = m[p][i];
  return transposed;
}

std::vector<resampling> resamplings() {
  using rule = resampling::rule;
  std::vector<resampling> all;
  for (const window& w : windows()) {
    if (w.height.dilation != 1 || w.width.dilation != 1) continue;
    for (const rule weights : {rule::one, rule::mean, rule::mean_inside})
      all.push_back({w, weights});
  }
  for (const auto& [height, width] : {std::pair<index_t, index_t>{2, 3}, {4, 1}, {5, 2}})
    all.push_back({{interpolated_axis(4, height), interpolated_axis(3, width), 17}, rule::linear});
  all.push_back({{interpolated_axis(1, 2), interpolated_axis(1, 3), 2}, rule::linear});
  all.push_back({{{5, 1, 1, 1, -1, -2}, {4, 1, 1, 1, 0, -3}, 3}, rule::one});  // crops
  return all;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("weighted sums over windows and their transposes", "[conformance][pooling]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be{};
  for (const resampling& r : resamplings())
    for (const resampling& by : {r, r.transposed()})
      for (const index_t n : {3, 0})
        for (const layout l : {packed, strided}) {
          INFO(words(by.window) << ", rule " << static_cast<int>(by.weights)
                                << (by.spreads ? ", transposed" : "")
                                << (l == packed ? ", packed" : ", strided"));
          const auto x = integers<T>({n, by.from()}, 7);
          const auto rows = matrix_of(by, by.window.height);
          const auto cols = matrix_of(by, by.window.width);
          const index_t c = by.window.channels;
          conformance::host_matrix<double> expected({n, by.to()});
          for (index_t s = 0; s < n; ++s)
            for (index_t e = 0; e < by.to(); ++e) {
              const auto width = static_cast<index_t>(cols.size());
              const auto& row = rows[static_cast<std::size_t>(e / c / width)];
              const auto& col = cols[static_cast<std::size_t>(e / c % width)];
              for (std::size_t i = 0; i < row.size(); ++i)
                for (std::size_t j = 0; j < col.size(); ++j)
                  expected(s, e) += row[i] * col[j] *
                                    static_cast<double>(
                                        x(s, static_cast<index_t>(i * col.size() + j) * c + e % c));
            }
          const framed<B> from(be, x, l);
          const framed<B> y(be, unset<T>(expected.extents), l);
          ops::resample_op{by}.forward(be, y.view(), const_matrix<B>(from.view()));
          // Sums of at most 24 products of a number up to 4 and weights up to 1, each rounded a few
          // times.
          const double bound = 4 * 24 * 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
          CHECK(y.differs(expected, [&](index_t, index_t) { return bound; }) == "");
        }
}

TEMPLATE_LIST_TEST_CASE("pooling refuses images of other extents", "[conformance][pooling]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be{};
  const window w{{6, 2, 2}, {8, 2, 2}, 3};
  const framed<B> x(be, integers<T>({2, 144}, 1), packed);
  const framed<B> short_x(be, integers<T>({2, 143}, 1), packed);
  const framed<B> y(be, integers<T>({2, 36}, 1), packed);
  const framed<B> one(be, integers<T>({1, 36}, 1), packed);
  const auto in = [](const framed<B>& m) { return const_matrix<B>(m.view()); };
  CHECK(complaint<shape_error>([&] { ops::max_pool_op{w}.forward(be, y.view(), in(short_x)); }) ==
        "max_pool: images of 2x143 and results of 2x36; this window has n x 144 and n x 36");
  CHECK(complaint<shape_error>([&] { ops::max_pool_op{w}.forward(be, one.view(), in(x)); }) ==
        "max_pool: images of 2x144 and results of 1x36; this window has n x 144 and n x 36");
  CHECK(complaint<shape_error>([&] { ops::unpool_op{w}.forward(be, x.view(), in(one), in(y)); }) ==
        "unpool: images of 2x144 and results of 1x36; this window has n x 144 and n x 36");
  CHECK(complaint<shape_error>([&] { ops::unpool_op{w}.forward(be, x.view(), in(y), in(one)); }) ==
        "unpool: images of 2x144 and results of 1x36; this window has n x 144 and n x 36");
  const resampling r{w, resampling::rule::mean};
  CHECK(complaint<shape_error>([&] { ops::resample_op{r}.forward(be, one.view(), in(x)); }) ==
        "resample: images of 2x144 and results of 1x36; this resampling has n x 144 and n x 36");
}

}  // namespace pooling_test
