/// \file
/// `captured_graph`: a step of work that is captured once and replayed with one call.
///
///     const auto step = be.capture([&] { forward(); backward(); update(); });
///     for (int i = 0; i < steps; ++i) be.replay(step);
///
/// The work does not run while it is captured. It must not wait for the device (upload, download,
/// synchronize), and values that change from step to step must lie in the device's memory. Matrices
/// that it uses must live as long as the graph, except those that it allocates and releases itself.
/// Run the step once before it is captured: this builds the kernels, allocates the pool's buffers
/// and plans the products of the vendor's library.
#ifndef CHAINRULE_BACKEND_DEVICE_GRAPH_CAPTURE_HPP
#define CHAINRULE_BACKEND_DEVICE_GRAPH_CAPTURE_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// A runtime whose API can capture work.
template <class Runtime>
concept captures = requires {
  typename Runtime::graph;
};

/// A runtime that can compose captured work into one kernel.
template <class Runtime>
concept persists = captures<Runtime> &&
    requires(const Runtime& r, const typename Runtime::graph& g) {
  r.why_not_persistent(g);
};

/// Move-only; keeps the device open.
template <captures Runtime>
class captured_graph {
 public:
  captured_graph() = default;
  /// Captures what `work()` queues. Throws backend_error, and what `work` throws; in both cases the
  /// capture has ended and the device runs work again.
  template <class Work>
  captured_graph(std::shared_ptr<Runtime> runtime, Work&& work) : runtime_(std::move(runtime)) {
    runtime_->begin_capture();
    try {
      std::forward<Work>(work)();
      graph_ = runtime_->end_capture(held_);
    } catch (...) {
      runtime_->abandon_capture();
      throw;
    }
  }
  captured_graph(captured_graph&&) noexcept = default;
  captured_graph& operator=(captured_graph&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(graph_, other.graph_);
    std::swap(held_, other.held_);
    return *this;
  }
  ~captured_graph() {
    if (runtime_) runtime_->let_go(held_);
  }

  /// Queues the work `times` times more. Throws backend_error.
  void replay(std::uint64_t times = 1) const {
    if (!runtime_) throw backend_error("replay: nothing was captured");
    runtime_->replay(graph_, times);
  }

  /// The reason, as a sentence, why replays are not launches of one persistent kernel; "" if they
  /// are.
  [[nodiscard]] std::string why_not_persistent() const requires persists<Runtime> {
    return runtime_ ? runtime_->why_not_persistent(graph_) : "nothing was captured";
  }

 private:
  std::shared_ptr<Runtime> runtime_;
  typename Runtime::graph graph_{};
  typename Runtime::held_resources held_;
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_GRAPH_CAPTURE_HPP
