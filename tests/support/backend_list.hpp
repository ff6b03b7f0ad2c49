/// \file
/// The backend that the suites of this program run on, in float and in double.
///
/// Each backend makes test programs of its own, so that one without a device can be skipped: the
/// same files are compiled once more with CHAINRULE_TEST_<BACKEND> (tests/suites.cmake). A further
/// backend is one more branch here.
#ifndef CHAINRULE_TESTS_SUPPORT_BACKEND_LIST_HPP
#define CHAINRULE_TESTS_SUPPORT_BACKEND_LIST_HPP

#include <tuple>

#if defined(CHAINRULE_TEST_OPENCL)
#include "chainrule/backend/opencl.hpp"
#elif defined(CHAINRULE_TEST_CUDA)
#include "support/chosen_cuda.hpp"
#elif defined(CHAINRULE_TEST_MINIMAL)
#include "support/minimal_backend.hpp"
#else
#include "chainrule/backend/cpu.hpp"
#endif

namespace support {

#if defined(CHAINRULE_TEST_OPENCL)
template <class T>
using tested = chainrule::basic_opencl<T>;
#elif defined(CHAINRULE_TEST_CUDA)
template <class T>
using tested = chainrule::device_backend<chainrule::basic_cuda_runtime<chosen_cuda>, T>;
#elif defined(CHAINRULE_TEST_MINIMAL)
template <class T>
using tested = minimal_backend<T>;
#else
template <class T>
using tested = chainrule::basic_cpu<T>;
#endif

using backends = std::tuple<tested<float>, tested<double>>;

}  // namespace support

#endif  // CHAINRULE_TESTS_SUPPORT_BACKEND_LIST_HPP
