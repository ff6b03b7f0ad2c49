// The whole run on one backend: what it says in run() is all there is to it. Compiled once for each
// backend that the program knows (CMakeLists.txt).

#include "run.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "chainrule/io/checkpoint.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/metrics/confusion_matrix.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/train/communicator.hpp"
#include "chainrule/train/csv_log.hpp"
#include "chainrule/train/interrupt.hpp"
#include "chainrule/train/model_checkpoint.hpp"
#include "chainrule/train/progress.hpp"
#include "class_names.hpp"
#include "draw.hpp"
#include "model.hpp"
#include "report.hpp"
#include "setting.hpp"

using namespace chainrule;

namespace {

/// Continues the training of a checkpoint, if there is one; returns the epochs that it has done.
int resume(trainer<backend_in_use>& t, const std::string& file) {
  if (!std::filesystem::exists(file)) return 0;
  (void)load_training(t, file);
  return static_cast<int>(t.epochs_done());
}

}  // namespace

bool run(const backend_in_use& be, const options& o, mnist_data data, communicator* c) {
  std::optional<communicating_ranks<backend_in_use>> ranks;
  if (c != nullptr) ranks.emplace(be, *c);
  const bool is_first = !ranks || ranks->is_first();
  classifier net = make_network(be, o, data.train);
  // Whatever can go wrong does so now, not after an hour of training.
  if (!o.load.empty()) load_weights(net, o.load);
  if (!o.save.empty() && is_first) require_can_save(o.save);
  if (!o.report.empty() && is_first) require_can_save(o.report);
  if (o.predict) (void)data.test.image(*o.predict);

  labelled_images held_out;
  if (o.validation > 0) std::tie(data.train, held_out) = data.train.split(o.validation, o.seed);
  const dataset<backend_in_use> train(be, data.train), validation(be, held_out),
      test(be, data.test);
  auto t = make_trainer(net, o, train.count());
  const int done = o.checkpoint.empty() ? 0 : resume(t, o.checkpoint);
  if (is_first) {
    print_setting(o, be, data.train, data.test);
    if (ranks) std::printf("ranks      %d\n", ranks->size());
    if (done > 0) std::printf("resumed    after %d epochs\n", done);
    std::printf("\n%s\n", summary(net).c_str());
  }

  progress line;  // fit lets the first rank alone call it
  stop_on_interrupt interrupt;
  std::vector<callback*> callbacks{&line, &interrupt};
  std::optional<csv_log> log;
  if (!o.log.empty()) callbacks.push_back(&log.emplace(o.log));
  std::optional<model_checkpoint> checkpoint;
  if (!o.checkpoint.empty() && is_first)
    callbacks.push_back(&checkpoint.emplace(t, model_checkpoint_options{.file = o.checkpoint}));
  const history h = t.fit(train, {.epochs = std::max(o.epochs - done, 0),
                                  .batch = o.batch,
                                  .seed = o.seed,
                                  .validation = o.validation > 0 ? &validation : nullptr,
                                  .callbacks = callbacks,
                                  .micro_batches = o.micro_batches,
                                  .ranks = ranks ? &*ranks : nullptr});
  if (h.reason == stop_reason::diverged) throw error(h.message);
  const bool is_interrupted = h.reason == stop_reason::asked;
  if (!is_first) return is_interrupted;
  if (is_interrupted) std::printf("stopped: %s\n", h.message.c_str());
  if (!o.save.empty()) save_weights(net, o.save);

  const std::vector<int> predicted = t.classify(test);
  const confusion_matrix confusion(data.test.labels, predicted, data.test.classes);
  std::printf("\n%s\n", to_string(confusion).c_str());
  print_class_names(data.test.name, data.test.classes);
  if (!o.report.empty()) write_report_of(h, o, t, test, data.test, predicted);
  if (o.predict) draw_prediction(net, data.test, *o.predict);
  const metrics final = t.evaluate(test);
  std::printf("final: test_loss=%.4f test_accuracy=%.4f\n", final.loss, final.accuracy);
  return is_interrupted || interrupt.happened();
}
