// First values: moments and ranges, orthonormality, and that they follow from the seed alone.
#include "chainrule/layers/initializers.hpp"

#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace initializers_test {

using namespace batches;

namespace {

constexpr index_t rows = 120;
constexpr index_t cols = 90;

std::vector<double> drawn(const initializer& rule, index_t inputs = rows, index_t outputs = cols,
                          std::uint64_t seed = 1) {
  std::vector<double> values(static_cast<std::size_t>(inputs * outputs));
  random_stream random(seed, 0);
  rule.fill({values.data(), inputs, outputs}, inputs, outputs, random);
  return values;
}

double mean(const std::vector<double>& v) {
  double total = 0;
  for (const double x : v) total += x;
  return total / static_cast<double>(v.size());
}
double variance(const std::vector<double>& v) {
  const double m = mean(v);
  double total = 0;
  for (const double x : v) total += (x - m) * (x - m);
  return total / static_cast<double>(v.size());
}

/// The moments of n draws of a distribution with that variance and fourth moment (over variance²)
/// lie within five standard errors.
void check_moments(const std::vector<double>& v, double m, double s2, double kurtosis) {
  const auto n = static_cast<double>(v.size());
  CAPTURE(mean(v), m, variance(v), s2);
  CHECK(std::fabs(mean(v) - m) <= 5 * std::sqrt(s2 / n));
  CHECK(std::fabs(variance(v) - s2) <= 5 * s2 * std::sqrt((kurtosis - 1) / n));
}
constexpr double flat = 1.8;  // the kurtosis of a uniform distribution
constexpr double bell = 3;    // and of a normal one

}  // namespace

TEST_CASE("constants", "[layers][initializers]") {
  for (const double x : drawn(init::zeros())) REQUIRE(x == 0);
  for (const double x : drawn(init::constant(-0.25))) REQUIRE(x == -0.25);
}

TEST_CASE("uniform numbers stay in their range and fill it", "[layers][initializers]") {
  const auto v = drawn(init::uniform(-3, 5));
  check_moments(v, 1, 64.0 / 12, flat);
  const auto [low, high] = std::minmax_element(v.begin(), v.end());
  CHECK(*low >= -3);
  CHECK(*high < 5);
  CHECK(*low < -2.98);  // 10800 draws: the chance of a miss is e^-27
  CHECK(*high > 4.98);
}

TEST_CASE("normal numbers", "[layers][initializers]") {
  const auto v = drawn(init::normal(2, 0.5));
  check_moments(v, 2, 0.25, bell);
  // 68.27 % lie within one deviation.
  const auto n = static_cast<double>(v.size());
  const auto near =
      std::count_if(v.begin(), v.end(), [](double x) { return std::fabs(x - 2) < 0.5; });
  CHECK(std::fabs(static_cast<double>(near) - 0.682689 * n) <= 5 * std::sqrt(n * 0.2166));
}

TEST_CASE("scaled rules have the variance of their papers", "[layers][initializers]") {
  const double in = rows;
  const double out = cols;
  check_moments(drawn(init::glorot_uniform()), 0, 2 / (in + out), flat);
  check_moments(drawn(init::glorot_normal()), 0, 2 / (in + out), bell);
  check_moments(drawn(init::he_uniform()), 0, 2 / in, flat);
  check_moments(drawn(init::he_normal()), 0, 2 / in, bell);
  check_moments(drawn(init::lecun_uniform()), 0, 1 / in, flat);
  check_moments(drawn(init::lecun_normal()), 0, 1 / in, bell);
  // Glorot, Bengio 2010, eq. 16 gives the limits themselves.
  CHECK(largest(drawn(init::glorot_uniform())) <= std::sqrt(6 / (in + out)));
  CHECK(largest(drawn(init::glorot_uniform())) > 0.99 * std::sqrt(6 / (in + out)));
}

