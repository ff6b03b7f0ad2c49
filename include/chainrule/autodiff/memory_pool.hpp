/// \file
/// `memory_pool<B>`: the reference-counted memory of the values of a graph.
///
/// Matrices of up to `cell` elements are cells of larger allocations and are reused; larger ones
/// are allocations of their own. Several nodes may refer to one buffer (a reshaped matrix, a
/// block); it is freed with the last of them.
#ifndef CHAINRULE_AUTODIFF_MEMORY_POOL_HPP
#define CHAINRULE_AUTODIFF_MEMORY_POOL_HPP

#include <cstdint>
#include <deque>
#include <vector>

#include "chainrule/backend/concept.hpp"

namespace chainrule::detail {

/// Memory with a count of its users.
template <backend B>
struct buffer {
  using pointer = typename matrix<B>::pointer;
  using storage = typename B::template storage<scalar_t<B>>;

  pointer data{};
  storage own;  // empty for a cell, and for borrowed memory
  buffer* next = nullptr;
  std::uint32_t users = 0;
  bool is_cell = false;
};

template <backend B>
class memory_pool {
 public:
  using pointer = typename buffer<B>::pointer;
  static constexpr index_t cell = 16;

  /// Memory for `size` elements, not initialised, with one user.
  [[nodiscard]] buffer<B>* acquire(const B& be, index_t size) {
    const bool small = size <= cell;
    buffer<B>*& list = small ? free_cells_ : free_buffers_;
    if (list == nullptr) small ? add_cells(be) : add_buffer();
    buffer<B>* const found = list;
    if (!small) {
      found->own = be.template allocate<scalar_t<B>>(size);
      found->data = found->own.data();
    }
    list = found->next;
    found->users = 1;
    return found;
  }

  /// The caller's memory, with one user.
  [[nodiscard]] buffer<B>* borrow(pointer data) {
    if (free_buffers_ == nullptr) add_buffer();
    buffer<B>* const b = free_buffers_;
    free_buffers_ = b->next;
    b->data = data;
    b->users = 1;
    return b;
  }

  /// Removes one user, and frees the memory with the last.
  void release(buffer<B>* b) {
    if (--b->users > 0) return;
    if (!b->is_cell) b->own = {};
    buffer<B>*& list = b->is_cell ? free_cells_ : free_buffers_;
    b->next = list;
    list = b;
  }

 private:
  static constexpr index_t cells_at_once = 256;

  void add_buffer() {
    buffers_.emplace_back();
    buffers_.back().next = free_buffers_;
    free_buffers_ = &buffers_.back();
  }
  void add_cells(const B& be) {
    pieces_.push_back(be.template allocate<scalar_t<B>>(cell * cells_at_once));
    for (index_t i = cells_at_once; i-- > 0;) {
      buffer<B>& b = buffers_.emplace_back();
      b.data = pieces_.back().data() + i * cell;
      b.is_cell = true;
      b.next = free_cells_;
      free_cells_ = &b;
    }
  }

  std::deque<buffer<B>> buffers_;  // addresses stay
  std::vector<typename buffer<B>::storage> pieces_;
  buffer<B>* free_cells_ = nullptr;
  buffer<B>* free_buffers_ = nullptr;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_AUTODIFF_MEMORY_POOL_HPP
