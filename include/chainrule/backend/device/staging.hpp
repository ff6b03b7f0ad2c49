/// \file
/// `device_staging`: host memory from which matrices are copied to a device while it computes.
///
/// Copies have a queue of their own. A copy starts when the device has read the previous matrix,
/// and verbs queued after send() start when the copy is done; the host does not wait. See also
/// memory/staging.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_STAGING_HPP
#define CHAINRULE_BACKEND_DEVICE_STAGING_HPP

#include <memory>
#include <utility>

#include "chainrule/backend/device/runtime.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule {

namespace device {
/// A runtime whose API can copy while it computes; runtime_base.hpp lists the functions needed.
template <class Runtime>
concept stages = requires {
  typename Runtime::staging;
};
}  // namespace device

/// Keeps the device open; neither copied nor moved.
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
  /// Waits until all copies are done.
  ~device_staging() {
    runtime_->end_staging(host_);
    runtime_->release(memory_);
  }

  /// Memory for the next matrix; waits until the last one has been copied. Throws errors of earlier
  /// work.
  [[nodiscard]] T* data() {
    runtime_->await(host_);
    return static_cast<T*>(host_.data());
  }
  /// Queues the copy of that matrix; verbs queued from now on can read the result.
  [[nodiscard]] matrix_view<const T, pointer> send(index_t rows, index_t cols) {
    if (rows < 0 || cols < 0 || matrix_shape{rows, cols}.size() > size_)
      throw shape_error(detail::concat("a staging of ", size_, " elements cannot send ", rows,
                                       " x ", cols, "; make a larger one"));
    runtime_->send(host_, memory_.buffer, memory_.begin, bytes(rows * cols));
    return {{memory_.buffer, static_cast<index_t>(memory_.begin / sizeof(T))}, rows, cols};
  }
  /// Declares that no verb queued later reads the matrix, so that the next copy need not wait for
  /// those. Without this call the next copy waits for all work queued before it is sent.
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
