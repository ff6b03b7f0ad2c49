/// \file
/// Host memory from which matrices are copied to a backend's memory.
///
///     staging_of<B, std::uint8_t> s(be, 64 * 784);
///     std::copy(first, last, s.data());            // waits until the last copy is done
///     be.gather(x, s.send(64, 784), rows);         // both are queued
///     s.done();                                    // no verb queued later reads the matrix
///
/// With two stagings the host fills one while the matrix of the other is copied and the backend
/// computes.
#ifndef CHAINRULE_MEMORY_STAGING_HPP
#define CHAINRULE_MEMORY_STAGING_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "chainrule/backend/concept.hpp"
#include "chainrule/core/host_vector.hpp"

namespace chainrule {

/// Staging by a blocking upload, for backends without a staging of their own.
template <backend B, class T>
class blocking_staging {
 public:
  /// Allocates `size` elements on the host and as many in the memory of the backend.
  blocking_staging(const B& be, index_t size)
      : be_(be), host_(detail::host_vector<T>(size)), memory_(be.template allocate<T>(size)) {}

  [[nodiscard]] T* data() { return host_.data(); }
  /// Copies the staged elements to the backend and waits; returns the copy.
  [[nodiscard]] typename B::template view<const T> send(index_t rows, index_t cols) {
    const typename B::template view<T> sent(memory_.data(), rows, cols);
    be_.upload(sent, matrix_view<const T>(host_.data(), rows, cols));
    return sent;
  }
  /// Does nothing: copies have ended when send returns.
  void done() {}

 private:
  B be_;
  std::vector<T> host_;
  typename B::template storage<T> memory_;
};

namespace detail {
template <class B, class T>
struct staging_of {
  using type = blocking_staging<B, T>;
};
template <staging_backend B, class T>
struct staging_of<B, T> {
  using type = typename B::template staging<T>;
};
}  // namespace detail

/// Memory for matrices of up to `size` elements: `staging_of<B, T> s(be, size)`.
///
///     s.data()             memory for the next matrix, row by row; waits for the last copy
///     s.send(rows, cols)   queues the copy and returns the matrix in the backend's memory
///     s.done()             declares that no verb queued later reads it
template <backend B, class T>
using staging_of = typename detail::staging_of<B, T>::type;

}  // namespace chainrule

#endif  // CHAINRULE_MEMORY_STAGING_HPP
