// Built apart from run.cpp: every activation, loss and optimizer that can be asked for is compiled
// here, and the two files together take a machine with two cores half the time.

#include "model.hpp"

#include <algorithm>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"

using namespace chainrule;

classifier make_network(const backend_in_use& be, const options& o, const labelled_images& images) {
  if (o.model == "lenet") {
    classifier net = make_lenet(be, images, o.dropout.value_or(0.4));
    net.initialize(o.seed);
    return net;
  }
  std::vector<any_layer<backend_in_use>> layers;
  index_t width = images.features();
  for (const int next : o.hidden) {
    with_activation(o.activation, [&](auto f) { layers.push_back(dense{width, next, f}); });
    if (o.dropout.value_or(0) > 0) layers.push_back(dropout{*o.dropout});
    width = next;
  }
  layers.push_back(dense{width, images.classes});
  classifier net{be, layers};
  net.initialize(o.seed);
  return net;
}

trainer<backend_in_use> make_trainer(classifier& net, const options& o, index_t samples) {
  // The rate falls to 0 over all epochs, along half a cosine.
  const weight_decay decay{o.weight_decay};
  const double first_rate = o.rate.value_or(o.optimizer == "adam" ? 0.001 : 0.05);
  const auto steps = o.epochs * batch_range(samples, o.batch).size();
  const schedule rate = cosine(first_rate, std::max<index_t>(steps, 1));
  const any_loss<backend_in_use> loss = o.loss == "mse"
                                            ? any_loss<backend_in_use>(mean_squared_error{})
                                            : any_loss<backend_in_use>(softmax_cross_entropy{});
  if (o.optimizer == "adam") return {net, loss, chain(decay, adam{rate})};
  return {net, loss, chain(decay, momentum{rate, o.momentum})};
}
