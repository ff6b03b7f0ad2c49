/// \file
/// `device_staging`: host memory whose matrices go to a device while it is at other work.
///
/// The copy has a queue of its own. It waits until the device has read the matrix before, and what
/// is asked of the backend after send() waits for the copy; nobody else waits. See also
/// memory/staging.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_STAGING_HPP
#define CHAINRULE_BACKEND_DEVICE_STAGING_HPP

#include <memory>
#include <utility>

#include "chainrule/backend/device/runtime.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule {

namespace device {
/// A runtime whose API can copy beside what it computes; see runtime_base.hpp for what that takes.
template <class Runtime>
concept stages = requires {
  typename Runtime::staging;
};
}  // namespace device

/// Keeps the device open; stays where it is.
template <device::stages Runtime, class T>
class device_staging {
  using pointer = device_pointer<typename Runtime::buffer, const T>;

 public:
  /// For matrices of up to `size` elements on the device of `be`. Throws out_of_memory,
  /// backend_error.
  template <class Backend>
  device_staging(const Backend& be, index_t size)
      : runtime_(be.runtime()),
        size_(size),
        host_(runtime_->stage(bytes(size))),
        memory_(runtime_->acquire(bytes(size))) {}
  device_staging(const device_staging&) = delete;
  device_staging& operator=(const device_staging&) = delete;
  /// Waits until nothing is on its way.
  ~device_staging() {
    runtime_->end_staging(host_);
    runtime_->release(memory_);
  }

  /// Where the host writes the next matrix, once the last one has left. Throws what went wrong
  /// meanwhile.
  [[nodiscard]] T* data() {
    runtime_->await(host_);
    return static_cast<T*>(host_.data());
  }
  /// Sends that matrix; what is asked of the backend from now on can read it.
  [[nodiscard]] matrix_view<const T, pointer> send(index_t rows, index_t cols) {
    if (rows < 0 || cols < 0 || matrix_shape{rows, cols}.size() > size_)
      throw shape_error(detail::concat("a staging of ", size_, " elements cannot send ", rows,
                                       " x ", cols, "; make a larger one"));
    runtime_->send(host_, memory_.buffer, memory_.begin, bytes(rows * cols));
    return {{memory_.buffer, static_cast<index_t>(memory_.begin / sizeof(T))}, rows, cols};
  }
  /// Says that all that reads the matrix has been asked for: the next one need not wait for what
  /// comes after. Without it the next waits for all that was asked for until it is sent.
  void done() { runtime_->mark_read(host_); }

 private:
  static std::size_t bytes(index_t elements) {
    detail::require_countable(elements);
    return static_cast<std::size_t>(elements) * sizeof(T);
  }

  std::shared_ptr<Runtime> runtime_;
  index_t size_;
  typename Runtime::staging host_;
  typename Runtime::allocation_type memory_;
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_STAGING_HPP
