// Random numbers: the bits that the comment of the verb promises, whatever the layout.
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace random_test {

using namespace conformance;

namespace {

/// Element e of the stream, written down once more from the definition.
template <class T>
T promised(std::uint64_t seed, std::uint64_t stream, index_t e) {
  const auto n = static_cast<std::uint64_t>(e);
  if constexpr (sizeof(T) == 4) {
    const auto words = chainrule::philox(seed, stream, n / 4);
    return static_cast<T>(words[n % 4] >> 8U) / T(16777216);
  } else {
    const auto words = chainrule::philox(seed, stream, n / 2);
    const std::uint64_t high = words[2 * (n % 2)] >> 5U;
    const std::uint64_t low = words[2 * (n % 2) + 1] >> 6U;
    return static_cast<T>((high << 26U) + low) / T(9007199254740992);
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("random draws the promised bits", "[conformance][random]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : {matrix_shape{0, 17}, matrix_shape{17, 0}, matrix_shape{1, 1},
                               matrix_shape{1, 1025}, matrix_shape{1025, 1}, matrix_shape{17, 17},
                               matrix_shape{3, 5}, matrix_shape{1025, 17}, matrix_shape{17, 1025}})
    for (const layout l : {packed, strided})
      for (const std::uint64_t seed : {std::uint64_t{7}, ~std::uint64_t{0}}) {
        INFO(to_string(s) << (l == packed ? " packed" : " strided"));
        const std::uint64_t stream = 0x123456789abcdef0;
        const framed<TestType> x(be, unset<T>(s), l);
        be.random(x.view(), seed, stream);
        CHECK(x.differs([&](index_t i, index_t j) {
          return promised<T>(seed, stream, i * s.cols + j);
        }) == "");
        for (const index_t first : {1, 6, 1027}) {
          const framed<TestType> rest(be, unset<T>(s), l);
          be.random(rest.view(), seed, stream, first);
          CHECK(rest.differs([&](index_t i, index_t j) {
            return promised<T>(seed, stream, first + i * s.cols + j);
          }) == "");
        }
      }
}

TEMPLATE_LIST_TEST_CASE("random numbers lie in [0, 1) and look uniform", "[conformance][random]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const matrix_shape s{100, 1000};
  const framed<TestType> x(be, unset<T>(s), packed);
  be.random(x.view(), 1, 0);
  double mean = 0;
  double square = 0;
  bool inside = true;
  for (const T u : x.download().values) {
    inside = inside && u >= 0 && u < 1;
    mean += static_cast<double>(u) / 1e5;
    square += static_cast<double>(u) * static_cast<double>(u) / 1e5;
  }
  CHECK(inside);
  // Five standard deviations of the mean of 1e5 numbers of variance 1/12, and 4/45.
  CHECK(std::fabs(mean - 0.5) < 5 * std::sqrt(1.0 / 12 / 1e5));
  CHECK(std::fabs(square - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / 1e5));
}

TEMPLATE_LIST_TEST_CASE("another seed or stream draws other numbers", "[conformance][random]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const auto drawn = [&](std::uint64_t seed, std::uint64_t stream) {
    const framed<TestType> x(be, unset<T>({1, 64}), packed);
    be.random(x.view(), seed, stream);
    return x.download().values;
  };
  CHECK(drawn(1, 0) == drawn(1, 0));
  CHECK(drawn(1, 0) != drawn(2, 0));
  CHECK(drawn(1, 0) != drawn(1, 1));
  CHECK(drawn(1, 0) != drawn(std::uint64_t{1} << 32U, 0));
  CHECK(drawn(1, 1) != drawn(1, std::uint64_t{1} << 32U));
}

}  // namespace random_test
