/// \file
/// The result of a check of gradients, as a value and as a line of text.
#ifndef CHAINRULE_TESTING_GRADIENT_REPORT_HPP
#define CHAINRULE_TESTING_GRADIENT_REPORT_HPP

#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// The result of check_gradients.
struct gradient_report {
  double worst = 0;  // the largest relative error; infinite if an element was not written
  /// Its position: "0.weight" or "input" of a network, "input 1" of a function.
  std::string parameter;
  index_t row = 0;  // and the element
  /// Column of the worst element.
  index_t col = 0;
  double analytic = 0;  // by backward
  double numeric = 0;   // by differences
  /// Number of elements that were compared.
  index_t compared = 0;
  index_t skipped = 0;      // elements skipped at kinks
  std::string zero;         // the first parameter or input whose gradient is zero everywhere
  double tolerance = 1e-6;  // of the options
  /// Whether a gradient that is zero everywhere is accepted.
  bool allow_zero = false;

  /// At most a quarter of the elements may lie at kinks, so that a check cannot pass by skipping.
  [[nodiscard]] bool passed() const {
    return worst <= tolerance && compared > 0 && skipped <= compared / 3 &&
           (zero.empty() || allow_zero);
  }
};

/// The report as one line.
[[nodiscard]] inline std::string to_string(const gradient_report& r) {
  const std::string counts =
      detail::concat("; ", r.compared, " compared, ", r.skipped, " left out at kinks");
  const std::string element = detail::concat(r.parameter, "(", r.row, ", ", r.col, ")");
  if (detail::is_nan(r.analytic))
    return detail::concat("gradients differ: backward did not write ", element,
                          ", or wrote NaN; by differences it is ", r.numeric, counts);
  const std::string worst =
      detail::concat("worst relative error ", r.worst, " at ", element, ", analytic ", r.analytic,
                     ", numeric ", r.numeric, counts);
  if (!(r.worst <= r.tolerance))
    return detail::concat("gradients differ by more than ", r.tolerance, ": ", worst);
  if (!r.zero.empty() && !r.allow_zero)
    return detail::concat("nothing is proven: every gradient of ", r.zero, " is 0", counts);
  if (r.compared + r.skipped == 0) return "nothing is proven: there are no elements to compare";
  if (!r.passed())
    return "nothing is proven: too many elements lie at kinks, check at another point" + counts;
  return "gradients agree: " + worst;
}

}  // namespace chainrule

#endif  // CHAINRULE_TESTING_GRADIENT_REPORT_HPP
