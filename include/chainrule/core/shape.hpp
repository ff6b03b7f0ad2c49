/// \file
/// Extents: the signed integer type that counts, the shape of a matrix and the shape of a sample.
///
///     matrix_shape batch{60000, 784};   // rows, one per sample, by columns
///     constexpr shape image{28, 28, 1}; // of one sample; channels or features on the last axis
///     image.size();                     // 784 columns in a batch
///     to_string(image);                 // "28x28x1"
///
/// The elements of a sample lie in its row in row-major order. See also core/view.hpp (a matrix
/// shape with data).
#ifndef CHAINRULE_CORE_SHAPE_HPP
#define CHAINRULE_CORE_SHAPE_HPP

#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>

#include "chainrule/core/compiler.hpp"
#include "chainrule/core/error.hpp"

namespace chainrule {

/// Counts elements, rows and columns. Signed, so that differences may be negative.
using index_t = std::ptrdiff_t;

/// An extent that is only known at run time.
inline constexpr index_t dynamic = -1;

namespace detail {

/// The largest number of elements of a matrix, so that their size in bytes does not overflow.
inline constexpr index_t most_elements = std::numeric_limits<index_t>::max() / 16;

/// Whether extents, given by the bitwise or of their values, are not negative and so small that no
/// product of two overflows: one comparison, which nearly always holds.
[[nodiscard]] constexpr bool is_small(index_t bits) {
  return static_cast<std::size_t>(bits) >> 29U == 0;
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_extents(index_t rows, index_t cols) {
  detail::fail<shape_error>(
      rows < 0 || cols < 0
          ? concat("a matrix needs extents of at least 0, got ", rows, "x", cols)
          : concat("a matrix of ", rows, "x", cols, " has more elements than can be counted"));
}

[[nodiscard, gnu::cold, gnu::noinline]] constexpr index_t elements_of_large(index_t rows,
                                                                            index_t cols) {
  index_t product = 0;
  if (rows < 0 || cols < 0 || __builtin_mul_overflow(rows, cols, &product) ||
      product > most_elements)
    refuse_extents(rows, cols);
  return product;
}

/// rows * cols, for extents from outside the library. Throws shape_error if one is negative or the
/// product is above most_elements.
[[nodiscard]] constexpr index_t elements_of(index_t rows, index_t cols) {
  return is_small(rows | cols) ? rows * cols : elements_of_large(rows, cols);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_count(index_t elements) {
  detail::fail<value_error>("cannot allocate ", elements, " elements");
}

/// Throws value_error if the number of elements is negative or above most_elements.
constexpr void require_countable(index_t elements) {
  if (elements < 0 || elements > most_elements) refuse_count(elements);
}

}  // namespace detail

/// Rows (samples) by columns (features).
struct matrix_shape {
  index_t rows = 0;
  index_t cols = 0;

  /// The number of elements. Throws shape_error if it overflows.
  [[nodiscard]] constexpr index_t size() const { return detail::elements_of(rows, cols); }
  friend constexpr bool operator==(const matrix_shape&, const matrix_shape&) = default;
};

/// "rows x cols" without spaces, as error messages print it.
[[nodiscard, gnu::noinline]] inline std::string to_string(matrix_shape s) {
  return detail::concat(s.rows, "x", s.cols);
}

/// Up to `max_rank` extents of at least 1. A default-constructed shape has no axes and stands for
/// "not known".
class shape {
 public:
  /// The greatest number of axes.
  static constexpr index_t max_rank = 6;

  constexpr shape() = default;
  /// Throws shape_error if there are more than `max_rank` extents, if one is below 1, or if their
  /// product overflows index_t.
  constexpr shape(std::initializer_list<index_t> extents) {
    for (const index_t n : extents) append(n);
  }

  /// Whether the shape has any axis.
  [[nodiscard]] constexpr bool is_known() const { return rank_ > 0; }
  /// Number of axes.
  [[nodiscard]] constexpr index_t rank() const { return rank_; }
  /// The number of elements; 0 of a shape that is not known.
  [[nodiscard]] constexpr index_t size() const { return size_; }
  /// The extent of axis i, counted from 0; not checked.
  [[nodiscard]] constexpr index_t operator[](index_t i) const {
    return extents_[static_cast<std::size_t>(i)];
  }
  /// The extent of the last axis: features or channels; 0 of a shape that is not known.
  [[nodiscard]] constexpr index_t last() const { return rank_ == 0 ? 0 : (*this)[rank_ - 1]; }
  /// The product of all extents but the last: how often the last axis is repeated in a sample.
  [[nodiscard]] constexpr index_t positions() const { return rank_ == 0 ? 0 : size_ / last(); }
  /// The shape with another last extent. Throws shape_error as the constructor does.
  [[nodiscard]] constexpr shape with_last(index_t extent) const {
    shape s;
    for (index_t i = 0; i + 1 < rank_; ++i) s.append((*this)[i]);
    s.append(extent);
    return s;
  }
  /// These axes and one more behind them. Throws shape_error as the constructor does.
  [[nodiscard]] constexpr shape followed_by(index_t extent) const {
    shape s = *this;
    s.append(extent);
    return s;
  }
  /// All elements on one axis.
  [[nodiscard]] constexpr shape flattened() const { return is_known() ? shape{size_} : shape{}; }

  friend constexpr bool operator==(const shape&, const shape&) = default;

 private:
  constexpr void append(index_t extent) {
    if (rank_ == max_rank)
      detail::fail<shape_error>("a shape has at most ", max_rank, " axes, got more");
    if (extent < 1)
      detail::fail<shape_error>("the extents of a shape must be at least 1, got ", extent);
    size_ = detail::elements_of(rank_ == 0 ? 1 : size_, extent);
    extents_[static_cast<std::size_t>(rank_)] = extent;
    ++rank_;
  }

  std::array<index_t, static_cast<std::size_t>(max_rank)> extents_{};
  index_t rank_ = 0;
  index_t size_ = 0;
};

/// The extents with an x between them: "28x28x1".
[[nodiscard, gnu::noinline]] inline std::string to_string(const shape& s) {
  std::string text;
  for (index_t i = 0; i < s.rank(); ++i) text += detail::concat(i == 0 ? "" : "x", s[i]);
  return text;
}

}  // namespace chainrule

#endif  // CHAINRULE_CORE_SHAPE_HPP
