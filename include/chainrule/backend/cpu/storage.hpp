/// \file
/// `cpu_storage<T>`: elements on the heap that begin on a cache line. Move-only.
#ifndef CHAINRULE_BACKEND_CPU_STORAGE_HPP
#define CHAINRULE_BACKEND_CPU_STORAGE_HPP

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/core/huge_pages.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule {

namespace detail {

/// Memory of at least two huge pages begins on one and is in them, where the system has them.
[[nodiscard]] constexpr std::align_val_t memory_alignment(std::size_t bytes) {
  return std::align_val_t{bytes >= 2 * huge_page ? huge_page : 64};
}

/// Throws std::bad_alloc.
[[nodiscard, gnu::noinline]] inline void* allocate_memory(std::size_t bytes) {
  void* const memory = ::operator new(bytes, memory_alignment(bytes));
  prefer_huge_pages(memory, bytes);
  return memory;
}
[[gnu::noinline]] inline void free_memory(void* memory, std::size_t bytes) noexcept {
  ::operator delete(memory, memory_alignment(bytes));
}

}  // namespace detail

CHAINRULE_CPU_BEGIN

/// `size` elements of a trivial type, not initialised.
template <class T>
class cpu_storage {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  cpu_storage() = default;
  /// Throws value_error if size is negative or no address could be that large, out_of_memory if
  /// there is not enough memory.
  [[gnu::noinline]] explicit cpu_storage(index_t size) : size_(size) {
    detail::require_countable(size);
    if (size == 0) return;
    try {
      data_ = static_cast<T*>(detail::allocate_memory(bytes()));
    } catch (const std::bad_alloc&) {
      detail::throw_out_of_memory(size, sizeof(T));
    }
  }
  cpu_storage(cpu_storage&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  cpu_storage& operator=(cpu_storage&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~cpu_storage() { detail::free_memory(data_, bytes()); }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] index_t size() const { return size_; }

  /// All elements as one row.
  [[nodiscard]] matrix_view<T> view() const {
    return matrix_view<T>::unchecked(data_, 1, size_, size_);
  }

 private:
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }

  T* data_ = nullptr;
  index_t size_ = 0;
};

CHAINRULE_CPU_END
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CPU_STORAGE_HPP
