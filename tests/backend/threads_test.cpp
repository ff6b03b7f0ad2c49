// The same bits for any number of threads, and handles used from several threads.
#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "support/catch.hpp"

namespace threads_test {

using chainrule::basic_cpu;
using chainrule::index_t;
using chainrule::matrix_view;
namespace fn = chainrule::fn;

namespace {

/// A matrix on the heap.
template <class T>
struct owned {
  chainrule::cpu_storage<T> elements;
  matrix_view<T> view;
  owned(index_t rows, index_t cols) : elements(rows * cols), view(elements.data(), rows, cols) {}
};

std::atomic<int> batches_unlike_gemm{0};

/// Every verb on matrices that are large enough to be cut into pieces; all results, one after
/// another.
template <class T>
std::vector<T> all_verbs(const basic_cpu<T>& be) {
  std::vector<T> results;
  const auto keep = [&](const owned<T>& m) {
    results.insert(results.end(), m.elements.data(), m.elements.data() + m.elements.size());
  };
  constexpr index_t rows = 301;
  constexpr index_t cols = 167;
  owned<T> a(rows, cols);
  owned<T> b(cols, 67);
  owned<T> row(1, cols);
  be.random(a.view, 1, 0);
  be.random(b.view, 2, 0);
  be.random(row.view, 3, 0);
  keep(a);

  owned<T> c(rows, 67);
  be.gemm(c.view, a.view, b.view);
  keep(c);
  be.gemm(c.view, a.view, b.view, {0.5, -1.5}, chainrule::add_bias_then<chainrule::fn::tanh>{},
          matrix_view<const T>(row.view.data(), 1, 67));
  keep(c);
  owned<T> d(cols, 67);
  be.gemm(d.view, transposed(a.view), c.view);
  keep(d);
  owned<T> e(rows, cols);
  be.gemm(e.view, c.view, transposed(b.view));
  keep(e);

  // Batches: of small products, which share threads, and of large ones, which are shared by them.
  for (const auto& [count, m, n, k] :
       {std::array<index_t, 4>{50, 6, 20, 7}, {9, 60, 40, 60}, {2, 300, 167, 90}}) {
    owned<T> left(count * m, k);
    owned<T> right(k, n);
    owned<T> batch(count * m, n);
    owned<T> one(m, n);
    be.random(left.view, 4, 0);
    be.random(right.view, 5, 0);
    be.gemm_batch(count, {batch.view.middle_rows(0, m), m * n},
                  {matrix_view<const T>(left.view.middle_rows(0, m)), m * k},
                  {matrix_view<const T>(right.view), 0}, {0.5, 0});
    keep(batch);
    bool same = true;  // as gemm
    for (index_t i = 0; i < count; ++i) {
      be.gemm(one.view, left.view.middle_rows(i * m, m), right.view, {0.5, 0});
      same = same && std::memcmp(one.elements.data(), batch.elements.data() + i * m * n,
                                 static_cast<std::size_t>(m * n) * sizeof(T)) == 0;
    }
    if (!same) ++batches_unlike_gemm;
  }

  be.map(chainrule::gelu{}, e.view, e.view);  // one run
  keep(e);
  be.map(fn::multiplies{}, e.view, a.view, row.view);  // row by row
  keep(e);
  const matrix_view<T> part = e.view.block(1, 1, rows - 2, cols - 5);
  be.map(fn::sin{}, part, part);
  keep(e);

  for (const auto& [r, n] : {std::pair<index_t, index_t>{1, 1}, {1, cols}, {rows, 1}}) {
    owned<T> out(r, n);
    be.reduce(chainrule::reduction::sum{}, out.view, fn::multiplies{}, a.view, row.view);
    keep(out);
    be.reduce(chainrule::reduction::sum{}, out.view, {.beta = -0.75}, fn::multiplies{}, a.view,
              row.view);
    keep(out);
    be.reduce(chainrule::reduction::maximum{}, out.view, fn::cos{}, e.view);
    keep(out);
  }
  owned<T> total(1, 1);  // one long row
  be.reduce(chainrule::reduction::sum{}, total.view, fn::sqr{},
            matrix_view<const T>(a.elements.data(), 1, rows * cols));
  keep(total);
  be.reduce(chainrule::reduction::sum{}, total.view, fn::sqr{},
            matrix_view<const T>(a.elements.data(), rows * cols, 1));
  keep(total);

  owned<T> few(1, 7);  // many rows of few columns
  const matrix_view<const T> tall(a.elements.data(), rows * cols / 7, 7);
  be.reduce(chainrule::reduction::sum{}, few.view, fn::sqr{}, tall);
  keep(few);
  be.reduce(chainrule::reduction::sum{}, few.view, {.beta = -0.75}, fn::sin{}, tall);
  keep(few);

  std::vector<std::int32_t> indices;
  for (std::int32_t i = 0; i < rows; ++i)
    indices.push_back(static_cast<std::int32_t>(i * 7 % rows));
  be.gather(e.view, a.view, matrix_view<const std::int32_t>(indices.data(), 1, rows),
            fn::affine{0.3, 0.1});
  keep(e);
  for (std::int32_t& i : indices) i = i % 9 - 1;
  be.gather(e.view, a.view, matrix_view<const std::int32_t>(indices.data(), 1, rows));
  keep(e);
  be.scatter_add(e.view, matrix_view<const std::int32_t>(indices.data(), 1, rows), a.view);
  keep(e);
  return results;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("every verb gives the same bits for any number of threads", "", float, double) {
  const auto expected = all_verbs(basic_cpu<TestType>(1));
  for (const int threads : {1, 2, 3, 8}) {
    const basic_cpu<TestType> be(threads);
    for (int repetition = 0; repetition < 3; ++repetition) {
      CAPTURE(threads, repetition);
      CHECK(same_bits(all_verbs(be), expected));
    }
  }
  CHECK(batches_unlike_gemm == 0);
}

TEST_CASE("handles of one pool may be used from several threads") {
  const chainrule::cpu be(2);
  const auto expected = all_verbs(be);
  std::atomic<int> wrong{0};
  std::vector<std::thread> users;
  for (int t = 0; t < 3; ++t)
    users.emplace_back([&, own = be] {
      for (int i = 0; i < 3; ++i)
        if (!same_bits(all_verbs(own), expected)) ++wrong;
    });
  for (std::thread& user : users) user.join();
  CHECK(wrong == 0);
}

TEST_CASE("an element's result does not depend on where it stands") {
  const chainrule::cpu be(1);
  constexpr index_t most = 70;
  for (const double value : {0.3, -1.7, 5.0, -20.0}) {
    float first = 0;
    for (index_t n = 1; n <= most; ++n) {
      owned<float> x(1, n);
      be.map(fn::fill{value}, x.view);
      be.map(chainrule::mish{}, x.view, x.view);
      if (n == 1) first = x.view(0, 0);
      bool same = true;
      for (index_t j = 0; j < n; ++j) same = same && x.view(0, j) == first;
      CAPTURE(value, n);
      CHECK(same);
    }
  }
}

}  // namespace threads_test
