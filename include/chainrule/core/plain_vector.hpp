/// \file
/// `detail::plain_vector`: the part of std::vector that members of the library's own classes need.
///
/// A small program instantiates vectors of some thirty types. For each, the compiler processes
/// about a hundred functions of std::vector, its iterators and its allocator, and about ten of this
/// one.
#ifndef CHAINRULE_CORE_PLAIN_VECTOR_HPP
#define CHAINRULE_CORE_PLAIN_VECTOR_HPP

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <new>
#include <type_traits>
#include <utility>

#include "chainrule/core/compiler.hpp"

namespace chainrule::detail {

/// Elements one after another in memory. They move when there is no more room, by a move
/// constructor that does not throw.
template <class T>
class plain_vector {
 public:
  using value_type = T;

  plain_vector() = default;
  /// `count` elements, all T().
  explicit plain_vector(std::size_t count) : plain_vector() { resize(count); }
  /// Copies of the elements at `first`.
  [[gnu::noinline]] plain_vector(const T* first, std::size_t count) : plain_vector() {
    reserve(count);
    for (; size_ < count; ++size_) ::new (static_cast<void*>(data_ + size_)) T(first[size_]);
  }
  plain_vector(std::initializer_list<T> values) : plain_vector(values.begin(), values.size()) {}
  /// Copies of the elements of a std::vector.
  template <class Vector>
  requires requires(const Vector& v) {
    { v.data() } -> std::same_as<const T*>;
  }
  plain_vector(const Vector& from)  // NOLINT: implicit
      : plain_vector(from.data(), from.size()) {}
  plain_vector(const plain_vector& other) : plain_vector(other.data_, other.size_) {}
  plain_vector(plain_vector&& other) noexcept { swap(other); }
  plain_vector& operator=(plain_vector other) noexcept {
    swap(other);
    return *this;
  }
  ~plain_vector() {
    clear();
    ::operator delete(data_);
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] T* begin() { return data_; }
  [[nodiscard]] const T* begin() const { return data_; }
  [[nodiscard]] T* end() { return data_ + size_; }
  [[nodiscard]] const T* end() const { return data_ + size_; }
  [[nodiscard]] T& operator[](std::size_t i) { return data_[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return data_[i]; }
  [[nodiscard]] T& front() { return data_[0]; }
  [[nodiscard]] const T& front() const { return data_[0]; }
  [[nodiscard]] T& back() { return data_[size_ - 1]; }
  [[nodiscard]] const T& back() const { return data_[size_ - 1]; }

  // Not inlined, since vectors are filled where time does not matter.

  [[gnu::noinline]] void push_back(T value) {
    if (size_ == capacity_) reserve(size_ == 0 ? 4 : 2 * size_);
    ::new (static_cast<void*>(data_ + size_)) T(std::move(value));
    ++size_;
  }
  [[gnu::noinline]] void reserve(std::size_t capacity) {
    static_assert(std::is_nothrow_move_constructible_v<T>);
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    if (capacity <= capacity_) return;
    if (capacity > std::size_t(-1) / sizeof(T)) throw std::bad_array_new_length();
    T* const larger = static_cast<T*>(::operator new(capacity * sizeof(T)));
    for (std::size_t i = 0; i < size_; ++i) {
      ::new (static_cast<void*>(larger + i)) T(std::move(data_[i]));
      data_[i].~T();
    }
    ::operator delete(data_);
    data_ = larger;
    capacity_ = capacity;
  }
  [[gnu::noinline]] void resize(std::size_t count) {
    reserve(count);
    shrink(count);
    for (; size_ < count; ++size_) ::new (static_cast<void*>(data_ + size_)) T();
  }
  void clear() {
    if constexpr (std::is_trivially_destructible_v<T>)
      size_ = 0;
    else
      shrink(0);
  }

  friend bool operator==(const plain_vector& a, const plain_vector& b) {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i)
      if (!(a.data_[i] == b.data_[i])) return false;
    return true;
  }

 private:
  [[gnu::noinline]] void shrink(std::size_t count) {
    while (size_ > count) data_[--size_].~T();
  }
  void swap(plain_vector& other) noexcept {
    T* const data = data_;
    const std::size_t size = size_, capacity = capacity_;
    data_ = other.data_, size_ = other.size_, capacity_ = other.capacity_;
    other.data_ = data, other.size_ = size, other.capacity_ = capacity;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_PLAIN_VECTOR_HPP
