// Several products at once, whose factors and results lie a fixed step apart: by the backend's own
// verb where it has one, one after the other elsewhere.
#include "chainrule/backend/gemm_batch.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace gemm_batch_test {

using namespace conformance;
using chainrule::gemm_scalars;
using chainrule::strided_batch;

namespace {

/// How the matrices of a batch lie: one below the other, side by side as the heads of an attention,
/// or all at one place.
enum class order { stacked, side_by_side, shared };

/// `count` matrices of one shape in B's memory, and the first of them with the step to the next.
template <class B>
class batch {
 public:
  using T = scalar_t<B>;
  batch(const B& be, index_t count, matrix_shape one, order o, const host_matrix<T>& content)
      : one_(one),
        order_(o),
        host_(content),
        device_(be, content, one.cols % 4 == 0 ? aligned : strided) {
    const auto all = device_.view();
    const bool is_empty = one.size() * count == 0;
    first_ = is_empty ? chainrule::matrix<B>(all.data(), one.rows, one.cols)
                      : all.block(0, 0, one.rows, one.cols);
    if (o == order::stacked) step_ = one.rows * all.stride();
    if (o == order::side_by_side) step_ = one.cols;
  }
  /// The matrix that holds so many of that shape.
  static matrix_shape whole(index_t count, matrix_shape one, order o) {
    if (o == order::stacked) return {count * one.rows, one.cols};
    return o == order::side_by_side ? matrix_shape{one.rows, count * one.cols} : one;
  }

  [[nodiscard]] chainrule::matrix<B> first() const { return first_; }
  [[nodiscard]] index_t step() const { return step_; }
  [[nodiscard]] const framed<B>& memory() const { return device_; }
  /// Element (i, j) of matrix number p, transposed or not.
  [[nodiscard]] T at(index_t p, index_t i, index_t j, bool is_transposed = false) const {
    if (is_transposed) std::swap(i, j);
    if (order_ == order::stacked) i += p * one_.rows;
    if (order_ == order::side_by_side) j += p * one_.cols;
    return host_(i, j);
  }
  /// The number of the matrix that element (i, j) of all of them belongs to, and its place there.
  [[nodiscard]] std::array<index_t, 3> place(index_t i, index_t j) const {
    if (order_ == order::stacked) return {i / one_.rows, i % one_.rows, j};
    return {j / one_.cols, i, j % one_.cols};
  }

