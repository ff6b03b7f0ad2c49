// Learns to read handwritten digits. What the library does for it is in model.cpp (the network and
// how it is trained) and in run() below; `mnist --help` lists what can be changed.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <tuple>

#include "chainrule/data/mnist.hpp"
#include "chainrule/data/synthetic_digits.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/train/interrupt.hpp"
#include "chainrule/train/metrics.hpp"
#include "chainrule/train/progress.hpp"
#include "draw.hpp"
#include "log.hpp"
#include "model.hpp"
#include "options.hpp"
#include "setting.hpp"

using namespace chainrule;

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

int run(const options& o) {
  const cpu be = o.threads ? cpu{*o.threads} : cpu{};
  mnist_data data = read_data(o);
  classifier net = make_network(be, o, data.train.features(), data.train.classes);
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
  if (o.predict) draw_prediction(net, data.test, *o.predict);
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
