/// \file
/// The contract between the device backend and an API such as OpenCL or CUDA.
///
/// A runtime is one open device with one queue that runs in order. It derives from
/// `runtime_base` (backend/device/runtime_base.hpp), which has what all runtimes share, and adds
/// what differs:
///
///     static constexpr const char* api;         // "opencl"
///     using buffer = ...;                       // memory; a default value is none
///     using module = ...;                       // a kernel ready to run; move-only
///     static devices();                         // a list of device_info; none without a driver
///     static shared(device_choice);             // the runtime of a device, opened once
///     static prelude();                         // makes the kernels' text the API's C
///
///     raw_allocate(bytes);                      // throws out_of_memory, backend_error
///     raw_release(buffer);
///     raw_fill(buffer, byte, at, bytes);
///     write(buffer, rectangle, host, ...);      // the host may reuse its memory afterwards
///     read(host, ..., buffer, rectangle, ...);
///     build(text);                              // a module; throws with the numbered text
///     binary_of(module);                        // what the kernel cache saves
///     load(binary);                             // a module, or none if it cannot be loaded
///     fingerprint();                            // versions of device, driver and compiler
///     raw_launch(module, work, arguments);
///     wait();                                   // until the queue is empty
///
/// Optional: `graph`, to capture steps (backend/device/graph_capture.hpp), with `raw_prepare` and
/// `raw_queue_deferred` to replay several at once (backend/cuda/persistent_kernel.hpp), and
/// `staging`, to copy while it computes (backend/device/staging.hpp).
///
/// See also backend/opencl/runtime.hpp, backend/cuda/runtime.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_RUNTIME_HPP
#define CHAINRULE_BACKEND_DEVICE_RUNTIME_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// The position of elements of T: a buffer and an offset in elements.
template <class Buffer, class T>
struct device_pointer {
  Buffer buffer{};
  index_t offset = 0;

  constexpr device_pointer() = default;
  constexpr device_pointer(Buffer b, index_t o) : buffer(b), offset(o) {}
  /// A pointer to const elements.
  template <class U>
  requires(std::same_as<const U, T> && !std::same_as<U, T>) constexpr device_pointer(
      const device_pointer<Buffer, U>& other)  // NOLINT: implicit by design
      : buffer(other.buffer), offset(other.offset) {}

  friend constexpr device_pointer operator+(device_pointer p, index_t n) {
    return {p.buffer, p.offset + n};
  }
};

/// The kind of a device, which determines the layout of kernels.
enum class device_kind : unsigned char { gpu, processor, accelerator };

/// A device that can be chosen.
struct device_info {
  std::string api;           // "opencl", "cuda"
  int index = 0;             // in the list of its API
  std::string name;          // as its driver says
  std::uint64_t memory = 0;  // bytes
  int units = 0;             // compute units, streaming multiprocessors
  device_kind kind = device_kind::gpu;
  bool has_double = true;
  int vector_bytes = 16;  // of a processor: those of a vector register
  int group_items = 256;  // the most work items that a group may have
};

/// Counts of the operations of a device since it was opened.
struct device_statistics {
  std::uint64_t uploads = 0;  // copies from the host, to it, and their bytes
  std::uint64_t uploaded_bytes = 0;
  std::uint64_t downloads = 0;
  std::uint64_t downloaded_bytes = 0;
  std::uint64_t launches = 0;             // of kernels, those of replayed graphs not included
  std::uint64_t replays = 0;              // of captured graphs
  std::uint64_t persistent_launches = 0;  // of kernels that run the work of several replays
  std::uint64_t synchronizations = 0;     // times that the host waited for the device
  std::uint64_t allocations = 0;          // not served by the memory pool
  std::uint64_t allocated_bytes = 0;      // of these
  std::uint64_t builds = 0;               // kernels that were compiled, not found in a cache
};

namespace device {

/// A rectangle of bytes in a buffer: its offset and the distance between its rows.
struct rectangle {
  std::size_t at = 0;
  std::size_t stride = 0;
};

/// The argument of a kernel: a buffer, an integer or a scalar, by its bytes.
struct argument {
  std::size_t size = 0;
  alignas(8) std::array<std::byte, 8> bytes{};
};

/// The work items of a launch. Kernels that use groups state the group size, and `width` and
/// `height` are multiples of it; else (0) the runtime chooses a size, and the kernel checks its
/// extents.
struct work {
  std::size_t width = 1;
  std::size_t height = 1;
  std::size_t local_width = 0;
  std::size_t local_height = 0;
};

/// The work items in whole groups. Where the kernel does not state their size, groups have up to
/// 256 items (128 where that occupies more of the device's `units`; never more than `most`). They
/// are as wide as the work or 256 at most, so that accesses to memory coalesce, but narrowed down
/// to 32 items while more than an eighth of them would lie outside the work.
[[nodiscard]] inline work grouped(work w, int units, std::size_t most = 256) {
  const auto power_of_two = [](std::size_t at_least, std::size_t at_most) {
    std::size_t p = 1;
    while (p < at_least && p * 2 <= at_most) p *= 2;
    return p;
  };
  if (w.local_width == 0) {
    const auto few = static_cast<std::size_t>(units) * 256;
    const std::size_t items = std::min<std::size_t>(w.width * w.height < few ? 128 : 256, most);
    w.local_width = power_of_two(w.width, items);
    const auto beside = [&] { return (w.local_width - w.width % w.local_width) % w.local_width; };
    while (w.local_width > 32 && beside() * 8 > w.width) w.local_width /= 2;
    w.local_height = power_of_two(w.height, items / w.local_width);
  }
  w.width = (w.width + w.local_width - 1) / w.local_width * w.local_width;
  w.height = (w.height + w.local_height - 1) / w.local_height * w.local_height;
  return w;
}

}  // namespace device
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_RUNTIME_HPP
