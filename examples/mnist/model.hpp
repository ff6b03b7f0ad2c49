/// \file
/// The network of `mnist`, and how it is trained.
#ifndef CHAINRULE_EXAMPLES_MNIST_MODEL_HPP
#define CHAINRULE_EXAMPLES_MNIST_MODEL_HPP

#include "backends.hpp"
#include "chainrule/data/images.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "options.hpp"

/// A chain of layers that the command line decides on.
using classifier = chainrule::network<backend_in_use>;

/// Dense layers as wide as the options say, one behind the other, or lenet.
classifier make_network(const backend_in_use& be, const options& o,
                        const chainrule::labelled_images& images);

/// Two convolutions, each with pooling, and a hidden layer with dropout. After Y. LeCun et al.,
/// "Gradient-based learning applied to document recognition", 1998, with more filters.
classifier make_lenet(const backend_in_use& be, const chainrule::labelled_images& images,
                      double dropout);

/// Training with the loss and the optimizer that the options name.
chainrule::trainer<backend_in_use> make_trainer(classifier& net, const options& o,
                                                chainrule::index_t samples);

#endif  // CHAINRULE_EXAMPLES_MNIST_MODEL_HPP
