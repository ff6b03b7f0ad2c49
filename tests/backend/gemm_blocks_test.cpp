// The product's cut into blocks: with caches so small that every loop of the driver turns more than
// once, results are those of the plain sum, and the same bits for any number of threads.
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "support/catch.hpp"

namespace gemm_blocks_test {

using namespace chainrule;

namespace {

/// Gives Eigen other cache sizes, and back what it had.
class small_caches {
 public:
  small_caches(std::ptrdiff_t l1, std::ptrdiff_t l2, std::ptrdiff_t l3)
      : l1_(Eigen::l1CacheSize()), l2_(Eigen::l2CacheSize()), l3_(Eigen::l3CacheSize()) {
    Eigen::setCpuCacheSizes(l1, l2, l3);
  }
  ~small_caches() { Eigen::setCpuCacheSizes(l1_, l2_, l3_); }
  small_caches(const small_caches&) = delete;
  small_caches& operator=(const small_caches&) = delete;

 private:
  std::ptrdiff_t l1_, l2_, l3_;
};

/// Whole numbers in [-4, 4], so that every sum below is exact in float.
template <class T>
std::vector<T> small_integers(index_t count, std::uint64_t stream) {
  random_stream random(5, stream);
  std::vector<T> values;
  for (index_t i = 0; i < count; ++i) values.push_back(static_cast<T>(random.below(9)) - T(4));
  return values;
}

}  // namespace

TEMPLATE_TEST_CASE("products of many blocks are exact, whatever the threads", "", float, double) {
  using T = TestType;
  using view = matrix_view<const T>;
  const small_caches caches(2048, 8192, 65536);
  const struct {
    index_t m, k, n;
  } all[] = {{300, 700, 130}, {1025, 65, 17}, {17, 1025, 300}, {129, 300, 1}, {2100, 33, 9}};
  for (const auto& [m, k, n] : all)
    for (const bool at : {false, true})
      for (const bool bt : {false, true}) {
        CAPTURE(m, k, n, at, bt);
        const auto a = small_integers<T>(m * k, 1);
        const auto b = small_integers<T>(k * n, 2);
        const auto c = small_integers<T>(m * n, 3);
        const auto bias = small_integers<T>(n, 4);
        std::vector<T> expected(c.size());
        for (index_t i = 0; i < m; ++i)
          for (index_t j = 0; j < n; ++j) {
            T total = 0;
            for (index_t p = 0; p < k; ++p)
              total += a[static_cast<std::size_t>(at ? p * m + i : i * k + p)] *
                       b[static_cast<std::size_t>(bt ? j * k + p : p * n + j)];
            const auto e = static_cast<std::size_t>(i * n + j);
            expected[e] = 2 * total - c[e] + bias[static_cast<std::size_t>(j)];
          }
        for (const int threads : {1, 2, 5}) {
          auto result = c;
          const basic_cpu<T> be(threads);
          be.gemm(matrix_view<T>(result.data(), m, n),
                  gemm_operand<view>(view(a.data(), at ? k : m, at ? m : k), at),
                  gemm_operand<view>(view(b.data(), bt ? n : k, bt ? k : n), bt), {2, -1},
                  add_bias_then<fn::identity>{}, view(bias.data(), 1, n));
          CHECK(result == expected);
        }
      }
}

TEMPLATE_TEST_CASE("fractions give the same bits for any number of threads and blocks", "", float,
                   double) {
  using T = TestType;
  const small_caches caches(4096, 16384, 65536);
  const index_t m = 517;
  const index_t k = 391;
  const index_t n = 77;
  const basic_cpu<T> one(1);
  std::vector<T> a(static_cast<std::size_t>(m * k));
  std::vector<T> b(static_cast<std::size_t>(k * n));
  one.random({a.data(), m, k}, 1, 1);
  one.random({b.data(), k, n}, 1, 2);
  const auto product = [&](const basic_cpu<T>& be) {
    std::vector<T> c(static_cast<std::size_t>(m * n));
    be.gemm(matrix_view<T>(c.data(), m, n), matrix_view<const T>(a.data(), m, k),
            matrix_view<const T>(b.data(), k, n));
    return c;
  };
  const auto expected = product(one);
  for (const int threads : {2, 3, 8}) {
    CAPTURE(threads);
    CHECK(product(basic_cpu<T>(threads)) == expected);
  }
}

}  // namespace gemm_blocks_test
