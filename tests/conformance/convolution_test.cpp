// Convolutions and their gradients against loops that follow the definition: by the verbs of a
// backend, or as ops compose them from the verbs that all backends have.
#include <cmath>
#include <limits>
#include <vector>

#include "chainrule/backend/window.hpp"
#include "chainrule/ops/convolution.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace convolution_test {

using namespace conformance;
namespace fn = chainrule::fn;
namespace ops = chainrule::ops;
using chainrule::convolution;
using chainrule::window_axis;

namespace {

template <class B, class F, class... In>
void convolve(const B& be, chainrule::matrix<B> y, chainrule::const_matrix<B> x,
              chainrule::const_matrix<B> w, const convolution& c, const F& f, const In&... in) {
  ops::convolve_op{c}.forward(be, y, x, w, f, chainrule::const_matrix<B>(in)...);
}
template <class B>
void convolve_input(const B& be, chainrule::matrix<B> dx, chainrule::const_matrix<B> dy,
                    chainrule::const_matrix<B> w, const convolution& c, double beta) {
  ops::convolve_input_op{c}.accumulate(be, dx, beta, dy, w);
}
template <class B>
void convolve_weights(const B& be, chainrule::matrix<B> dw, chainrule::const_matrix<B> x,
                      chainrule::const_matrix<B> dy, const convolution& c, double beta) {
  ops::convolve_weights_op{c}.accumulate(be, dw, beta, x, dy);
}

/// Calls term(x's column, w's row, w's and y's output, y's column) for every product in the
/// definition of a sample's convolution.
template <class Term>
void each_term(const convolution& c, Term&& term) {
  const window_axis &h = c.window.height, &w = c.window.width;
  const index_t in = c.window.channels / c.groups, out = c.outputs / c.groups;
  for (index_t p = 0; p < h.count(); ++p)
    for (index_t q = 0; q < w.count(); ++q)
      for (index_t k = 0; k < h.kernel; ++k)
        for (index_t l = 0; l < w.kernel; ++l) {
          const index_t row = p * h.stride + k * h.dilation - h.before;
          const index_t col = q * w.stride + l * w.dilation - w.before;
          if (row < 0 || row >= h.size || col < 0 || col >= w.size) continue;
          for (index_t o = 0; o < c.outputs; ++o)
            for (index_t i = 0; i < in; ++i)
              term((row * w.size + col) * c.window.channels + o / out * in + i,
                   (k * w.kernel + l) * in + i, o, (p * w.count() + q) * c.outputs + o);
        }
}

/// A case on the host: small integers, so that sums are exact in any order.
template <class T>
struct example {
  convolution c;
  index_t n;
  host_matrix<T> x, w, dy, y, dx, dw;

