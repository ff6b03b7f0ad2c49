/// \file
/// The functions of OpenCL that the runtime calls, as a table, and the names of their error codes.
/// Needs the OpenCL headers and loader (1.2 or later); this is the only file that includes them.
///
/// The runtime is a template over the table, so that a test can replace it and let the k-th call
/// fail.
#ifndef CHAINRULE_BACKEND_OPENCL_API_HPP
#define CHAINRULE_BACKEND_OPENCL_API_HPP

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include <string>

#include "chainrule/core/compiler.hpp"

namespace chainrule {

/// The functions of the OpenCL loader.
struct opencl_api {
  static constexpr auto* get_platform_ids = &clGetPlatformIDs;
  static constexpr auto* get_platform_info = &clGetPlatformInfo;
  static constexpr auto* get_device_ids = &clGetDeviceIDs;
  static constexpr auto* get_device_info = &clGetDeviceInfo;
  static constexpr auto* create_context = &clCreateContext;
  static constexpr auto* release_context = &clReleaseContext;
  static constexpr auto* create_queue = &clCreateCommandQueue;
  static constexpr auto* release_queue = &clReleaseCommandQueue;
  static constexpr auto* create_buffer = &clCreateBuffer;
  static constexpr auto* release_buffer = &clReleaseMemObject;
  static constexpr auto* write_rows = &clEnqueueWriteBufferRect;
  static constexpr auto* read_rows = &clEnqueueReadBufferRect;
  static constexpr auto* write_bytes = &clEnqueueWriteBuffer;
  static constexpr auto* read_bytes = &clEnqueueReadBuffer;
  static constexpr auto* fill_buffer = &clEnqueueFillBuffer;
  static constexpr auto* create_program = &clCreateProgramWithSource;
  static constexpr auto* create_program_from_binary = &clCreateProgramWithBinary;
  static constexpr auto* build_program = &clBuildProgram;
  static constexpr auto* get_build_info = &clGetProgramBuildInfo;
  static constexpr auto* get_program_info = &clGetProgramInfo;
  static constexpr auto* release_program = &clReleaseProgram;
  static constexpr auto* create_kernel = &clCreateKernel;
  static constexpr auto* release_kernel = &clReleaseKernel;
  static constexpr auto* get_kernel_group_info = &clGetKernelWorkGroupInfo;
  static constexpr auto* set_argument = &clSetKernelArg;
  static constexpr auto* launch = &clEnqueueNDRangeKernel;
  static constexpr auto* barrier = &clEnqueueBarrierWithWaitList;
  static constexpr auto* get_event_info = &clGetEventInfo;
  static constexpr auto* release_event = &clReleaseEvent;
  static constexpr auto* flush = &clFlush;
  static constexpr auto* finish = &clFinish;
};

namespace device {

/// The name of an OpenCL error code, for messages.
[[nodiscard]] inline std::string opencl_error_name(cl_int code) {
  struct entry {
    cl_int code;
    const char* name;
  };
  static constexpr entry names[] = {
      {CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND"},
      {CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE"},
      {CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE"},
      {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
      {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES"},
      {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY"},
      {CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE"},
      {CL_MAP_FAILURE, "CL_MAP_FAILURE"},
      {CL_INVALID_VALUE, "CL_INVALID_VALUE"},
      {CL_INVALID_DEVICE, "CL_INVALID_DEVICE"},
      {CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT"},
      {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE"},
      {CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT"},
      {CL_INVALID_BINARY, "CL_INVALID_BINARY"},
      {CL_INVALID_BUILD_OPTIONS, "CL_INVALID_BUILD_OPTIONS"},
      {CL_INVALID_PROGRAM, "CL_INVALID_PROGRAM"},
      {CL_INVALID_PROGRAM_EXECUTABLE, "CL_INVALID_PROGRAM_EXECUTABLE"},
      {CL_INVALID_KERNEL_NAME, "CL_INVALID_KERNEL_NAME"},
      {CL_INVALID_KERNEL, "CL_INVALID_KERNEL"},
      {CL_INVALID_ARG_INDEX, "CL_INVALID_ARG_INDEX"},
      {CL_INVALID_ARG_SIZE, "CL_INVALID_ARG_SIZE"},
      {CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS"},
      {CL_INVALID_WORK_DIMENSION, "CL_INVALID_WORK_DIMENSION"},
      {CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE"},
      {CL_INVALID_WORK_ITEM_SIZE, "CL_INVALID_WORK_ITEM_SIZE"},
      {CL_INVALID_OPERATION, "CL_INVALID_OPERATION"},
      {CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE"},
      {CL_INVALID_GLOBAL_WORK_SIZE, "CL_INVALID_GLOBAL_WORK_SIZE"},
      {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
  };
  for (const entry& e : names)
    if (e.code == code) return e.name;
  return "error " + std::to_string(code);
}

}  // namespace device
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_OPENCL_API_HPP
