// Loaded before Oclgrind's own library: copies to a buffer become copies to all of it.
//
// Oclgrind 21.10 keeps, for each buffer, which of its bytes have a value; a write by the host makes
// that anew, with as many bytes as were written. Every later read by a kernel is then reported as
// one of an uninitialised value, unless the host always writes buffers as a whole.

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <cstddef>
#include <cstring>
#include <vector>

namespace {

/// Reads all of a buffer, lets `change` change it and writes all of it.
template <class Change>
cl_int rewrite(cl_command_queue queue, cl_mem buffer, Change&& change) {
  std::size_t size = 0;
  cl_int code = clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof size, &size, nullptr);
  if (code != CL_SUCCESS) return code;
  std::vector<char> all(size);
  code = clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, size, all.data(), 0, nullptr, nullptr);
  if (code != CL_SUCCESS) return code;
  if (!change(all)) return CL_INVALID_VALUE;
  return clEnqueueWriteBuffer(queue, buffer, CL_TRUE, 0, size, all.data(), 0, nullptr, nullptr);
}

}  // namespace

extern "C" cl_int clEnqueueWriteBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool,
                                           const std::size_t* at, const std::size_t*,
                                           const std::size_t* region, std::size_t stride,
                                           std::size_t, std::size_t host_stride, std::size_t,
                                           const void* host, cl_uint, const cl_event*, cl_event*) {
  return rewrite(queue, buffer, [&](std::vector<char>& all) {
    if (region[2] != 1 || at[0] + (region[1] - 1) * stride + region[0] > all.size()) return false;
    for (std::size_t row = 0; row < region[1]; ++row)
      std::memcpy(all.data() + at[0] + row * stride,
                  static_cast<const char*>(host) + row * host_stride, region[0]);
    return true;
  });
}

extern "C" cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void* pattern,
                                      std::size_t length, std::size_t at, std::size_t size, cl_uint,
                                      const cl_event*, cl_event*) {
  return rewrite(queue, buffer, [&](std::vector<char>& all) {
    if (at + size > all.size()) return false;
    for (std::size_t i = 0; i + length <= size; i += length)
      std::memcpy(all.data() + at + i, pattern, length);
    return true;
  });
}
