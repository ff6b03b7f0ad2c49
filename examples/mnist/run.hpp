/// \file
/// The run of `mnist`, on each backend that it was built for.
#ifndef CHAINRULE_EXAMPLES_MNIST_RUN_HPP
#define CHAINRULE_EXAMPLES_MNIST_RUN_HPP

#include "backends.hpp"
#include "chainrule/data/mnist.hpp"
#include "options.hpp"

namespace chainrule {
class communicator;
}

/// Trains a network on the data, says how well it does, and saves it if asked. Returns whether
/// it was interrupted. `c` connects the ranks that train together, of which the first prints and
/// writes files; null for one process.
bool run(const chainrule::cpu& be, const options& o, chainrule::mnist_data data,
         chainrule::communicator* c);
#ifdef MNIST_WITH_OPENCL
bool run(const chainrule::opencl& be, const options& o, chainrule::mnist_data data,
         chainrule::communicator* c);
#endif
#ifdef MNIST_WITH_CUDA
bool run(const chainrule::cuda& be, const options& o, chainrule::mnist_data data,
         chainrule::communicator* c);
#endif

#endif  // CHAINRULE_EXAMPLES_MNIST_RUN_HPP
