/// \file
/// `device_queue<Runtime, T>`: a handle of a device: memory, copies, and launches of kernels whose
/// texts are made from functors. The verbs are in the classes derived from it.
#ifndef CHAINRULE_BACKEND_DEVICE_QUEUE_HPP
#define CHAINRULE_BACKEND_DEVICE_QUEUE_HPP

#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/device/choice.hpp"
#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/runtime.hpp"
#include "chainrule/backend/device/staging.hpp"

namespace chainrule {

/// Elements in a device's memory. Move-only; keeps the device open.
template <class Runtime, class T>
class device_storage {
 public:
  using pointer = device_pointer<typename Runtime::buffer, T>;

  device_storage() = default;
  device_storage(std::shared_ptr<Runtime> runtime, index_t size)
      : runtime_(std::move(runtime)), memory_(runtime_->acquire(bytes(size))), size_(size) {}
  device_storage(device_storage&& other) noexcept
      : runtime_(std::move(other.runtime_)),
        memory_(std::exchange(other.memory_, {})),
        size_(std::exchange(other.size_, 0)) {}
  device_storage& operator=(device_storage&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~device_storage() {
    if (runtime_) runtime_->release(memory_);
  }

  [[nodiscard]] pointer data() const {
    return {memory_.buffer, static_cast<index_t>(memory_.begin / sizeof(T))};
  }
  [[nodiscard]] index_t size() const { return size_; }
  /// All elements as one row.
  [[nodiscard]] matrix_view<T, pointer> view() const { return {data(), 1, size_}; }

 private:
  static std::size_t bytes(index_t size) {
    detail::require_countable(size);
    return static_cast<std::size_t>(size) * sizeof(T);
  }

  std::shared_ptr<Runtime> runtime_;
  typename Runtime::allocation_type memory_{};
  index_t size_ = 0;
};

namespace device {
/// A variable per type; its address identifies the type in keys of kernels.
template <class F>
inline char type_tag = 0;
/// The number of a type within the program.
template <class F>
[[nodiscard]] std::uint64_t type_number() {
  return reinterpret_cast<std::uintptr_t>(&type_tag<F>);
}

/// A functor that identifies itself among others of its type by a number.
template <class F>
concept has_identity = requires(const F& f) {
  { f.identity() } -> std::convertible_to<std::uint64_t>;
};
}  // namespace device

template <class Runtime, class T>
using device_view = matrix_view<T, device_pointer<typename Runtime::buffer, T>>;

/// A runtime supplies memory, copies, compilation of a kernel's text and its launch.
template <class Runtime, class T>
class device_queue {
 protected:
  template <class U>
  using pointer = device_pointer<typename Runtime::buffer, U>;
  using kernel_handle = typename Runtime::kernel_handle;
  /// Numbers that a kernel's text depends on.
  using kernel_variant = std::initializer_list<std::uint64_t>;

 public:
  using scalar = T;
  using runtime_type = Runtime;
  template <class U>
  using view = device_view<Runtime, U>;
  using matrix = view<T>;
  using const_matrix = view<const T>;
  template <class U>
  using storage = device_storage<Runtime, U>;
  /// Only where the runtime supports staging.
  template <class U>
  using staging = device_staging<Runtime, U>;

  /// What the kernels of functors of erased type are traced from.
  using traced_functor = chainrule::traced_functor;

