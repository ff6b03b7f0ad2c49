// Learns to read handwritten digits. Everything that the library does for it is in the functions
// below, from top to bottom; `mnist --help` lists what can be changed.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <tuple>

#include "chainrule/chainrule.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/train/interrupt.hpp"
#include "chainrule/train/metrics.hpp"
#include "chainrule/train/progress.hpp"
#include "draw.hpp"
#include "log.hpp"
#include "options.hpp"
#include "setting.hpp"

using namespace chainrule;
using classifier = sequential<cpu>;  // its layers are known when the program runs

/// The images in the folder that was named, else digits that are drawn here.
mnist_data read_data(const options& o) {
  if (o.data.empty())
    return {synthetic_digits(o.quick ? 2000 : 20000, 1), synthetic_digits(o.quick ? 500 : 5000, 2)};
  mnist_data data = load_mnist(o.data, "the data set");
  if (o.quick)
    data = {data.train.first(std::min<index_t>(2000, data.train.count)),
            data.test.first(std::min<index_t>(500, data.test.count))};
  return data;
}

/// Dense layers as wide as the options say, one behind the other.
classifier make_network(const cpu& be, const options& o, const labelled_images& images) {
  std::vector<layer_spec<cpu>> layers;
  index_t width = images.features();
  for (const int next : o.hidden) {
    with_activation(o.activation, [&](auto f) { layers.push_back(dense{width, next, f}); });
    if (o.dropout > 0) layers.push_back(dropout{o.dropout});
    width = next;
  }
  layers.push_back(dense{width, images.classes});
  classifier net{be, layers};
  net.initialize(o.seed);
  return net;
}

/// The loss and the optimizer that the options name; the rate falls to 0 over the epochs.
std::unique_ptr<basic_trainer<classifier>> make_trainer(classifier& net, const options& o,
                                                        index_t samples) {
  using any_trainer = std::unique_ptr<basic_trainer<classifier>>;
  const weight_decay decay{o.weight_decay};
  const double first_rate = o.rate.value_or(o.optimizer == "adam" ? 0.001 : 0.05);
  const auto steps = o.epochs * batch_range(samples, o.batch).size();
  const schedule rate = cosine(first_rate, std::max<index_t>(steps, 1));
  const auto with_loss = [&](auto loss) {
    if (o.optimizer == "adam") return any_trainer(new trainer(net, loss, chain(decay, adam{rate})));
    return any_trainer(new trainer(net, loss, chain(decay, momentum{rate, o.momentum})));
  };
  return o.loss == "mse" ? with_loss(mean_squared_error{}) : with_loss(softmax_cross_entropy{});
}

/// Image number i, and how sure the network is of each class.
void show_prediction(const cpu& be, const classifier& net, const labelled_images& images, int i) {
  tensor<cpu> pixels(be, 1, images.features());
  const std::int32_t row = i;
  be.gather(pixels.view(), images.view(), matrix_view<const std::int32_t>(&row, 1, 1),
            fn::affine{1.0 / 255});
  tensor<cpu> y = net.predict(pixels.view()), max(be, 1, 1), sum(be, 1, 1);
  ops::softmax(be, const_matrix<cpu>(y.view()), max.view(), sum.view(), y.view());
  std::printf("test image %d, a %d:\n", i, images.labels[static_cast<std::size_t>(i)]);
  draw_image(images.image(i));
  draw_probabilities(to_host(be, const_matrix<cpu>(y.view())));
}

int run(const options& o) {
  const cpu be = o.threads ? cpu{*o.threads} : cpu{};
  mnist_data data = read_data(o);
  classifier net = make_network(be, o, data.train);
  // Whatever can go wrong does so now, not after an hour of training.
  if (!o.load.empty()) load_weights(net, o.load);
  if (!o.save.empty()) require_can_save(o.save);
  if (o.predict) (void)data.test.image(*o.predict);
  csv_log log(o.log);

  labelled_images held_out;
  if (o.validation > 0) std::tie(data.train, held_out) = data.train.split(o.validation, o.seed);
  const dataset<cpu> train(be, data.train), validation(be, held_out), test(be, data.test);
  const auto trainer = make_trainer(net, o, train.count());
  print_setting(o, be.name(), be.instruction_set(), be.threads(), data.train, data.test);
  std::printf("\n%s\n", summary(net).c_str());

  progress line;
  stop_on_interrupt interrupt;
  const history h = trainer->fit(train, {.epochs = o.epochs,
                                         .batch = o.batch,
                                         .seed = o.seed,
                                         .validation = o.validation > 0 ? &validation : nullptr,
                                         .observers = {&line, &log, &interrupt}});
  if (h.reason == stop_reason::diverged) throw value_error(h.message);
  if (h.reason == stop_reason::asked) std::printf("stopped: %s\n", h.message.c_str());
  if (!o.save.empty()) save_weights(net, o.save);

  const confusion_matrix confusion(data.test.labels, trainer->classify(test), data.test.classes);
  std::printf("\n%s\n", to_string(confusion).c_str());
  if (o.predict) show_prediction(be, net, data.test, *o.predict);
  const figures final = trainer->evaluate(test);
  std::printf("final: test_loss=%.4f test_accuracy=%.4f\n", final.loss, final.accuracy);
  return 0;
}

int main(int argc, char** argv) {
  try {
    return run(read_options(argc, argv));
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "mnist: there is not enough memory for this data and this network\n");
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mnist: %s\n", e.what());
    return 1;
  }
}
