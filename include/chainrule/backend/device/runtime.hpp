/// \file
/// What the device backend asks of an API such as OpenCL or CUDA.
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
///     write(buffer, rectangle, host, ...);      // the host's memory is free when it returns
///     read(host, ..., buffer, rectangle, ...);
///     build(text);                              // a module; throws with the numbered text
///     binary_of(module);                        // what the disk cache keeps
///     load(binary);                             // a module, or none if the binary is no good
///     fingerprint();                            // versions of device, driver and compiler
///     raw_launch(module, work, arguments);
///     wait();                                   // until the queue is empty
///
/// It may have more: `graph`, to record steps (backend/device/recording.hpp), and `staging`, to
/// copy beside what it computes (backend/device/staging.hpp).
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

/// Where elements of T lie: a buffer and the number of elements before them.
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

/// What kind of processor a device is: kernels are laid out accordingly.
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

/// What a device was asked to do since it was opened.
struct device_statistics {
  std::uint64_t uploads = 0;  // copies from the host, to it, and their bytes
  std::uint64_t uploaded_bytes = 0;
  std::uint64_t downloads = 0;
  std::uint64_t downloaded_bytes = 0;
  std::uint64_t launches = 0;          // of kernels, replayed ones not counted
  std::uint64_t replays = 0;           // of recorded steps
  std::uint64_t synchronizations = 0;  // times that the host waited for the device
  std::uint64_t allocations = 0;       // that the device's memory pool could not serve
  std::uint64_t allocated_bytes = 0;   // of these
  std::uint64_t builds = 0;            // kernels that were compiled, not found in a cache
};

namespace device {

/// A rectangle of bytes in a buffer: where it begins and how far its rows lie apart.
struct rectangle {
  std::size_t at = 0;
  std::size_t stride = 0;
};

/// The argument of a kernel: a buffer, an integer or a scalar, by its bytes.
struct argument {
  std::size_t size = 0;
  alignas(8) std::array<std::byte, 8> bytes{};
};

/// The work items of a launch. Kernels whose text works in groups say how large they are, and
/// `width` and `height` are multiples of that; else (0) the runtime chooses, and the kernel must
/// leave alone what lies beyond its extents.
struct work {
  std::size_t width = 1;
  std::size_t height = 1;
  std::size_t local_width = 0;
  std::size_t local_height = 0;
};

/// The same in whole groups. Where the kernel does not say their size they have up to 256 items, as
/// wide as the work or 256 at most, so that neighbours touch neighbouring memory, but not so wide
/// that more than an eighth of them lies beside the work, down to 32; 128 items where that gives
/// work to more of the device's `units`; never more than `most`.
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
