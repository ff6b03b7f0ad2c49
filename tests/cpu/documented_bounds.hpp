/// \file
/// The bounds of the functions of the vocabulary, in units in the last place, as the table of
/// docs/activations.md states them: what users read is what the tests hold the functions to.
#ifndef CHAINRULE_TESTS_CPU_DOCUMENTED_BOUNDS_HPP
#define CHAINRULE_TESTS_CPU_DOCUMENTED_BOUNDS_HPP

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>

#include "support/catch.hpp"

/// A row of the table: | `exp` | 1.2 | 1.3 |
struct documented_bound {
  long double of_floats = -1;
  long double of_doubles = -1;

  template <class T>
  [[nodiscard]] long double of() const {
    return sizeof(T) == sizeof(float) ? of_floats : of_doubles;
  }
};

/// The rows of the table behind "## Accuracy", by the name of the function.
[[nodiscard]] inline std::map<std::string, documented_bound> documented_bounds() {
  std::ifstream page(CHAINRULE_TEST_ACCURACY_PAGE);
  std::map<std::string, documented_bound> bounds;
  std::string line;
  bool is_inside = false;
  while (std::getline(page, line)) {
    if (line.starts_with("#")) is_inside = line == "## Accuracy";
    if (!is_inside || !line.starts_with("| `")) continue;
    std::replace(line.begin(), line.end(), '|', ' ');
    std::replace(line.begin(), line.end(), '`', ' ');
    std::istringstream cells(line);
    std::string name;
    documented_bound bound;
    cells >> name >> bound.of_floats >> bound.of_doubles;
    bounds[name] = bound;
  }
  return bounds;
}

/// How far `got` is from the exact value, in units in the last place of that value as a T; 0 for
/// what the exact value is rounded to, infinite where one is NaN or infinite and the other is not.
template <class T>
[[nodiscard]] long double ulps_off(T got, long double exact) {
  using limits = std::numeric_limits<T>;
  if (exact != exact) return got != got ? 0 : std::numeric_limits<long double>::infinity();
  if (got == static_cast<T>(exact)) return 0;
  if (got != got || got - got != 0) return std::numeric_limits<long double>::infinity();
  int power = 0;
  std::frexp(exact, &power);  // |exact| is between 2^(power - 1) and 2^power
  const int unit = std::max(power - limits::digits, limits::min_exponent - limits::digits);
  return std::fabs(std::ldexp(static_cast<long double>(got) - exact, -unit));
}

#endif  // CHAINRULE_TESTS_CPU_DOCUMENTED_BOUNDS_HPP
