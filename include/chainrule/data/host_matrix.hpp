/// \file
/// `host_matrix`: numbers in rows and columns, in memory of its own.
///
///     host_matrix x(100, 8);                          // zeros
///     x(3, 0) = 1.5;
///     const host_matrix y = std::vector<double>{1, 2, 3};   // a column
///     const host_matrix z = eigen_matrix;             // whatever has rows(), cols() and (i, j)
///
/// Rows are samples. What takes a host_matrix (data sets, scalers, predict) so takes vectors, spans
/// and Eigen matrices as well; all are copied. See also core/view.hpp (views, which do not own).
#ifndef CHAINRULE_DATA_HOST_MATRIX_HPP
#define CHAINRULE_DATA_HOST_MATRIX_HPP

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "chainrule/core/class_number.hpp"
#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/host_vector.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule {

class host_matrix;

namespace detail {
/// Whether M is read by rows(), cols() and (i, j): views of the host's memory, Eigen's matrices and
/// expressions.
template <class M>
concept indexed_matrix = !std::same_as<M, host_matrix> && requires(const M& m, index_t i) {
  static_cast<index_t>(m.rows());
  static_cast<index_t>(m.cols());
  static_cast<double>(m(i, i));
};
}  // namespace detail

/// A row-major matrix of double that owns its elements.
class host_matrix {
 public:
  host_matrix() = default;
  /// rows × cols zeros. Throws shape_error if an extent is negative or the size overflows,
  /// out_of_memory.
  host_matrix(index_t rows, index_t cols)
      : rows_(rows),
        cols_(cols),
        elements_(detail::host_vector<double>(detail::elements_of(rows, cols))) {}
  /// A column of numbers.
  template <class T, std::size_t N>
  requires std::is_arithmetic_v<T> host_matrix(std::span<T, N> column)  // NOLINT: implicit
      : rows_(static_cast<index_t>(column.size())), cols_(1) {
    elements_.reserve(column.size());
    for (const T x : column) elements_.push_back(static_cast<double>(x));
  }
  /// A matrix of one column, the elements of the vector.
  template <class T>
  requires(std::is_arithmetic_v<T> && !std::same_as<T, bool>)
      host_matrix(const std::vector<T>& column)  // NOLINT: implicit
      : host_matrix(std::span(column)) {}
  /// A copy of a matrix of another type.
  template <detail::indexed_matrix Matrix>
  host_matrix(const Matrix& m)  // NOLINT: implicit
      : host_matrix(static_cast<index_t>(m.rows()), static_cast<index_t>(m.cols())) {
    for (index_t i = 0; cols_ > 0 && i < rows_; ++i)
      for (index_t j = 0; j < cols_; ++j) (*this)(i, j) = static_cast<double>(m(i, j));
  }

  [[nodiscard]] index_t rows() const { return rows_; }
  [[nodiscard]] index_t cols() const { return cols_; }
  /// The element at row i, column j; not checked.
  [[nodiscard]] double& operator()(index_t i, index_t j) {
    return elements_[static_cast<std::size_t>(i * cols_ + j)];
  }
  /// Element (i, j).
  [[nodiscard]] double operator()(index_t i, index_t j) const {
    return elements_[static_cast<std::size_t>(i * cols_ + j)];
  }
  [[nodiscard]] matrix_view<double> view() { return {elements_.data(), rows_, cols_}; }
  [[nodiscard]] matrix_view<const double> view() const { return {elements_.data(), rows_, cols_}; }

  /// A copy of the rows of those numbers, in that order. Throws value_error if there is no such
  /// row.
  [[nodiscard]] host_matrix select(std::span<const std::int32_t> numbers) const {
    host_matrix result(static_cast<index_t>(numbers.size()), cols_);
    for (index_t i = 0; i < result.rows_; ++i) {
      const std::int32_t row = numbers[static_cast<std::size_t>(i)];
      if (row < 0 || row >= rows_)
        detail::fail<value_error>("there is no row ", row, " in a matrix of ", rows_, " rows");
      for (index_t j = 0; j < cols_; ++j) result(i, j) = (*this)(row, j);
    }
    return result;
  }

  friend bool operator==(const host_matrix&, const host_matrix&) = default;

 private:
  index_t rows_ = 0;
  index_t cols_ = 0;
  std::vector<double> elements_;
};

/// The columns of `left`, and then those of `right`. Throws shape_error if their rows differ.
[[nodiscard]] inline host_matrix join_columns(const host_matrix& left, const host_matrix& right) {
  if (left.rows() != right.rows())
    detail::fail<shape_error>("columns of ", left.rows(), " and of ", right.rows(),
                              " rows do not form one matrix");
  host_matrix result(left.rows(), left.cols() + right.cols());
  for (index_t i = 0; i < left.rows(); ++i) {
    for (index_t j = 0; j < left.cols(); ++j) result(i, j) = left(i, j);
    for (index_t j = 0; j < right.cols(); ++j) result(i, left.cols() + j) = right(i, j);
  }
  return result;
}

/// The numbers of the rows whose elements are all finite: those without missing values, for
/// host_matrix::select and dataset::subset.
[[nodiscard]] inline std::vector<std::int32_t> finite_rows(const host_matrix& m) {
  std::vector<std::int32_t> numbers;
  for (index_t i = 0; i < m.rows(); ++i) {
    bool is_finite = true;
    for (index_t j = 0; j < m.cols(); ++j) is_finite = is_finite && detail::is_finite(m(i, j));
    if (is_finite) numbers.push_back(static_cast<std::int32_t>(i));
  }
  return numbers;
}

/// A row for each class number, n × classes: 1 in the column of the class, else 0. Throws
/// value_error if a number is not 0, ..., classes - 1.
[[nodiscard]] inline host_matrix one_hot(std::span<const int> numbers, int classes) {
  host_matrix result(static_cast<index_t>(numbers.size()), classes);
  for (index_t i = 0; i < result.rows(); ++i)
    result(i, detail::class_number(numbers[static_cast<std::size_t>(i)],
                                   static_cast<std::size_t>(i), classes)) = 1;
  return result;
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_HOST_MATRIX_HPP
