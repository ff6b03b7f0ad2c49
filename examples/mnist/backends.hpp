/// \file
/// The backends that `mnist` was built for, and the one that a file is compiled for at the moment.
#ifndef CHAINRULE_EXAMPLES_MNIST_BACKENDS_HPP
#define CHAINRULE_EXAMPLES_MNIST_BACKENDS_HPP

#include "chainrule/backend/cpu.hpp"
#ifdef MNIST_WITH_OPENCL
#include "chainrule/backend/opencl.hpp"
#endif
#ifdef MNIST_WITH_CUDA
#include "chainrule/backend/cuda.hpp"
#endif

#include "chainrule/backend/select.hpp"

/// Calls go(backend, how it was chosen) with one of the backends that are built in.
template <class F>
void call_with_backend(const std::string& name, const F& go) {
  using namespace chainrule;
#if defined(MNIST_WITH_OPENCL) && defined(MNIST_WITH_CUDA)
  with_backend<cpu, opencl, cuda>(name, go);
#elif defined(MNIST_WITH_OPENCL)
  with_backend<cpu, opencl>(name, go);
#elif defined(MNIST_WITH_CUDA)
  with_backend<cpu, cuda>(name, go);
#else
  with_backend<cpu>(name, go);
#endif
}

// The files of the run are compiled once for each (CMakeLists.txt).
#ifdef MNIST_BACKEND
using backend_in_use = chainrule::MNIST_BACKEND;
#endif

#endif  // CHAINRULE_EXAMPLES_MNIST_BACKENDS_HPP
