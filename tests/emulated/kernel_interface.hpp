/// \file
/// What a kernel that the host's compiler has built shows to the emulated device. Both sides
/// include it, and the kernel's side is compiled many times: no headers here.
#ifndef CHAINRULE_TESTS_EMULATED_KERNEL_INTERFACE_HPP
#define CHAINRULE_TESTS_EMULATED_KERNEL_INTERFACE_HPP

namespace emulated {

/// CUDA's uint3 and dim3.
struct index3 {
  unsigned x, y, z;
};

struct kernel_interface {
  // threadIdx, blockIdx, blockDim and gridDim, which the device sets.
  index3* thread;
  index3* block;
  index3* threads;
  index3* blocks;
  /// What __syncthreads() calls, with its line in the text and 0, and __barrier_sync_count(), with
  /// the number of threads that it is for; the device sets it.
  void (**barrier)(int line, unsigned count);
  /// What a thread calls while it waits for another block; the device sets it.
  void (**spin)();

  /// All __shared__ variables of the kernel.
  char* shared;
  unsigned long shared_bytes;

  /// The most threads of a block that __launch_bounds__ promises, else CUDA's.
  unsigned most_threads;

  /// Of each parameter: its size in bytes, and whether it is a pointer.
  unsigned parameters;
  const unsigned char* sizes;
  const bool* are_pointers;

  /// Runs the kernel for the thread and the block that are set.
  void (*run_thread)(void** arguments);
  /// Runs it for all threads of the block that is set, one after the other.
  void (*run_block)(void** arguments, bool reversed);
};

}  // namespace emulated

#endif  // CHAINRULE_TESTS_EMULATED_KERNEL_INTERFACE_HPP
