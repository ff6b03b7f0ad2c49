/// \file
/// `cuda`: the backend that runs on NVIDIA GPUs.
///
///     chainrule::cuda be;                      // float, the first device
///     chainrule::cuda second(1);               // or by a part of its name
///     chainrule::basic_cuda<double> d(be);     // the same device in double
///
/// Needs the CUDA toolkit (11.4 or later) to compile, without nvcc: the headers, cudart, NVRTC and
/// cuBLASLt (CMake: the component and target chainrule::cuda). A program built with it starts on
/// machines without a driver; constructing a backend there throws backend_error, which names the
/// missing part. Environment variables:
///
///     CUDA_VISIBLE_DEVICES     the devices that the driver shows to the program
///     CHAINRULE_CUDA_DEVICE    the default device, by number or by a part of its name
///     CHAINRULE_CUDA_TF32=1    products in TF32, faster, with 10 bits of mantissa
///     CHAINRULE_CUDA_GEMM=text products by the library's own kernel and not by cuBLASLt
///     CHAINRULE_CUDA_PERSISTENT=1
///                              captured steps as persistent kernels, where they are small
///
/// Products with the epilogue relu turn NaN into 0 where cuBLASLt computes them; the library's
/// kernel propagates NaN.
#ifndef CHAINRULE_BACKEND_CUDA_HPP
#define CHAINRULE_BACKEND_CUDA_HPP

#include "chainrule/backend/cuda/runtime.hpp"
#include "chainrule/backend/device/device_backend.hpp"

namespace chainrule {

/// The CUDA backend with elements of type T, float or double.
template <class T>
using basic_cuda = device_backend<cuda_runtime, T>;

/// CUDA in single precision.
using cuda = basic_cuda<float>;

static_assert(backend<cuda> && backend<basic_cuda<double>>);

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CUDA_HPP