  /// Uses a device that all handles share which are constructed this way; the first one opens it.
  /// Throws backend_error if there is none, or if it does not support the scalar.
  device_queue() : device_queue(device_choice{}) {}
  explicit device_queue(const device_choice& choice) : device_queue(Runtime::shared(choice)) {}
  /// Uses a device that is open already.
  explicit device_queue(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {
    if (sizeof(T) == sizeof(double) && !info().has_double)
      throw backend_error(detail::concat(Runtime::api, ": the device ", device_name(),
                                         " has no double precision; use float"));
  }
  /// The same device with another scalar.
  template <class U>
  explicit device_queue(const device_queue<Runtime, U>& other) : device_queue(other.runtime()) {}
  // No move operations: a handle that was moved from remains usable.
  device_queue(const device_queue&) = default;
  device_queue& operator=(const device_queue&) = default;

  [[nodiscard]] const std::shared_ptr<Runtime>& runtime() const { return runtime_; }
  [[nodiscard]] std::string name() const { return Runtime::api; }
  [[nodiscard]] const device_info& info() const { return runtime_->info(); }
  [[nodiscard]] std::string device_name() const { return info().name; }
  /// Counts of the device's operations since it was opened, for all handles together.
  [[nodiscard]] device_statistics statistics() const { return runtime_->statistics(); }

  template <class U = T>
  [[nodiscard]] storage<U> allocate(index_t size) const {
    return storage<U>(runtime_, size);
  }

  void synchronize() const { runtime_->synchronize(); }

  template <class U>
  void upload(view<U> target, std::type_identity_t<matrix_view<const U>> host) const {
    contract::same_shape("upload", target.shape(), host.shape());
    if (target.empty()) return;
    runtime_->upload(target.data().buffer, rectangle_of(target), host.data(),
                     bytes<U>(host.stride()), bytes<U>(host.cols()),
                     static_cast<std::size_t>(host.rows()));
  }
  void upload(matrix target, matrix_view<const T> host) const { upload<T>(target, host); }

  template <class U>
  void download(matrix_view<U> host, std::type_identity_t<view<const U>> source) const {
    contract::same_shape("download", host.shape(), source.shape());
    if (host.empty()) return;
    runtime_->download(host.data(), bytes<U>(host.stride()), source.data().buffer,
                       rectangle_of(source), bytes<U>(host.cols()),
                       static_cast<std::size_t>(host.rows()));
  }
  void download(matrix_view<T> host, const_matrix source) const { download<T>(host, source); }

 protected:
  /// The arguments of a launch, in the order of a kernel's parameters.
  class arguments {
   public:
    template <class... Integers>
    void integers(Integers... values) {
      (add(static_cast<std::int64_t>(values)), ...);
    }
    void number(T value) { add(value); }
    template <class U>
    void buffer(const pointer<U>& p) {
      add(p.buffer);
      integers(p.offset);
    }
    template <class U>
    void elements(const view<U>& m) {
      buffer(m.data());
      integers(m.stride());
    }
    void target(const const_matrix& m) { elements(m); }
    void factor(const gemm_operand<const_matrix>& f) {
      buffer(f.view.data());
      f.is_transposed ? integers(1, f.view.stride()) : integers(f.view.stride(), 1);
    }
    void operand(const char* verb, const const_matrix& m, matrix_shape whole) {
      contract::broadcasts(verb, m.shape(), whole);
      buffer(m.data());
      integers(m.rows() == 1 ? 0 : m.stride(), m.cols() == 1 && whole.cols != 1 ? 0 : 1);
    }
    [[nodiscard]] std::span<const device::argument> list() const { return {list_.data(), count_}; }

   private:
    template <class Value>
    void add(const Value& value) {
      if (count_ == list_.size())
        throw value_error(
            "a kernel has too many operands; split the functor into several with fewer each");
      device::argument& a = list_[count_++];
      static_assert(sizeof value <= sizeof a.bytes);
      a.size = sizeof value;
      std::memcpy(a.bytes.data(), &value, sizeof value);
    }
    std::array<device::argument, 112> list_;  // an OpenCL device takes at least 1024 bytes
    std::size_t count_ = 0;
  };

  /// Whether kernels are laid out for a CPU device.
  [[nodiscard]] bool on_cpu() const { return runtime_->layout() == device_kind::processor; }

  template <class U>
  static std::size_t bytes(index_t elements) {
    return static_cast<std::size_t>(elements) * sizeof(U);
  }
  template <class U>
  static device::rectangle rectangle_of(const view<U>& m) {
    return {bytes<U>(m.data().offset), bytes<U>(m.stride())};
  }
  static device::work items(index_t width, index_t height) {
    return {static_cast<std::size_t>(width), static_cast<std::size_t>(height)};
  }

  /// The kernel of a verb whose text depends on `variant` and nothing else but the scalar. The text
  /// is made and built once.
  template <class Text>
  [[nodiscard]] kernel_handle kernel_of(const char* verb, kernel_variant variant,
                                        Text&& text) const {
    return kernel_by(verb, nullptr, {}, variant, text);
  }
  /// The kernel of a functor, whose constants are a part of its text. Its bytes are the key; a
  /// functor that holds references (a lambda that cannot be assigned) is traced at every call.
  template <class F, class Text>
  [[nodiscard]] kernel_handle kernel_for(const char* verb, const F& f, kernel_variant variant,
                                         Text&& text) const {
    const char* type = &device::type_tag<F>;
    if constexpr (std::is_empty_v<F>) {
      return kernel_by(verb, type, {}, variant, text);
    } else if constexpr (device::has_identity<F>) {
      const std::uint64_t id = f.identity();
      return kernel_by(verb, type, {reinterpret_cast<const char*>(&id), sizeof id}, variant, text);
    } else if constexpr (std::is_trivially_copyable_v<F> && std::is_copy_assignable_v<F>) {
      F values = f;
#if __has_builtin(__builtin_clear_padding)
      __builtin_clear_padding(&values);  // padding is not a part of the key
#endif
      return kernel_by(verb, type, {reinterpret_cast<const char*>(&values), sizeof values}, variant,
                       text);
    } else {
      return runtime_->kernel(whole(text()));
    }
  }

  void launch(const char* verb, const kernel_handle& k, const device::work& w,
              const arguments& a) const {
    runtime_->launch(verb, k, w, a.list());
  }

  /// Whether the ranges of memory from first to last element of two matrices intersect.
  static bool overlap(const const_matrix& x, const const_matrix& y) {
    const auto end = [](const const_matrix& m) {
      return m.data().offset + (m.rows() - 1) * m.stride() + m.cols();
    };
    return !x.empty() && !y.empty() && x.data().buffer == y.data().buffer &&
           x.data().offset < end(y) && y.data().offset < end(x);
  }

  /// Whether x and y have an element in common; false if both have several rows and different
  /// strides.
  static bool have_common_element(const const_matrix& x, const const_matrix& y) {
    if (!overlap(x, y)) return false;
    if (x.rows() == 1 && y.rows() == 1) return true;
    const index_t stride = x.rows() == 1 ? y.stride() : x.stride();
    if ((y.rows() > 1 && y.stride() != stride) || x.cols() > stride || y.cols() > stride)
      return false;
    // y begins `down` rows and `across` columns behind x, and may reach into the row after that.
    const index_t apart = y.data().offset - x.data().offset;
    const index_t across = (apart % stride + stride) % stride;
    const index_t down = (apart - across) / stride;
    const auto meets = [&](index_t row) { return row < x.rows() && row + y.rows() > 0; };
    return (across < x.cols() && meets(down)) || (across + y.cols() > stride && meets(down + 1));
  }
  /// Throws value_error if an operand is a part of the result, unless it is the result itself, of
  /// which each element is read by the work item that writes it.
  static void require_apart(const char* verb, const const_matrix& out, const const_matrix& in) {
    const bool is_same = in.shape() == out.shape() && in.data().offset == out.data().offset &&
                         (in.rows() == 1 || in.stride() == out.stride());
    if (!is_same && have_common_element(out, in))
      throw value_error(detail::concat(verb,
                                       ": an operand is a part of the result, so its elements "
                                       "could be written before they are read; give a copy of it"));
  }

 private:
  template <class Text>
  [[nodiscard]] kernel_handle kernel_by(const char* verb, const char* type,
                                        std::string_view constants, kernel_variant variant,
                                        const Text& text) const {
    std::string key(verb);
    const auto add = [&](const auto& value) {
      key.append(reinterpret_cast<const char*>(&value), sizeof value);
    };
    key += '\0';
    add(&device::type_tag<T>);
    add(type);
    for (const std::uint64_t n : variant) add(n);
    key += constants;
    return runtime_->kernel(key, verb, [&] { return whole(text()); });
  }

  /// A kernel's text for this scalar.
  [[nodiscard]] static std::string whole(const std::string& text) {
    return detail::concat("typedef ", device::type_name<T>(), " real;\n", scalar_prelude(), text);
  }

  /// Functions of the vocabulary that C does not have, and a tanh that is exactly 1 for large
  /// arguments on every device.
  static std::string scalar_prelude() {
    return detail::concat(
        "#define cr_infinity ((real)INFINITY)\n#define cr_nan ((real)NAN)\n"
        "FUNCTION real cr_max(real a, real b) { return a > b || a != a ? a : b; }\n"
        "FUNCTION real cr_min(real a, real b) { return a < b || a != a ? a : b; }\n"
        "FUNCTION real cr_sign(real x) { return x > 0 ? (real)1 : (x < 0 ? (real)-1 : x); }\n"
        "FUNCTION real cr_tanh(real x) {\n  const real limit = ",
        sizeof(T) == sizeof(float) ? "9.1f" : "19.1",
        ";\n  return x > limit ? (real)1 : (x < -limit ? (real)-1 : tanh(x));\n}\n");
  }

  std::shared_ptr<Runtime> runtime_;
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_QUEUE_HPP
