/// \file
/// `cpu_storage<T>`: elements on the heap that begin on a cache line. Move-only.
#ifndef CHAINRULE_BACKEND_CPU_STORAGE_HPP
#define CHAINRULE_BACKEND_CPU_STORAGE_HPP

#include <new>
#include <type_traits>
#include <utility>

#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule {
CHAINRULE_CPU_BEGIN

/// `size` elements of a trivial type, not initialised.
template <class T>
class cpu_storage {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr std::size_t alignment = 64;

  cpu_storage() = default;
  /// Throws value_error if size is negative or no address could be that large, out_of_memory if
  /// there is not enough memory.
  explicit cpu_storage(index_t size) : size_(size) {
    detail::require_countable(size);
    if (size == 0) return;
    try {
      data_ = static_cast<T*>(
          ::operator new (static_cast<std::size_t>(size) * sizeof(T), std::align_val_t{alignment}));
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
  ~cpu_storage() { ::operator delete (data_, std::align_val_t{alignment}); }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] index_t size() const { return size_; }

  /// All elements as one row.
  [[nodiscard]] matrix_view<T> view() const { return {data_, 1, size_}; }

 private:
  T* data_ = nullptr;
  index_t size_ = 0;
};

CHAINRULE_CPU_END
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CPU_STORAGE_HPP
