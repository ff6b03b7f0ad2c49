/// \file
/// `detail::shared`, `detail::unique`, `detail::maybe`: the parts of std::shared_ptr,
/// std::unique_ptr and std::optional that members of the library's own classes need.
///
/// std::shared_ptr<T> and the others are thirty to fifty functions for each T that a compiler has
/// to process; these are about six.
#ifndef CHAINRULE_CORE_HOLDERS_HPP
#define CHAINRULE_CORE_HOLDERS_HPP

#include <atomic>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "chainrule/core/compiler.hpp"

namespace chainrule::detail {

/// What a shared object begins with.
struct shared_block {
  std::atomic<long> owners{1};
  void (*destroy)(shared_block*) = nullptr;
};

/// One of the owners of an object, without its type.
class shared_owner {
 public:
  shared_owner() = default;
  shared_owner(const shared_owner& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) block_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  shared_owner(shared_owner&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  shared_owner& operator=(shared_owner other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~shared_owner() {
    if (block_ != nullptr) release();
  }

  explicit operator bool() const { return block_ != nullptr; }
  friend bool operator==(const shared_owner& a, const shared_owner& b) {
    return a.block_ == b.block_;
  }

 protected:
  explicit shared_owner(shared_block* block) : block_(block) {}

 private:
  [[gnu::noinline]] void release() noexcept {
    if (block_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) block_->destroy(block_);
  }

  shared_block* block_ = nullptr;
};

/// Owns an object together with its copies, from any thread; null by default and after it was moved
/// from.
template <class T>
class shared : public shared_owner {
 public:
  shared() = default;
  shared(const shared&) noexcept = default;
  shared(shared&& other) noexcept
      : shared_owner(std::move(other)), object_(std::exchange(other.object_, nullptr)) {}
  shared& operator=(shared other) noexcept {
    std::swap(object_, other.object_);
    shared_owner::operator=(std::move(other));
    return *this;
  }
  template <class U>
  requires std::is_convertible_v<U*, T*> shared(shared<U> other)  // NOLINT: implicit
      : shared_owner(std::move(other)), object_(other.get()) {}

  [[nodiscard]] T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  template <class U, class... Args>
  friend shared<U> make_shared(Args&&... args);
  shared(shared_block* block, T* object) : shared_owner(block), object_(object) {}

  T* object_ = nullptr;  // that of the block
};

template <class T>
struct shared_object : shared_block {
  template <class... Args>
  explicit shared_object(Args&&... args) : value(std::forward<Args>(args)...) {
    destroy = [](shared_block* block) { delete static_cast<shared_object*>(block); };
  }
  T value;
};

/// An object made of the arguments.
template <class T, class... Args>
[[nodiscard]] shared<T> make_shared(Args&&... args) {
  auto* const made = new shared_object<std::remove_const_t<T>>(std::forward<Args>(args)...);
  return shared<T>(made, &made->value);
}

/// Owns an object that `new` made, or none.
template <class T>
class unique {
 public:
  unique() = default;
  explicit unique(T* object) : object_(object) {}
  unique(unique&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  unique& operator=(unique other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~unique() { delete object_; }

  explicit operator bool() const { return object_ != nullptr; }
  [[nodiscard]] T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_ = nullptr;
};

/// A value, or none.
template <class T>
class maybe {
 public:
  maybe() = default;
  maybe(const T& value) : has_value_(true) { ::new (&memory_) T(value); }  // NOLINT: implicit
  maybe(const maybe& other) : has_value_(other.has_value_) {
    if (has_value_) ::new (&memory_) T(*other);
  }
  maybe& operator=(const maybe& other) {
    if (this != &other) {
      clear();
      if (other.has_value_) ::new (&memory_) T(*other);
      has_value_ = other.has_value_;
    }
    return *this;
  }
  ~maybe() { clear(); }

  const T& operator*() const { return *std::launder(reinterpret_cast<const T*>(&memory_)); }
  const T* operator->() const { return &**this; }

 private:
  void clear() {
    if (has_value_) (**this).~T();
    has_value_ = false;
  }

  alignas(T) std::byte memory_[sizeof(T)];
  bool has_value_ = false;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_HOLDERS_HPP
