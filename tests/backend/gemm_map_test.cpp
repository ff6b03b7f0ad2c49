// Products whose elements a functor takes: the bits of gemm and map, without a product in memory.
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "cpu/sets.hpp"

namespace gemm_map_test {

using namespace chainrule;

namespace {

/// Two results from three matrices and two single numbers.
struct step {
  template <class X>
  constexpr auto operator()(const X& w, const X& g, const X& v, const X& rate,
                            const X& decay) const {
    const X next = decay * v + g;
    return std::tuple<X, X>(w - rate * next, next);
  }
};

template <class T>
std::vector<T> numbers(index_t count, std::uint64_t stream) {
  random_stream random(7, stream);
  std::vector<T> all;
  for (index_t i = 0; i < count; ++i) all.push_back(static_cast<T>(random.uniform(-1, 1)));
  return all;
}
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("a product and the map that takes it have the bits of the two apart", "", float,
                   double) {
  using T = TestType;
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  int taken = 0;
  for (const isa set : supported_sets())
    for (const int threads : {1, 3}) {
      const basic_cpu<T> be(threads, set);
      // Rows that end within a tile and within a block, depths beyond what is computed at once.
      for (const index_t m : {1, 5, 12, 13, 24, 61, 170, 200, 784})
        for (const index_t n : {10, 16, 32, 48, 64, 128})
          for (const index_t k : {1, 7, 64, 65, 300}) {
            CAPTURE(name_of(set), threads, m, n, k);
            const std::vector<T> a = numbers<T>(k * m, 1), b = numbers<T>(k * n, 2);
            const std::vector<T> rate{T(0.3)}, decay{T(0.9)};
            std::vector<T> w = numbers<T>(m * n, 3), v = numbers<T>(m * n, 4);
            std::vector<T> wanted_w = w, wanted_v = v, product(w.size(), nan), c(w.size(), nan);
            const auto view = [&](std::vector<T>& x) { return matrix_view<T>(x.data(), m, n); };
            const matrix_view<const T> left(a.data(), k, m), right(b.data(), k, n);
            const matrix_view<const T> r(rate.data(), 1, 1), d(decay.data(), 1, 1);
            be.gemm(view(product), transposed(left), right);
            be.map(step{}, std::array{view(wanted_w), view(wanted_v)}, view(wanted_w),
                   view(product), view(wanted_v), r, d);
            const std::vector<T> old_w = w, old_v = v;
            const bool is_taken =
                be.gemm_and_map(view(c), transposed(left), right, step{},
                                std::array{view(w), view(v)}, view(w), view(c), view(v), r, d);
            CHECK(same_bits(w, is_taken ? wanted_w : old_w));
            CHECK(same_bits(v, is_taken ? wanted_v : old_v));
            const index_t strip =
                set == isa::avx512 ? 128 / index_t{sizeof(T)} : 64 / index_t{sizeof(T)};
            const bool is_expected = set != isa::portable && n % strip == 0 && m % 12 == 0;
            if (is_expected && m != 784) CHECK(is_taken);
            if (set == isa::portable || n % strip != 0) CHECK_FALSE(is_taken);
            taken += is_taken;
            if (is_taken && k <= 64) CHECK(std::isnan(c.back()));  // not written
          }
    }
  if (is_supported(isa::avx2)) CHECK(taken > 0);
}

TEST_CASE("a product that a map takes refuses matrices of other shapes") {
  if (!is_supported(isa::avx2)) {
    WARN("skipped: this machine does not support AVX2");
    return;
  }
  const cpu be(1, isa::avx2);
  std::vector<float> memory(4096, 1.F);
  const auto view = [&](index_t m, index_t n) { return matrix_view<float>(memory.data(), m, n); };
  const auto run = [&](matrix_view<float> c, matrix_view<float> w, matrix_view<float> rate) {
    return be.gemm_and_map(
        c, transposed(matrix_view<const float>(view(4, 24))), view(4, 32),
        [](const auto& x, const auto& g, const auto& r) { return x - r * g; }, std::array{w}, w, c,
        rate);
  };
  CHECK(run(view(24, 32), view(24, 32), view(1, 1)));
  CHECK_THROWS_AS(run(view(24, 31), view(24, 31), view(1, 1)), shape_error);
  CHECK_THROWS_AS(run(view(24, 32), view(23, 32), view(1, 1)), shape_error);
  CHECK_THROWS_AS(run(view(24, 32), view(24, 32), view(1, 2)), shape_error);
  CHECK_FALSE(be.gemm_and_map(
      view(24, 32), view(24, 4), view(4, 32),  // is not transposed
      [](const auto& x, const auto& g) { return x - g; }, std::array{view(24, 32)}, view(24, 32),
      view(24, 32)));
}

}  // namespace gemm_map_test
