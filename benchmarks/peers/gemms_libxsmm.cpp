/// \file
/// The products of gemms.hpp by kernels that libxsmm generates for tiles of them; OpenMP divides
/// the tiles. Its matrices are by columns, so it computes c' = b' a' of ours. It has kernels for a
/// transposed right operand only: the weights are transposed first where they are on the left.

#include <libxsmm.h>
#include <omp.h>

#include <stdexcept>

#include "gemms.hpp"

namespace {

/// Of c: its rows and columns per tile, and the products that a tile's kernel adds up.
constexpr int tile_rows = 48;
constexpr int tile_cols = 64;
constexpr int tile_depth = 512;

struct library {
  library(const product& p, int threads) : p_(p), threads_(threads) {
    if (p.b_transposed) transposed_.resize(gemm_buffers::size(p.k, p.n));
    for (int first = 0; first < p.k; first += tile_depth) {
      const int depth = std::min(tile_depth, p.k - first);
      slices_.push_back({kernel(tile_cols, tile_rows, depth, first > 0),
                         kernel(p.n % tile_cols, tile_rows, depth, first > 0),
                         kernel(tile_cols, p.m % tile_rows, depth, first > 0),
                         kernel(p.n % tile_cols, p.m % tile_rows, depth, first > 0)});
    }
  }

  void operator()() const {
    const float* b = p_.b;
    if (p_.b_transposed) {
      const auto rows = static_cast<libxsmm_blasint>(p_.k);
      const auto cols = static_cast<libxsmm_blasint>(p_.n);
      libxsmm_otrans(transposed_.data(), p_.b, sizeof(float), rows, cols, rows, cols);
      b = transposed_.data();
    }
    const int down = (p_.m + tile_rows - 1) / tile_rows;
    const int across = (p_.n + tile_cols - 1) / tile_cols;
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (int tile = 0; tile < down * across; ++tile) {
      const int row = tile % down * tile_rows;
      const int col = tile / down * tile_cols;
      const std::size_t which =
          (col + tile_cols > p_.n ? 1U : 0U) + (row + tile_rows > p_.m ? 2U : 0U);
      float* c = p_.c + static_cast<std::ptrdiff_t>(row) * p_.n + col;
      for (std::size_t d = 0; d < slices_.size(); ++d) {
        const auto at = static_cast<std::ptrdiff_t>(d) * tile_depth;
        const float* a = p_.a_transposed ? p_.a + at * p_.m + row
                                         : p_.a + static_cast<std::ptrdiff_t>(row) * p_.k + at;
        slices_[d].kernels[which](b + at * p_.n + col, a, c);
      }
    }
  }

 private:
  struct slice {
    libxsmm_smmfunction kernels[4];  // whole tiles; those at the right, below, in the corner
  };

  /// Null for a tile that there is not.
  [[nodiscard]] libxsmm_smmfunction kernel(int cols, int rows, int depth, bool adds) const {
    if (cols == 0 || rows == 0 || cols > p_.n || rows > p_.m) return nullptr;
    const libxsmm_blasint stride_b = p_.n;
    const libxsmm_blasint stride_a = p_.a_stride();
    const libxsmm_blasint stride_c = p_.n;
    const float alpha = 1;
    const float beta = adds ? 1.0F : 0.0F;
    const int flags = p_.a_transposed ? LIBXSMM_GEMM_FLAG_TRANS_B : LIBXSMM_GEMM_FLAG_NONE;
    const int prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
    const auto made = libxsmm_smmdispatch(cols, rows, depth, &stride_b, &stride_a, &stride_c,
                                          &alpha, &beta, &flags, &prefetch);
    if (made == nullptr) throw std::runtime_error("libxsmm has no kernel for a product");
    return made;
  }

  product p_;
  [[maybe_unused]] int threads_;
  mutable std::vector<float> transposed_;
  std::vector<slice> slices_;
};

}  // namespace

int main(int argc, char** argv) {
  return contend(argc, argv, [](const setting& s) {
    return serve_gemms<library>(s, std::string(LIBXSMM_VERSION) + ", " + libxsmm_get_target_arch());
  });
}
