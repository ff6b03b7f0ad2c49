/// \file
/// A row of the table of numbers that the texts print: checks ours against them, and prints them
/// on a line that begins with the row's id.
///
///     row r("N1");
///     r.exact(product, 4);
///     r.digits(e, 2.7182818, 1e-7);   // to the last digit that the text has
///     r.rounded(out, -5.8706);        // the text is exact, its decimals have no exact double
#ifndef CHAINRULE_TESTS_SEEDS_ROW_HPP
#define CHAINRULE_TESTS_SEEDS_ROW_HPP

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/backend_list.hpp"
#include "support/catch.hpp"

namespace seeds {

/// The backend that this program tests, in double.
using backends = std::tuple<support::tested<double>>;

class row {
 public:
  explicit row(std::string id) : line_(std::move(id)) {}
  row(const row&) = delete;
  row& operator=(const row&) = delete;
  ~row() { std::printf("%s\n", line_.c_str()); }

  void exact(double got, double want) { compare(got, want, 0); }
  /// Within half a unit of the last digit (a hair more, for that is rounded itself).
  void digits(double got, double want, double last) { compare(got, want, 0.501 * last); }
  /// Within a few roundings of numbers of that size, or of 1 that cancelled.
  void rounded(double got, double want) {
    compare(got, want, 16 * std::numeric_limits<double>::epsilon() * std::fmax(1, std::fabs(want)));
  }
  void exact(const std::vector<double>& got, const std::vector<double>& want) {
    each(got, want, [&](double g, double w) { exact(g, w); });
  }
  void digits(const std::vector<double>& got, const std::vector<double>& want, double last) {
    each(got, want, [&](double g, double w) { digits(g, w, last); });
  }
  void rounded(const std::vector<double>& got, const std::vector<double>& want) {
    each(got, want, [&](double g, double w) { rounded(g, w); });
  }
  void note(const std::string& text) { line_ += " (" + text + ")"; }

 private:
  void compare(double got, double want, double tolerance) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), " %.10g", got);
    line_ += text.data();
    CAPTURE(line_, got, want, tolerance);
    CHECK(std::fabs(got - want) <= tolerance);
  }
  static void each(const std::vector<double>& got, const std::vector<double>& want,
                   const auto& compare_one) {
    REQUIRE(got.size() == want.size());
    for (std::size_t i = 0; i < got.size(); ++i) compare_one(got[i], want[i]);
  }

  std::string line_;
};

}  // namespace seeds

#endif  // CHAINRULE_TESTS_SEEDS_ROW_HPP