 private:
  matrix_shape one_;
  order order_;
  host_matrix<T> host_;
  framed<B> device_;
  chainrule::matrix<B> first_;
  index_t step_ = 0;
};

struct product {
  index_t count, m, n, k;
};
// Counts and extents of 0, 1 and odd ones, tiles that are whole and not, many small products; few
// shapes, for each takes kernels of its own.
const product small_products[] = {{0, 3, 2, 4},   {1, 3, 2, 5},   {3, 0, 2, 4},
                                  {3, 3, 2, 0},   {2, 1, 1, 1},   {5, 17, 33, 40},
                                  {3, 1, 16, 65}, {100, 3, 2, 4}, {3, 20, 36, 40}};
// Cut into several pieces each, and in depth.
const product large_products[] = {{3, 65, 80, 257}};

/// One batch in all four transposes; `precision` times the size of the terms is the bound. `fill`
/// makes the content of the factors.
template <class B, class Fill>
std::string all_transposes(const B& be, const product& p, order of_a, order of_b, order of_c,
                           gemm_scalars scalars, long double precision, const Fill& fill,
                           const host_matrix<scalar_t<B>>& before) {
  using factor = chainrule::gemm_operand<chainrule::const_matrix<B>>;
  for (const bool a_turned : {false, true})
    for (const bool b_turned : {false, true}) {
      const matrix_shape left = a_turned ? matrix_shape{p.k, p.m} : matrix_shape{p.m, p.k};
      const matrix_shape right = b_turned ? matrix_shape{p.n, p.k} : matrix_shape{p.k, p.n};
      const batch<B> a(be, p.count, left, of_a, fill(batch<B>::whole(p.count, left, of_a), 1));
      const batch<B> b(be, p.count, right, of_b, fill(batch<B>::whole(p.count, right, of_b), 2));
      const batch<B> c(be, p.count, {p.m, p.n}, of_c, before);
      host_matrix<long double> value(before.extents);
      host_matrix<long double> size(before.extents);
      for (index_t r = 0; r < before.extents.rows; ++r)
        for (index_t s = 0; s < before.extents.cols; ++s) {
          const auto [number, i, j] = c.place(r, s);
          for (index_t l = 0; l < p.k; ++l) {
            const long double term = static_cast<long double>(a.at(number, i, l, a_turned)) *
                                     b.at(number, l, j, b_turned);
            value(r, s) += term;
            size(r, s) += std::fabs(term);
          }
          const long double old = scalars.beta == 0 ? 0 : scalars.beta * before(r, s);
          value(r, s) = scalars.alpha * value(r, s) + old;
          size(r, s) = std::fabs(scalars.alpha) * size(r, s) + std::fabs(old);
        }
      chainrule::gemm_batch(be, p.count, {c.first(), c.step()},
                            {factor(a.first(), a_turned), a.step()},
                            {factor(b.first(), b_turned), b.step()}, scalars);
      const std::string found =
          c.memory().differs(value, [&](index_t i, index_t j) { return precision * size(i, j); });
      if (!found.empty())
        return std::string(a_turned ? "a' " : "a ") + (b_turned ? "b': " : "b: ") + found;
    }
  return {};
}

/// Calls use(order of a, of b, of c) for some of all combinations.
template <class Use>
void for_orders(Use&& use) {
  use(order::stacked, order::stacked, order::stacked);
  use(order::side_by_side, order::shared, order::stacked);
  use(order::shared, order::side_by_side, order::side_by_side);
  use(order::stacked, order::side_by_side, order::side_by_side);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a batch of products of integers is exact", "[conformance][gemm_batch]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const auto whole_numbers = [](matrix_shape s, std::uint64_t seed) {
    return integers<T>(s, seed);
  };
  for (const product& p : small_products)
    for_orders([&](order a, order b, order c) {
      INFO(p.count << " of " << p.m << " x " << p.n << " x " << p.k << ", orders "
                   << static_cast<int>(a) << static_cast<int>(b) << static_cast<int>(c));
      const matrix_shape s = batch<TestType>::whole(p.count, {p.m, p.n}, c);
      // Not read with beta = 0, so NaN in it does not matter.
      CHECK(all_transposes(be, p, a, b, c, {}, 0, whole_numbers, unset<T>(s)) == "");
      CHECK(all_transposes(be, p, a, b, c, {-2, 0.5}, 0, whole_numbers, integers<T>(s, 3)) == "");
    });
}

TEMPLATE_LIST_TEST_CASE("a batch of products of reals is as precise as k additions",
                        "[conformance][gemm_batch]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const product& p : large_products) {
    INFO(p.count << " of " << p.m << " x " << p.n << " x " << p.k);
    // Each term passes through at most k + 2 roundings, as in gemm.
    const long double bound =
        static_cast<long double>(p.k + 2) * std::numeric_limits<T>::epsilon() / 2 * 1.01L;
    const matrix_shape s = batch<TestType>::whole(p.count, {p.m, p.n}, order::stacked);
    CHECK(all_transposes(be, p, order::side_by_side, order::stacked, order::stacked, {1.25, -0.75},
                         bound, reals<T>, reals<T>(s, 7)) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("a batch of products is one launch of a device",
                        "[conformance][gemm_batch]", backends) {
  if constexpr (requires(const TestType& b) { b.statistics(); }) {
    using T = scalar_t<TestType>;
    const TestType be{};
    const framed<TestType> x(be, integers<T>({70, 7}, 4), packed);
    const framed<TestType> y(be, unset<T>({70, 7}), packed);
    const auto a = x.view().middle_rows(0, 7);
    const auto before = be.statistics().launches;
    be.gemm_batch(10, {y.view().middle_rows(0, 7), 49}, {a, 49}, {transposed(a), 49});
    CHECK(be.statistics().launches == before + 1);
  }
}

TEMPLATE_LIST_TEST_CASE("gemm_batch names the shapes and steps that do not fit",
                        "[conformance][gemm_batch]", backends) {
  using T = scalar_t<TestType>;
  using chainrule::shape_error;
  const TestType be{};
  const framed<TestType> x(be, integers<T>({6, 8}, 5), packed);
  const auto before = integers<T>({6, 8}, 6);
  const framed<TestType> y(be, before, packed);
  const auto a = x.view().block(0, 0, 2, 3);
  const auto b = x.view().block(0, 0, 3, 4);
  const auto c = y.view().block(0, 0, 2, 4);
  const auto said = [&](index_t count, index_t c_step, index_t a_step, const auto& right) {
    return complaint<shape_error>([&] {
      chainrule::gemm_batch(be, count, {c, c_step}, {a, a_step}, {right, 0});
    });
  };
  CHECK(says(said(3, 16, 16, a), "gemm_batch", "2x3", "2x4"));
  CHECK(says(said(-1, 16, 16, b), "gemm_batch", "-1"));
  CHECK(says(said(3, 16, -16, b), "gemm_batch", "-16"));
  // Results that have elements in common: all at one place, or the next begins within a row.
  CHECK(says(said(3, 0, 16, b), "gemm_batch", "3", "2x4", "step 0"));
  CHECK(says(said(3, 4, 16, b), "gemm_batch", "step 4", "stride 8"));
  CHECK(y.differs(before) == "");
  CHECK(said(2, 4, 16, b) == "");  // two fit side by side
  CHECK(said(1, 0, 0, b) == "");
}

}  // namespace gemm_batch_test
