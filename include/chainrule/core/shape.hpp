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
#include <string>

namespace chainrule {

/// Counts elements, rows and columns. Signed, so that differences are what they look like.
using index_t = std::ptrdiff_t;

/// An extent that is only known at run time.
inline constexpr index_t dynamic = -1;

/// Rows (samples) by columns (features).
struct shape {
  index_t rows = 0;
  index_t cols = 0;

  [[nodiscard]] constexpr index_t size() const { return rows * cols; }
  friend constexpr bool operator==(const shape&, const shape&) = default;
};

/// "rows x cols" without spaces, as error messages print it.
[[nodiscard]] inline std::string to_string(shape s) {
  return std::to_string(s.rows) + "x" + std::to_string(s.cols);
}

}  // namespace chainrule

#endif  // CHAINRULE_CORE_SHAPE_HPP