  example(const convolution& shape, index_t samples)
      : c(shape),
        n(samples),
        x(integers<T>({n, c.window.image()}, 1)),
        w(integers<T>(c.weights(), 2)),
        dy(integers<T>({n, c.result()}, 3)),
        y(dy.extents),
        dx(x.extents),
        dw(w.extents) {
    for (index_t s = 0; s < n; ++s)
      each_term(c, [&](index_t from, index_t tap, index_t o, index_t to) {
        y(s, to) += x(s, from) * w(tap, o);
        dx(s, from) += dy(s, to) * w(tap, o);
        dw(tap, o) += x(s, from) * dy(s, to);
      });
  }
};

/// Odd extents, strides, dilation, uneven padding, groups; one and several blocks of columns and
/// rows.
[[maybe_unused]] const std::vector<convolution>& shapes() {
  static const std::vector<convolution> all = {
      {{{1, 1}, {1, 1}, 1}, 1},
      {{{7, 3}, {5, 3}, 1}, 1},
      {{{6, 1}, {7, 1}, 5}, 40},                              // 1 x 1
      {{{9, 1, 2}, {8, 1, 2}, 3}, 7},                         // 1 x 1, strided
      {{{1, 1}, {23, 4, 1, 1, 3, 0}, 6}, 9},                  // a sequence, causal
      {{{9, 3, 1, 1, 1, 1}, {11, 3, 1, 1, 1, 1}, 16}, 16},    // same
      {{{10, 3, 2, 1, 1, 1}, {9, 3, 2, 1, 1, 1}, 5}, 33},     // strided
      {{{12, 3, 3, 2, 2, 1}, {11, 2, 2, 3, 0, 4}, 3}, 17},    // strided and dilated, uneven
      {{{13, 3, 1, 2}, {12, 5, 1, 2, 4, 4}, 2}, 6},           // dilated
      {{{3, 5, 1, 1, 2, 2}, {2, 7, 1, 1, 3, 3}, 4}, 8},       // a kernel larger than the image
      {{{3, 2, 3, 1, 0, 4}, {4, 1, 5}, 3}, 2},                // positions within padding only
      {{{7, 3, 1, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, 6}, 4, 2},    // groups
      {{{7, 3, 2, 1, 1, 0}, {6, 2, 1, 2, 1, 1}, 40}, 80, 2},  // groups of more than one block
      {{{7, 3, 1, 1, 1, 1}, {8, 3, 2, 1, 1, 1}, 9}, 9, 9},    // depthwise
      {{{6, 3}, {6, 3, 1, 1, 1, 1}, 20}, 40, 20},             // depthwise, two outputs each
      {{{8, 5}, {9, 5}, 15}, 130},                            // inner sums of several blocks
      {{{41, 2}, {40, 2}, 1}, 3},                             // gradients of weights in parts
  };
  return all;
}

struct with_operands {
  constexpr auto operator()(const auto& z, const auto& bias, const auto& all) const {
    return 2 * (z + bias) + all;
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("convolutions follow their definition", "[conformance][convolution]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be{};
  std::size_t number = 0;
  for (const convolution& c : shapes())
    for (const index_t n : {index_t{3}, index_t{0}}) {
      INFO("shape " << number++ / 2 << " with " << n << " samples");
      REQUIRE_NOTHROW(c.check());
      const layout l = number % 4 < 2 ? strided : packed;
      const example<T> e(c, n);
      const framed<B> x(be, e.x, l), w(be, e.w, l), dy(be, e.dy, l);

      const framed<B> y(be, unset<T>(e.y.extents), l);
      convolve<B>(be, y.view(), x.view(), w.view(), c, fn::identity{});
      CHECK(y.differs(e.y) == "");
      if (c.outputs < 10) {  // each functor needs kernels of its own
        const auto bias = integers<T>({1, c.outputs}, 4);
        const framed<B> b(be, bias, packed);
        const auto all = integers<T>({n * c.window.positions(), c.outputs}, 5);
        const framed<B> d(be, all, l);
        convolve<B>(be, y.view(), x.view(), w.view(), c, with_operands{}, b.view(), d.view());
        CHECK(y.differs([&](index_t i, index_t j) {
          const index_t o = j % c.outputs;
          return 2 * (e.y(i, j) + bias(0, o)) + all(i * c.window.positions() + j / c.outputs, o);
        }) == "");
      }

      const framed<B> dx(be, unset<T>(e.x.extents), l);
      convolve_input<B>(be, dx.view(), dy.view(), w.view(), c, 0);
      CHECK(dx.differs(e.dx) == "");
      convolve_input<B>(be, dx.view(), dy.view(), w.view(), c, 2);
      CHECK(dx.differs([&](index_t i, index_t j) { return 3 * e.dx(i, j); }) == "");
      convolve_input<B>(be, dx.view(), dy.view(), w.view(), c, 1);
      CHECK(dx.differs([&](index_t i, index_t j) { return 4 * e.dx(i, j); }) == "");

      const framed<B> dw(be, unset<T>(e.w.extents), l);
      convolve_weights<B>(be, dw.view(), x.view(), dy.view(), c, 0);
      CHECK(dw.differs(e.dw) == "");
      convolve_weights<B>(be, dw.view(), x.view(), dy.view(), c, 1);
      CHECK(dw.differs([&](index_t i, index_t j) { return 2 * e.dw(i, j); }) == "");

      CHECK(x.differs(e.x) == "");
      CHECK(w.differs(e.w) == "");
      CHECK(dy.differs(e.dy) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("the passes of a convolution are adjoint", "[conformance][convolution]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be{};
  const convolution c{{{14, 3, 2, 1, 1, 0}, {13, 3, 1, 2, 2, 1}, 8}, 24, 2};
  const index_t n = 5;
  const auto x = reals<T>({n, c.window.image()}, 1);
  const auto w = reals<T>(c.weights(), 2);
  const auto dy = reals<T>({n, c.result()}, 3);
  const framed<B> fx(be, x, packed), fw(be, w, packed), fdy(be, dy, packed);
  const framed<B> y(be, unset<T>(dy.extents), packed), dx(be, unset<T>(x.extents), packed),
      dw(be, unset<T>(w.extents), packed);
  convolve<B>(be, y.view(), fx.view(), fw.view(), c, fn::identity{});
  convolve_input<B>(be, dx.view(), fdy.view(), fw.view(), c, 0);
  convolve_weights<B>(be, dw.view(), fx.view(), fdy.view(), c, 0);
  // y is linear in x and in w, so <dy, y> = <dx, x> = <dw, w>.
  const auto dot = [](const host_matrix<T>& a, const host_matrix<T>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.values.size(); ++i)
      sum += static_cast<double>(a.values[i]) * static_cast<double>(b.values[i]);
    return sum;
  };
  const double of_y = dot(y.download(), dy);
  // An element of a result is a sum of `terms` products below 1, each of whose additions rounds
  // by epsilon of the sum at most; the products with dy, x or w are below 1 as well.
  const auto bound = [&](index_t elements, index_t terms) {
    return static_cast<double>(elements * terms * terms) *
           static_cast<double>(std::numeric_limits<T>::epsilon());
  };
  const index_t taps = c.weights().rows;
  CHECK(std::fabs(of_y) > 1);
  CHECK(std::fabs(dot(dx.download(), x) - of_y) < bound(y.view().rows() * c.result(), taps));
  CHECK(std::fabs(dot(dw.download(), w) - of_y) < bound(y.view().rows() * c.result(), taps));
}

TEMPLATE_LIST_TEST_CASE("convolutions carry NaN and infinity to what sees them only",
                        "[conformance][convolution]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be{};
  const convolution c{{{5, 3, 1, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, 2}, 3};
  host_matrix<T> x({2, c.window.image()}, T(1));
  x(0, (1 * 6 + 2) * 2) = std::numeric_limits<T>::quiet_NaN();
  const framed<B> fx(be, x, strided), w(be, integers<T>(c.weights(), 1, 1, 1), strided);
  const framed<B> y(be, unset<T>({2, c.result()}), strided);
  convolve<B>(be, y.view(), fx.view(), w.view(), c, fn::identity{});
  const auto got = y.download();
  for (index_t s = 0; s < 2; ++s)
    for (index_t j = 0; j < c.result(); ++j) {
      const index_t row = j / 3 / 6, col = j / 3 % 6;
      const bool sees = s == 0 && row <= 2 && col >= 1 && col <= 3;
      CHECK(std::isnan(got(s, j)) == sees);
    }
}

TEMPLATE_LIST_TEST_CASE("convolutions refuse other shapes", "[conformance][convolution]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be{};
  const convolution c{{{4, 3}, {4, 3}, 2}, 3};
  const auto made = [&](index_t rows, index_t cols) {
    return framed<B>(be, integers<T>({rows, cols}, 1), packed);
  };
  const auto x = made(2, 32), w = made(18, 3), y = made(2, 12), other = made(3, 12);
  CHECK_THROWS_AS(convolve<B>(be, other.view(), x.view(), w.view(), c, fn::identity{}),
                  chainrule::shape_error);
  CHECK_THROWS_AS(convolve_input<B>(be, x.view(), y.view(), y.view(), c, 0),
                  chainrule::shape_error);
  CHECK_THROWS_AS(convolve_weights<B>(be, w.view(), y.view(), y.view(), c, 0),
                  chainrule::shape_error);
  CHECK_THROWS_AS(convolve<B>(be, y.view(), x.view(), w.view(), c, fn::plus{}, x.view()),
                  chainrule::shape_error);
}

}  // namespace convolution_test
