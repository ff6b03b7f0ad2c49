/// \file
/// The network of `mnist`, and how it is trained.
#ifndef CHAINRULE_EXAMPLES_MNIST_MODEL_HPP
#define CHAINRULE_EXAMPLES_MNIST_MODEL_HPP

#include "backends.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "options.hpp"

/// A chain of layers that the command line decides on.
using classifier = chainrule::network<backend_in_use>;

/// Dense layers as wide as the options say, one behind the other.
classifier make_network(const backend_in_use& be, const options& o, chainrule::index_t pixels,
                        chainrule::index_t classes);

/// Training with the loss and the optimizer that the options name.
chainrule::trainer<backend_in_use> make_trainer(classifier& net, const options& o,
                                                chainrule::index_t samples);

#endif  // CHAINRULE_EXAMPLES_MNIST_MODEL_HPP
