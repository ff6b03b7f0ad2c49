/// \file
/// Rows of the table of gradients: each checks a bound, and prints how far it was from it on a line
/// that tests/gradients.sh reads:
///
///     gradient|cpu|double|layers|dropout|1.2e-09
///
/// In double a row is the worst relative error of an analytic gradient against central differences
/// (gradient_report). In float it is the distance of the gradient from the one in double at the
/// same point (numbers that both have), relative to the largest element of that gradient.
///
/// The environment variable CHAINRULE_TEST_GRADIENTS, "double" or "float", leaves out the rows of
/// the other scalar: on a device, whose kernels are compiled one by one, all of them take minutes.
#ifndef CHAINRULE_TESTS_GRADIENTS_ROW_HPP
#define CHAINRULE_TESTS_GRADIENTS_ROW_HPP

#include <cstdio>
#include <cstdlib>

#include "autodiff/differences.hpp"

namespace gradients {

using namespace differences;

/// Gradients with respect to several things, row by row.
using gradient_list = std::vector<std::vector<double>>;

/// Every number as a float has it.
[[nodiscard]] inline plain_matrix rounded(plain_matrix m) {
  for (double& x : m.elements) x = static_cast<double>(static_cast<float>(x));
  return m;
}

/// Whether rows of this scalar are wanted.
[[nodiscard]] inline bool wanted(const char* scalar) {
  const char* only = std::getenv("CHAINRULE_TEST_GRADIENTS");
  return only == nullptr || std::string(only) == scalar;
}

/// A row, printed when it is complete: the worst of what is added to it.
class table_row {
 public:
  table_row(const char* scalar, std::string group, std::string name)
      : scalar_(scalar), group_(std::move(group)), name_(std::move(name)) {}
  table_row(const table_row&) = delete;
  table_row& operator=(const table_row&) = delete;
  ~table_row() {
    if (worst_ >= 0 || std::isnan(worst_))
      std::printf("gradient|%s|%s|%s|%s|%.1e\n", support::tested<double>{}.name().c_str(), scalar_,
                  group_.c_str(), name_.c_str(), worst_);
  }

 protected:
  void keep(double error) {
    if (!(error <= worst_)) worst_ = error;
  }
  [[nodiscard]] std::string title() const { return group_ + ", " + name_; }

 private:
  const char* scalar_;
  std::string group_;
  std::string name_;
  double worst_ = -1;
};

/// In double. No element may lie at a kink, so that functions with kinks are held to the tolerance
/// of smooth ones.
class double_row : public table_row {
 public:
  double_row(const std::string& group, const std::string& name)
      : table_row("double", group, name) {}
  /// `elements` are those of all gradients that were to be compared.
  void add(const gradient_report& report, index_t elements) {
    INFO(title() << ": " << to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
    CHECK(report.compared == elements);
    keep(report.worst);
  }
};

/// In float. `terms` are those of the sums that one element of a gradient goes through, each of
/// which is rounded; each of so many functions on the way may be off by 16 units in the last place,
/// which is what OpenCL allows of the least precise ones (pow, erf).
class float_row : public table_row {
 public:
  float_row(const std::string& group, const std::string& name) : table_row("float", group, name) {}
  void add(const gradient_list& single, const gradient_list& exact, index_t terms,
           index_t functions) {
    const double bound =
        epsilon<support::tested<float>> * static_cast<double>(terms + 16 * functions);
    REQUIRE(single.size() == exact.size());
    for (std::size_t k = 0; k < single.size(); ++k) {
      const double off = distance(single[k], exact[k]);
      const double error = off == 0 ? 0 : off / largest(exact[k]);  // infinite where that is 0
      INFO(title() << ": gradient " << k << " in float is off by " << error << ", at most "
                   << bound);
      CHECK(error <= bound);
      keep(error);
    }
  }
};

}  // namespace gradients

#endif  // CHAINRULE_TESTS_GRADIENTS_ROW_HPP
