/// \file
/// The run of `mnist`, on each backend that it was built for.
#ifndef CHAINRULE_EXAMPLES_MNIST_RUN_HPP
#define CHAINRULE_EXAMPLES_MNIST_RUN_HPP

#include "backends.hpp"
#include "chainrule/data/mnist.hpp"
#include "options.hpp"

/// Trains a network on the data, says how well it does, and saves it if asked.
void run(const chainrule::cpu& be, const options& o, chainrule::mnist_data data);
#ifdef MNIST_WITH_OPENCL
void run(const chainrule::opencl& be, const options& o, chainrule::mnist_data data);
#endif
#ifdef MNIST_WITH_CUDA
void run(const chainrule::cuda& be, const options& o, chainrule::mnist_data data);
#endif

#endif  // CHAINRULE_EXAMPLES_MNIST_RUN_HPP
