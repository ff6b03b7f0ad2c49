/// \file
/// Extents: the signed integer type that counts rows and columns, and a pair of them.
///
///     chainrule::shape s{60000, 784};
///     std::puts(to_string(s).c_str());  // 60000x784
///
/// See also core/view.hpp (a shape with data).
#ifndef CHAINRULE_CORE_SHAPE_HPP
#define CHAINRULE_CORE_SHAPE_HPP

#include <cstddef>
#include <limits>
#include <string>

#include "chainrule/core/compiler.hpp"
#include "chainrule/core/error.hpp"

namespace chainrule {

/// Counts elements, rows and columns. Signed, so that differences are what they look like.
using index_t = std::ptrdiff_t;

/// An extent that is only known at run time.
inline constexpr index_t dynamic = -1;

namespace detail {

/// No matrix has more elements: their bytes can be counted, whatever the scalar.
inline constexpr index_t most_elements = std::numeric_limits<index_t>::max() / 16;

/// Whether extents, whose bits are or-ed here, are at least 0 and so small that a product of two
/// can be counted: nearly always, and in one comparison.
[[nodiscard]] constexpr bool is_small(index_t bits) {
  return static_cast<std::size_t>(bits) >> 29U == 0;
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_extents(index_t rows, index_t cols) {
  throw shape_error(
      rows < 0 || cols < 0
          ? concat("a matrix needs extents of at least 0, got ", rows, "x", cols)
          : concat("a matrix of ", rows, "x", cols, " has more elements than can be counted"));
}

/// rows * cols: wherever extents are multiplied that come from outside. Throws shape_error if one
/// is negative or the product above most_elements.
[[nodiscard]] constexpr index_t elements_of(index_t rows, index_t cols) {
  if (is_small(rows | cols)) return rows * cols;
  index_t product = 0;
  if (rows < 0 || cols < 0 || __builtin_mul_overflow(rows, cols, &product) ||
      product > most_elements)
    refuse_extents(rows, cols);
  return product;
}

/// Throws value_error unless there may be so many elements.
constexpr void require_countable(index_t elements) {
  if (elements < 0 || elements > most_elements)
    throw value_error(concat("cannot allocate ", elements, " elements"));
}

}  // namespace detail

/// Rows (samples) by columns (features).
struct shape {
  index_t rows = 0;
  index_t cols = 0;

  /// Throws shape_error if they cannot be counted.
  [[nodiscard]] constexpr index_t size() const { return detail::elements_of(rows, cols); }
  friend constexpr bool operator==(const shape&, const shape&) = default;
};

/// "rows x cols" without spaces, as error messages print it.
[[nodiscard]] inline std::string to_string(shape s) {
  return std::to_string(s.rows) + "x" + std::to_string(s.cols);
}

}  // namespace chainrule

#endif  // CHAINRULE_CORE_SHAPE_HPP
