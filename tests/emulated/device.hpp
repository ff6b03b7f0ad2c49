/// \file
/// What the parts of the emulated device share: handles, memory, and streams that run late.
#ifndef CHAINRULE_TESTS_EMULATED_DEVICE_HPP
#define CHAINRULE_TESTS_EMULATED_DEVICE_HPP

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <mutex>

#include "emulated/fail.hpp"

namespace emulated {

/// Every call of the table holds it: what is here belongs to all threads.
[[nodiscard]] std::unique_lock<std::recursive_mutex> lock();

// Handles are objects on the heap that are known until they are destroyed.

void begin_life(const void* object);
void end_life(const void* object, const char* call);
/// Ends the program unless the object is alive.
void require_life(const void* object, const char* call);

template <class Object, class Handle>
Object& make(Handle& handle) {
  auto* const made = new Object;
  begin_life(made);
  handle = reinterpret_cast<Handle>(made);
  return *made;
}
template <class Object, class Handle>
[[nodiscard]] Object& at(Handle handle, const char* call) {
  require_life(handle, call);
  return *reinterpret_cast<Object*>(handle);
}
template <class Object, class Handle>
void unmake(Handle handle, const char* call) {
  end_life(handle, call);
  delete reinterpret_cast<Object*>(handle);
}

/// Ends the program unless all these bytes are memory of the calling thread's device; `what` says
/// whose they are to be.
void require_memory(const void* p, std::size_t bytes, const char* what);

/// Queues work on a stream of the calling thread's device, or notes it while the stream is
/// captured. It is done at the next wait.
void enqueue(cudaStream_t s, const char* call, std::function<void()> work);

/// Ends the program if the calling thread captures a stream and has not relaxed its capture mode.
void require_no_capture(const char* call);
/// Whether the calling thread captures a stream.
[[nodiscard]] bool is_capturing();

}  // namespace emulated

#endif  // CHAINRULE_TESTS_EMULATED_DEVICE_HPP
