/// \file
/// Conversion of labels of any arithmetic type to class numbers.
///
///     const int c = detail::class_number(labels[i], i, 10);   // 2.0F is 2, 2.5F is refused
#ifndef CHAINRULE_CORE_CLASS_NUMBER_HPP
#define CHAINRULE_CORE_CLASS_NUMBER_HPP

#include <cmath>
#include <type_traits>
#include <utility>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"

namespace chainrule::detail {

/// The label of a sample as an int. Throws value_error unless it is a whole number of
/// 0, ..., classes - 1.
template <class Label>
[[nodiscard]] int class_number(Label label, std::size_t sample, int classes) {
  static_assert(std::is_arithmetic_v<Label> || std::is_enum_v<Label>,
                "chainrule: labels are whole numbers: of an integer type, a floating-point type or "
                "an enumeration");
  if constexpr (std::is_enum_v<Label>) {
    return class_number(static_cast<std::underlying_type_t<Label>>(label), sample, classes);
  } else if constexpr (std::is_floating_point_v<Label>) {
    const auto number = static_cast<double>(label);
    if (!is_finite(number) || number < 0 || number >= classes || std::floor(number) != number)
      detail::fail<value_error>("the label of sample ", sample, " is ", number,
                                ", expected a whole number from 0 to ", classes - 1);
    return static_cast<int>(number);
  } else {
    const auto number = +label;  // char and bool are integers too
    if (std::cmp_less(number, 0) || std::cmp_greater_equal(number, classes))
      detail::fail<value_error>("the label of sample ", sample, " is ", number, ", expected 0 to ",
                                classes - 1);
    return static_cast<int>(number);
  }
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_CLASS_NUMBER_HPP
