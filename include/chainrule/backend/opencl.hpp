/// \file
/// `opencl`: the backend that runs on any OpenCL 1.2 device.
///
///     chainrule::opencl be;                      // float, the first GPU, else the first device
///     chainrule::opencl second{1};               // a device by number, or by a part of its name
///     chainrule::basic_opencl<double> d(be);     // the same device in double
///
/// Needs the OpenCL headers and loader (CMake: the component and target chainrule::opencl). The
/// environment variable CHAINRULE_OPENCL_DEVICE chooses a device by number or by a part of its
/// name.
#ifndef CHAINRULE_BACKEND_OPENCL_HPP
#define CHAINRULE_BACKEND_OPENCL_HPP

#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/backend/opencl/runtime.hpp"

namespace chainrule {

/// The OpenCL backend with elements of type T, float or double.
template <class T>
using basic_opencl = device_backend<opencl_runtime, T>;

/// OpenCL in single precision.
using opencl = basic_opencl<float>;

static_assert(backend<opencl> && backend<basic_opencl<double>>);

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_OPENCL_HPP
