/// \file
/// `tensor<B>`: a matrix that owns its elements, in the memory of backend B.
///
///     tensor<cpu> x(be, 64, 784);               // not initialised
///     be.map(fn::fill{0}, x.view());
///     std::vector<float> host = to_host(be, x.view());
///
/// See also core/view.hpp (matrices that do not own), memory/arena.hpp (many matrices as one).
#ifndef CHAINRULE_MEMORY_TENSOR_HPP
#define CHAINRULE_MEMORY_TENSOR_HPP

#include <utility>
#include <vector>

#include "chainrule/backend/concept.hpp"
#include "chainrule/core/host_vector.hpp"

namespace chainrule {

/// A contiguous row-major matrix. Move-only, 0 x 0 when moved from; const tensors give const views.
template <backend B>
class tensor {
 public:
  tensor() = default;
  /// rows x cols elements, not initialised. Throws shape_error if an extent is negative or the size
  /// overflows, out_of_memory, backend_error.
  tensor(const B& be, index_t rows, index_t cols)
      : storage_(be.template allocate<scalar_t<B>>(detail::elements_of(rows, cols))),
        rows_(rows),
        cols_(cols) {}
  tensor(tensor&& other) noexcept
      : storage_(std::move(other.storage_)),
        rows_(std::exchange(other.rows_, 0)),
        cols_(std::exchange(other.cols_, 0)) {}
  tensor& operator=(tensor&& other) noexcept {
    storage_ = std::move(other.storage_);
    rows_ = std::exchange(other.rows_, 0);
    cols_ = std::exchange(other.cols_, 0);
    return *this;
  }

  [[nodiscard]] matrix<B> view() {
    return matrix<B>::unchecked(storage_.data(), rows_, cols_, cols_);
  }
  [[nodiscard]] const_matrix<B> view() const {
    return const_matrix<B>::unchecked(storage_.data(), rows_, cols_, cols_);
  }
  /// The first `count` rows. Throws shape_error if there are fewer.
  [[nodiscard]] matrix<B> top_rows(index_t count) { return view().middle_rows(0, count); }
  [[nodiscard]] const_matrix<B> top_rows(index_t count) const {
    return view().middle_rows(0, count);
  }

  [[nodiscard]] index_t rows() const { return rows_; }
  [[nodiscard]] index_t cols() const { return cols_; }
  [[nodiscard]] chainrule::matrix_shape shape() const { return {rows_, cols_}; }

 private:
  typename B::template storage<scalar_t<B>> storage_;
  index_t rows_ = 0;
  index_t cols_ = 0;
};

/// The elements in host memory, row by row. Throws out_of_memory.
template <backend B>
[[nodiscard]] std::vector<scalar_t<B>> to_host(const B& be, const_matrix<B> m) {
  std::vector<scalar_t<B>> host = detail::host_vector<scalar_t<B>>(m.size());
  be.download(matrix_view<scalar_t<B>>(host.data(), m.rows(), m.cols()), m);
  be.synchronize();
  return host;
}

/// A tensor with the elements of a matrix in host memory.
template <backend B>
[[nodiscard]] tensor<B> from_host(const B& be, matrix_view<const scalar_t<B>> host) {
  tensor<B> t(be, host.rows(), host.cols());
  be.upload(t.view(), host);
  return t;
}

}  // namespace chainrule

#endif  // CHAINRULE_MEMORY_TENSOR_HPP
