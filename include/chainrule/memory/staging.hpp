/// \file
/// Host memory that matrices are sent from, to where a backend reads them.
///
///     staging_of<B, std::uint8_t> s(be, 64 * 784);
///     std::copy(first, last, s.data());            // waits until the last matrix has left
///     be.gather(x, s.send(64, 784), rows);         // queued; `x` has it when it is read
///     s.done();                                    // the matrix was read, as far as is asked for
///
/// With two of them the host fills one while the other's matrix is on its way and the backend
/// computes.
#ifndef CHAINRULE_MEMORY_STAGING_HPP
#define CHAINRULE_MEMORY_STAGING_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "chainrule/backend/concept.hpp"
#include "chainrule/core/host_vector.hpp"

namespace chainrule {

/// For backends without a staging of their own: an ordinary upload, which waits.
template <backend B, class T>
class blocking_staging {
 public:
  blocking_staging(const B& be, index_t size)
      : be_(be), host_(detail::host_vector<T>(size)), memory_(be.template allocate<T>(size)) {}

  [[nodiscard]] T* data() { return host_.data(); }
  [[nodiscard]] typename B::template view<const T> send(index_t rows, index_t cols) {
    const typename B::template view<T> sent(memory_.data(), rows, cols);
    be_.upload(sent, matrix_view<const T>(host_.data(), rows, cols));
    return sent;
  }
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
///     s.data()             where the host writes, row by row; waits until it may
///     s.send(rows, cols)   sends that matrix, and gives it as the backend's
///     s.done()             what was asked of the backend until now is all that reads it
template <backend B, class T>
using staging_of = typename detail::staging_of<B, T>::type;

}  // namespace chainrule

#endif  // CHAINRULE_MEMORY_STAGING_HPP
