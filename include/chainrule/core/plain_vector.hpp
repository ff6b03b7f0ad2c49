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
#include <cstring>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "chainrule/core/compiler.hpp"

namespace chainrule::detail {

/// The memory of a plain_vector, and what can be done with it without its type.
class vector_memory {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 protected:
  /// Moves elements to other memory, and ends the lifetime of those that were moved.
  using relocation = void (*)(void* to, void* from, std::size_t count);

  vector_memory() = default;
  vector_memory(const vector_memory&) = delete;
  vector_memory& operator=(const vector_memory&) = delete;
  ~vector_memory() { ::operator delete(data_); }

  /// Room for `capacity` elements of `each` bytes. They are copied as bytes unless they have a
  /// relocation.
  [[gnu::noinline]] void make_room(std::size_t capacity, std::size_t each, relocation relocate) {
    if (capacity <= capacity_) return;
    if (capacity > std::size_t(-1) / each) throw std::bad_array_new_length();
    void* const larger = ::operator new(capacity* each);
    if (relocate != nullptr)
      relocate(larger, data_, size_);
    else if (size_ != 0)
      std::memcpy(larger, data_, size_ * each);
    ::operator delete(data_);
    data_ = larger;
    capacity_ = capacity;
  }
  /// The capacity of a vector that is full and takes one more.
  [[nodiscard]] std::size_t next_capacity() const { return size_ == 0 ? 4 : 2 * size_; }
  /// Assigns bytes to a vector without elements.
  [[gnu::noinline]] void copy_bytes(const void* first, std::size_t count, std::size_t each) {
    make_room(count, each, nullptr);
    if (count != 0) std::memcpy(data_, first, count * each);
    size_ = count;
  }
  /// New elements are bytes of 0.
  [[gnu::noinline]] void resize_bytes(std::size_t count, std::size_t each) {
    make_room(count, each, nullptr);
    if (count > size_)
      std::memset(static_cast<char*>(data_) + size_ * each, 0, (count - size_) * each);
    size_ = count;
  }
  void swap(vector_memory& other) noexcept {
    void* const data = data_;
    const std::size_t size = size_, capacity = capacity_;
    data_ = other.data_, size_ = other.size_, capacity_ = other.capacity_;
    other.data_ = data, other.size_ = size, other.capacity_ = capacity;
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Elements one after another in memory. They move when there is no more room, by a move
/// constructor that does not throw.
template <class T>
class plain_vector : public vector_memory {
 public:
  using value_type = T;

  plain_vector() = default;
  /// `count` elements, all T().
  explicit plain_vector(std::size_t count) : plain_vector() { resize(count); }
  /// Copies of the elements at `first`.
  plain_vector(const T* first, std::size_t count) : plain_vector() {
    if constexpr (is_bytes)
      copy_bytes(first, count, sizeof(T));
    else
      copy(first, count);
  }
  plain_vector(std::initializer_list<T> values) : plain_vector(values.begin(), values.size()) {}
  /// Copies of the elements of a std::vector.
  template <class Vector>
  requires requires(const Vector& v) {
    { v.data() } -> std::same_as<const T*>;
  }
  plain_vector(const Vector& from)  // NOLINT: implicit
      : plain_vector(from.data(), from.size()) {}
  plain_vector(const plain_vector& other) : plain_vector(other.data(), other.size_) {}
  plain_vector(plain_vector&& other) noexcept : vector_memory() { swap(other); }
  plain_vector& operator=(plain_vector other) noexcept {
    swap(other);
    return *this;
  }
  /// Copies of the elements in a std::vector.
  template <class Vector>
  requires std::same_as<typename Vector::value_type, T> &&
      std::constructible_from<Vector, const T*, const T*, const typename Vector::allocator_type&>
  operator Vector() const { return Vector(begin(), end()); }  // NOLINT: implicit
  ~plain_vector() { clear(); }

  [[nodiscard]] T* data() { return static_cast<T*>(data_); }
  [[nodiscard]] const T* data() const { return static_cast<const T*>(data_); }
  [[nodiscard]] T* begin() { return static_cast<T*>(data_); }
  [[nodiscard]] const T* begin() const { return static_cast<const T*>(data_); }
  [[nodiscard]] T* end() { return static_cast<T*>(data_) + size_; }
  [[nodiscard]] const T* end() const { return static_cast<const T*>(data_) + size_; }
  [[nodiscard]] T& operator[](std::size_t i) { return static_cast<T*>(data_)[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return static_cast<const T*>(data_)[i]; }
  [[nodiscard]] const T& at(std::size_t i) const {
    if (i >= size_) throw std::out_of_range("an index is past the end of a vector");
    return (*this)[i];
  }
  [[nodiscard]] T& at(std::size_t i) { return const_cast<T&>(std::as_const(*this).at(i)); }
  [[nodiscard]] T& front() { return *static_cast<T*>(data_); }
  [[nodiscard]] const T& front() const { return *static_cast<const T*>(data_); }
  [[nodiscard]] T& back() { return static_cast<T*>(data_)[size_ - 1]; }
  [[nodiscard]] const T& back() const { return static_cast<const T*>(data_)[size_ - 1]; }

  // Not inlined, since vectors are filled where time does not matter.

  [[gnu::noinline]] void push_back(T value) {
    if (size_ == capacity_) reserve(next_capacity());
    ::new (static_cast<void*>(end())) T(std::move(value));
    ++size_;
  }
  /// Adds T(args...).
  template <class... Args>
  T& emplace_back(Args&&... args) {
    push_back(T(std::forward<Args>(args)...));
    return back();
  }
  void pop_back() {
    back().~T();
    --size_;
  }
  void reserve(std::size_t capacity) {
    static_assert(std::is_nothrow_move_constructible_v<T>);
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    if constexpr (is_bytes)
      make_room(capacity, sizeof(T), nullptr);
    else
      make_room(capacity, sizeof(T), &relocate);
  }
  void resize(std::size_t count) {
    if constexpr (std::is_arithmetic_v<T> || std::is_pointer_v<T>)
      resize_bytes(count, sizeof(T));
    else
      resize_each(count);
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
      if (!(a[i] == b[i])) return false;
    return true;
  }

 private:
  static constexpr bool is_bytes = std::is_trivially_copyable_v<T>;

  static void relocate(void* to, void* from, std::size_t count) {
    T* const source = static_cast<T*>(from);
    for (std::size_t i = 0; i < count; ++i) {
      ::new (static_cast<void*>(static_cast<T*>(to) + i)) T(std::move(source[i]));
      source[i].~T();
    }
  }
  [[gnu::noinline]] void copy(const T* first, std::size_t count) {
    reserve(count);
    for (; size_ < count; ++size_) ::new (static_cast<void*>(end())) T(first[size_]);
  }
  [[gnu::noinline]] void resize_each(std::size_t count) {
    reserve(count);
    shrink(count);
    for (; size_ < count; ++size_) ::new (static_cast<void*>(end())) T();
  }
  [[gnu::noinline]] void shrink(std::size_t count) {
    while (size_ > count) data()[--size_].~T();
  }
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_PLAIN_VECTOR_HPP