TEST_CASE("orthogonal matrices are orthonormal, wide, tall and square", "[layers][initializers]") {
  for (const auto& [n, m] :
       {std::pair<index_t, index_t>{37, 11}, {11, 37}, {23, 23}, {1, 5}, {5, 1}, {1, 1}}) {
    const double gain = 1.5;
    const auto v = drawn(init::orthogonal(gain), n, m);
    const auto at = [&, cols_ = m](index_t i, index_t j) {
      return v[static_cast<std::size_t>(i * cols_ + j)];
    };
    double worst = 0;
    const index_t vectors = std::min(n, m);
    const index_t length = std::max(n, m);
    for (index_t a = 0; a < vectors; ++a)
      for (index_t b = 0; b < vectors; ++b) {
        double dot = 0;
        for (index_t i = 0; i < length; ++i)
          dot += n >= m ? at(i, a) * at(i, b) : at(a, i) * at(b, i);
        worst = std::max(worst, std::fabs(dot - (a == b ? gain * gain : 0)));
      }
    INFO(n << " x " << m);
    CHECK(worst <= 4 * static_cast<double>(length) * std::numeric_limits<double>::epsilon());
  }
}

TEST_CASE("values follow from the seed", "[layers][initializers]") {
  for (const initializer& rule : {init::uniform(-1, 1), init::normal(0, 1), init::he_normal(),
                                  init::glorot_uniform(), init::orthogonal()}) {
    CHECK(same_bits(drawn(rule, 9, 7, 3), drawn(rule, 9, 7, 3)));
    CHECK_FALSE(same_bits(drawn(rule, 9, 7, 3), drawn(rule, 9, 7, 4)));
  }
}

TEST_CASE("a network's first values: one stream per parameter, rounded from double",
          "[layers][initializers]") {
  const auto make = [](auto be) {
    return network<decltype(be)>{be,
                                 {dense{8, 8, relu{}}.bias(init::normal(0, 1)), dense{8, 8, relu{}},
                                  dense{8, 8, relu{}}.bias(init::constant(0.1))}};
  };
  auto single = make(tested<float>{});
  auto twice = make(tested<double>{});
  single.initialize(7);
  twice.initialize(7);
  for (const parameter& p : twice.parameter_list()) {
    const auto exact = doubles(twice.backend(), twice.values(p.name));
    const auto rounded =
        to_host(single.backend(), const_matrix<tested<float>>(single.values(p.name)));
    INFO(p.name);
    CHECK(same_bits(rounded, std::vector<float>(exact.begin(), exact.end())));
  }
  const auto values = [&](const char* name) {
    return doubles(twice.backend(), twice.values(name));
  };
  CHECK_FALSE(same_bits(values("0.weight"), values("1.weight")));
  CHECK_FALSE(same_bits(values("1.weight"), values("2.weight")));

  const auto first = values("0.weight");
  twice.initialize(8);
  CHECK_FALSE(same_bits(first, values("0.weight")));
  twice.initialize(7);
  CHECK(same_bits(first, values("0.weight")));
}

TEST_CASE("weights begin by the rule that suits the activation, biases at 0",
          "[layers][initializers]") {
  const tested<double> be;
  const auto first = [&](auto spec) {
    network<tested<double>> net{be, {spec}};
    for (const double b : doubles(be, net.values("0.bias"))) REQUIRE(b == 0);
    return doubles(be, net.values("0.weight"));
  };
  check_moments(first(dense{rows, cols, relu{}}), 0, 2.0 / rows, bell);
  check_moments(first(dense{rows, cols, selu{}}), 0, 1.0 / rows, bell);
  check_moments(first(dense{rows, cols, fn::sigmoid{}}), 0, 2.0 / (rows + cols), flat);
  check_moments(first(dense{rows, cols}), 0, 2.0 / (rows + cols), flat);
  check_moments(first(dense{rows, cols, relu{}}.weights(init::normal(0, 3))), 0, 9, bell);
}

}  // namespace initializers_test
