/// \file
/// `device_backend<Runtime, T>`: every verb of a backend, written once for all device APIs.
///
/// A runtime supplies memory, copies, compilation of a kernel's text and its launch; the texts are
/// those of backend/device/kernels/. A verb queues its work and returns; only download and
/// synchronize wait. See backend/concept.hpp for what the verbs mean. Each class adds some verbs to
/// its base: device_queue, device_maps, device_products, device_rows, device_windows.
#ifndef CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP
#define CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP

#include <concepts>
#include <utility>

#include "chainrule/backend/device/graph_capture.hpp"
#include "chainrule/backend/device/windows.hpp"

namespace chainrule {

template <class Runtime, class T>
class device_backend : public device_windows<Runtime, T> {
  using base = device_windows<Runtime, T>;

 public:
  using base::base;
  template <class U>
  using rebind = device_backend<Runtime, U>;

  /// Whether a training is to capture its steps here.
  [[nodiscard]] bool captures_steps() const requires device::captures<Runtime> {
    if constexpr (requires(const Runtime& r) { r.captures_steps(); })
      return this->runtime()->captures_steps();
    return true;
  }
  /// Captures the work that `work()` queues, without running it: see device/graph_capture.hpp.
  template <class Work>
  requires device::captures<Runtime>
  [[nodiscard]] auto capture(Work&& work) const {
    return device::captured_graph<Runtime>(this->runtime(), std::forward<Work>(work));
  }
  template <class Work>
  requires device::captures<Runtime>
  [[nodiscard, deprecated("write capture")]] auto record(Work&& work) const {
    return capture(std::forward<Work>(work));
  }
  /// Queues the captured work `times` times.
  template <std::same_as<Runtime> R>
  void replay(const device::captured_graph<R>& step, std::uint64_t times = 1) const {
    step.replay(times);
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP
