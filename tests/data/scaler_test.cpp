// Scalers: values by hand, the way back, and text that keeps every bit.
#include "chainrule/data/scaler.hpp"

#include <cmath>
#include <limits>

#include "chainrule/core/philox.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"

namespace scaler_test {

using namespace chainrule;
using namespace data_test;

namespace {

host_matrix matrix(index_t cols, const std::vector<double>& elements) {
  return matrix_view<const double>(elements.data(), static_cast<index_t>(elements.size()) / cols,
                                   cols);
}

}  // namespace

TEST_CASE("scaler: standard and min-max, by hand") {
  // Columns 2, 4, 6, 8: mean 5, deviation sqrt(5); and a constant one.
  const host_matrix x = matrix(2, {2, 0.1, 4, 0.1, 6, 0.1, 8, 0.1});
  const scaler standard = scaler::standard(x);
  CHECK(standard.columns() == 2);
  CHECK(standard.offsets() == std::vector<double>{5, 0.1});
  CHECK(standard.units()[0] == Approx(std::sqrt(5.0)).epsilon(1e-15));
  CHECK(standard.units()[1] == 1);
  const host_matrix s = standard.transform(x);
  CHECK(s(0, 0) == Approx(-3 / std::sqrt(5.0)).epsilon(1e-15));
  CHECK(s(3, 0) == Approx(3 / std::sqrt(5.0)).epsilon(1e-15));
  CHECK(s(2, 1) == 0);

  const scaler range = scaler::min_max(x);
  CHECK(range.transform(x) == matrix(2, {0, 0, 2.0 / 6, 0, 4.0 / 6, 0, 1, 0}));
  CHECK(range.inverse(matrix(2, {0.5, 2})) == matrix(2, {5, 2.1}));
  // Other data is scaled by the numbers of the data that was fitted.
  CHECK(range.transform(matrix(2, {14, 1.1}))(0, 0) == 2);
}

TEST_CASE("scaler: inverse undoes transform") {
  random_stream random{3};
  host_matrix x(50, 3);
  for (index_t i = 0; i < 50; ++i) {
    x(i, 0) = 1e6 + random.normal();
    x(i, 1) = 1e-9 * random.normal();
    x(i, 2) = random.uniform(-5, 100);
  }
  for (const scaler& s : {scaler::standard(x), scaler::min_max(x)}) {
    const host_matrix back = s.inverse(s.transform(x));
    for (index_t i = 0; i < 50; ++i)
      for (index_t j = 0; j < 3; ++j)  // three roundings, of numbers up to |x| + |offset|
        CHECK(std::abs(back(i, j) - x(i, j)) <=
              4 * std::numeric_limits<double>::epsilon() *
                  (std::abs(x(i, j)) + std::abs(s.offsets()[static_cast<std::size_t>(j)])));
  }
  const scaler s = scaler::standard(x);
  CHECK(scaler::from_text(s.text()) == s);  // to the bit
}

TEST_CASE("scaler: what is refused") {
  CHECK_THROWS_AS(scaler({1}, {}), shape_error);
  CHECK_THROWS_AS(scaler({1}, {0}), value_error);
  CHECK_THROWS_AS(scaler({1}, {-1}), value_error);
  CHECK_THROWS_AS(scaler::standard(host_matrix(0, 2)), value_error);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(message_of<value_error>([&] {
          (void)scaler::min_max(matrix(2, {1, 2, 3, nan}));
        }) == "a scaler is fitted to finite numbers, column 1 has nan in row 1");
  CHECK_THROWS_AS(scaler({1, 2}, {1, 1}).transform(host_matrix(3, 1)), shape_error);
  CHECK_THROWS_AS(scaler({1, 2}, {1, 1}).inverse(host_matrix(3, 3)), shape_error);
  const std::string whole = scaler({1.5, -2}, {0.25, 3e10}).text();
  CHECK(whole == "offset 1.5 -2 unit 0.25 3e+10");
  std::size_t accepted = 0;
  for (std::size_t n = 1; n < whole.size(); ++n) try {
      (void)scaler::from_text(whole.substr(0, n));
      ++accepted;
    } catch (const format_error&) {
    }
  CHECK(accepted == 2);  // those that end with 3 and with 3e+1; the checksum of a file tells them
  for (const char* const bad : {"unit 1", "offset 1 unit", "offset 1 unit 0", "1",
                                "offset 1 unit nan", "offset 1 unit 1 unit 1"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(scaler::from_text(bad), format_error);
  }
}

}  // namespace scaler_test
