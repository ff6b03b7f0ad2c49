// The whole run on one backend: what it says in run() is all there is to it. Compiled once for each
// backend that the program knows (CMakeLists.txt).

#include "run.hpp"

#include <cstdio>
#include <optional>
#include <tuple>
#include <vector>

#include "chainrule/io/weights.hpp"
#include "chainrule/metrics/confusion_matrix.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/train/csv_log.hpp"
#include "chainrule/train/interrupt.hpp"
#include "chainrule/train/progress.hpp"
#include "class_names.hpp"
#include "draw.hpp"
#include "model.hpp"
#include "report.hpp"
#include "setting.hpp"

using namespace chainrule;

bool run(const backend_in_use& be, const options& o, mnist_data data) {
  classifier net = make_network(be, o, data.train);
  // Whatever can go wrong does so now, not after an hour of training.
  if (!o.load.empty()) load_weights(net, o.load);
  if (!o.save.empty()) require_can_save(o.save);
  if (!o.report.empty()) require_can_save(o.report);
  if (o.predict) (void)data.test.image(*o.predict);
  std::optional<csv_log> log;
  if (!o.log.empty()) log.emplace(o.log);

  labelled_images held_out;
  if (o.validation > 0) std::tie(data.train, held_out) = data.train.split(o.validation, o.seed);
  const dataset<backend_in_use> train(be, data.train), validation(be, held_out),
      test(be, data.test);
  auto t = make_trainer(net, o, train.count());
  print_setting(o, be, data.train, data.test);
  std::printf("\n%s\n", summary(net).c_str());

  progress line;
  stop_on_interrupt interrupt;
  std::vector<callback*> callbacks{&line, &interrupt};
  if (log) callbacks.push_back(&*log);
  const history h = t.fit(train, {.epochs = o.epochs,
                                  .batch = o.batch,
                                  .seed = o.seed,
                                  .validation = o.validation > 0 ? &validation : nullptr,
                                  .callbacks = callbacks});
  if (h.reason == stop_reason::diverged) throw error(h.message);
  if (h.reason == stop_reason::asked) std::printf("stopped: %s\n", h.message.c_str());
  if (!o.save.empty()) save_weights(net, o.save);

  const std::vector<int> predicted = t.classify(test);
  const confusion_matrix confusion(data.test.labels, predicted, data.test.classes);
  std::printf("\n%s\n", to_string(confusion).c_str());
  print_class_names(data.test.name, data.test.classes);
  if (!o.report.empty()) write_report_of(h, o, t, test, data.test, predicted);
  if (o.predict) draw_prediction(net, data.test, *o.predict);
  const metrics final = t.evaluate(test);
  std::printf("final: test_loss=%.4f test_accuracy=%.4f\n", final.loss, final.accuracy);
  return interrupt.happened();
}
