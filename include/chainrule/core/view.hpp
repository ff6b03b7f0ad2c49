/// \file
/// `matrix_view`: a non-owning view of a row-major matrix.
///
/// Rows are samples, columns are features: the [batch, features] of NumPy and PyTorch. The rows
/// lie `stride` elements apart; within a row elements are adjacent.
///
///     float data[6] = {1, 2, 3, 4, 5, 6};
///     chainrule::matrix_view<float> m{data, 2, 3};
///     m(1, 0);            // 4
///     m.middle_rows(1, 1);  // the second row, 1x3
///
/// See also backend/concept.hpp (`matrix<B>`, the view in a backend's memory).
#ifndef CHAINRULE_CORE_VIEW_HPP
#define CHAINRULE_CORE_VIEW_HPP

#include <concepts>
#include <limits>
#include <string>
#include <type_traits>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// A row-major matrix of `T` that does not own its elements.
///
/// `Pointer` is the backend's type of addresses: `T*` in host memory, else a handle with an offset
/// (it needs `+ index_t` and conversion to the const pointer). A view of `const T` is made from a
/// view of `T` implicitly.
template <class T, class Pointer = T*>
class matrix_view {
 public:
  using value_type = T;
  using pointer = Pointer;

  constexpr matrix_view() = default;

  /// `rows` x `cols` elements at `data`; rows `stride` elements apart (`cols` if not given).
  /// Throws shape_error if an extent is negative, the stride shorter than a row, or the whole
  /// larger than any memory; value_error if there are elements, but `data` is null.
  constexpr matrix_view(Pointer data, index_t rows, index_t cols, index_t stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {
    if (!detail::is_small(rows | cols | stride) || stride < cols || is_null(data)) check();
  }
  /// Rows that follow one another without a gap. Throws as the constructor with a stride does.
  constexpr matrix_view(Pointer data, index_t rows, index_t cols)
      : matrix_view(data, rows, cols, cols) {}

  /// A view of `const T` of the same elements.
  template <class U, class OtherPointer>
  requires(
      std::same_as<const U, T> && !std::same_as<U, T> &&
      std::convertible_to<OtherPointer,
                          Pointer>) constexpr matrix_view(const matrix_view<U, OtherPointer>&
                                                              other)  // NOLINT: implicit by design
      : data_(other.data()), rows_(other.rows()), cols_(other.cols()), stride_(other.stride()) {}

  /// A view whose extents are known to be valid: none of the checks is made.
  [[nodiscard]] static constexpr matrix_view unchecked(Pointer data, index_t rows, index_t cols,
                                                       index_t stride) {
    matrix_view view;
    view.data_ = data;
    view.rows_ = rows;
    view.cols_ = cols;
    view.stride_ = stride;
    return view;
  }

  [[nodiscard]] constexpr Pointer data() const { return data_; }
  [[nodiscard]] constexpr index_t rows() const { return rows_; }
  [[nodiscard]] constexpr index_t cols() const { return cols_; }
  [[nodiscard]] constexpr index_t stride() const { return stride_; }
  [[nodiscard]] constexpr index_t size() const { return rows_ * cols_; }
  [[nodiscard]] constexpr bool empty() const { return rows_ == 0 || cols_ == 0; }
  [[nodiscard]] constexpr chainrule::matrix_shape shape() const { return {rows_, cols_}; }

  /// Whether the elements are contiguous.
  [[nodiscard]] constexpr bool contiguous() const { return stride_ == cols_ || rows_ <= 1; }

  /// The element at row i, column j; not checked. Only in host memory.
  [[nodiscard]] constexpr T& operator()(index_t i,
                                        index_t j) const requires std::is_pointer_v<Pointer> {
    return data_[i * stride_ + j];
  }

  /// The rows [first, first + count). Throws shape_error if they are not within the view.
  [[nodiscard]] constexpr matrix_view middle_rows(index_t first, index_t count) const {
    return block(first, 0, count, cols_);
  }

  /// The block of `rows` x `cols` elements whose first is (i, j). Throws shape_error if it does
  /// not lie within the view.
  [[nodiscard]] constexpr matrix_view block(index_t i, index_t j, index_t rows,
                                            index_t cols) const {
    if (i < 0 || j < 0 || rows < 0 || cols < 0 || i > rows_ - rows || j > cols_ - cols)
      refuse_block(i, j, rows, cols);
    // An empty block may start past the end: do not form an address there.
    const bool nothing = rows == 0 || cols == 0;
    return unchecked(nothing ? data_ : data_ + (i * stride_ + j), rows, cols, stride_);
  }

 private:
  [[nodiscard]] static constexpr bool is_null(Pointer data) {
    if constexpr (std::is_pointer_v<Pointer>)
      return data == nullptr;
    else
      return false;
  }

  [[noreturn, gnu::cold, gnu::noinline]] constexpr void refuse_block(index_t i, index_t j,
                                                                     index_t rows,
                                                                     index_t cols) const {
    detail::fail<shape_error>("the block of ", rows, "x", cols, " at (", i, ", ", j,
                              ") does not lie within a matrix of ", rows_, "x", cols_);
  }

  // The rare checks, not inlined, to keep the constructor small. An empty view may have any stride
  // and no data, a single row any stride.
  [[gnu::cold, gnu::noinline]] constexpr void check() const {
    if (rows_ < 0 || cols_ < 0 || stride_ < cols_)
      detail::fail<shape_error>("a matrix view needs extents of at least 0 and a stride of ",
                                "at least one row, got ", rows_, "x", cols_, " with stride ",
                                stride_);
    if (empty()) return;
    if (is_null(data_))
      detail::fail<value_error>("a matrix view of ", rows_, "x", cols_,
                                " needs its elements, got a null pointer");
    index_t extent = rows_ == 1 ? cols_ : 0;
    if (extent == 0 && __builtin_mul_overflow(rows_, stride_, &extent))
      extent = std::numeric_limits<index_t>::max();
    if (extent > detail::most_elements)
      detail::fail<shape_error>("a matrix view of ", rows_, "x", cols_, " with stride ", stride_,
                                " would be larger than any memory");
  }

  Pointer data_{};
  index_t rows_ = 0;
  index_t cols_ = 0;
  index_t stride_ = 0;
};

// Deduces the element type: matrix_view(data, n, d).
template <class T>
matrix_view(T*, index_t, index_t) -> matrix_view<T>;
template <class T>
matrix_view(T*, index_t, index_t, index_t) -> matrix_view<T>;

}  // namespace chainrule

#endif  // CHAINRULE_CORE_VIEW_HPP
