/// \file
/// `recording`: a step of work that was noted down once and can be replayed with one call.
///
///     const auto step = be.record([&] { forward(); backward(); update(); });
///     for (int i = 0; i < steps; ++i) be.replay(step);
///
/// The work is not done while it is recorded. It may not wait for the device (upload, download,
/// synchronize), and what changes from step to step must lie in the device's memory. Matrices that
/// it uses must live as long as the recording, except those that it allocates and drops itself.
/// Run the step once before it is recorded: kernels are built then, the pool has its buffers, and
/// a library has planned the products that it is to compute.
#ifndef CHAINRULE_BACKEND_DEVICE_RECORDING_HPP
#define CHAINRULE_BACKEND_DEVICE_RECORDING_HPP

#include <memory>
#include <utility>

#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// A runtime whose API can record work.
template <class Runtime>
concept records = requires {
  typename Runtime::graph;
};

/// Move-only; keeps the device open.
template <records Runtime>
class recording {
 public:
  recording() = default;
  /// Notes down what `work()` asks for. Throws backend_error, and what `work` throws; either way
  /// the device does what it is asked again.
  template <class Work>
  recording(std::shared_ptr<Runtime> runtime, Work&& work) : runtime_(std::move(runtime)) {
    runtime_->begin_recording();
    try {
      std::forward<Work>(work)();
      graph_ = runtime_->end_recording(held_);
    } catch (...) {
      runtime_->abandon_recording();
      throw;
    }
  }
  recording(recording&&) noexcept = default;
  recording& operator=(recording&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(graph_, other.graph_);
    std::swap(held_, other.held_);
    return *this;
  }
  ~recording() {
    if (runtime_) runtime_->let_go(held_);
  }

  /// Queues the work once more. Throws backend_error.
  void replay() const {
    if (!runtime_) throw backend_error("replay: nothing was recorded");
    runtime_->replay(graph_);
  }

 private:
  std::shared_ptr<Runtime> runtime_;
  typename Runtime::graph graph_{};
  typename Runtime::held_resources held_;
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_RECORDING_HPP
