/// \file
/// What each callback costs: time per epoch of net B, 784-128-10 with batches of 64, without a
/// callback and with one.
///
///     build/benchmarks/callbacks                            on one thread
///     CHAINRULE_THREADS=2 build/benchmarks/callbacks
///
/// CHAINRULE_BENCHMARK_ROUNDS (15) is the number of rounds, CHAINRULE_BENCHMARK_JSON a file for the
/// medians. Each epoch is 100 batches: its end is part of the time.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "chainrule/train/anomaly.hpp"
#include "chainrule/train/model_checkpoint.hpp"
#include "chainrule/train/progress.hpp"
#include "chainrule/train/reduce_on_plateau.hpp"
#include "chainrule/train/stop_conditions.hpp"
#include "chainrule/train/weight_average.hpp"
#include "contest.hpp"
#include "nets.hpp"

namespace {

using namespace chainrule;

[[nodiscard]] int number_of(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr || std::atoi(text) < 1 ? otherwise : std::atoi(text);
}

}  // namespace

int main(int argc, char** argv) try {
  const labelled_images images = synthetic_digits(6400, 1);
  const cpu be(number_of("CHAINRULE_THREADS", 1));
  const dataset<cpu> data(be, images);
  network net{be, dense{784, 128, relu{}}, dense{10}};
  trainer t{net, softmax_cross_entropy{}, momentum{.rate = 1e-3}};

  early_stopping stop{{.patience = 1 << 30}};
  early_stopping best{{.patience = 1 << 30}, net};
  reduce_on_plateau slower{t, {.patience = 1 << 30}};
  terminate_on_nan each, tenth{10};
  time_limit limit{1e9};
  ema_weights average{net};
  progress plain{std::fopen("/dev/null", "w")};
  anomaly_detection where{t};
  const std::string file = detail::concat("/tmp/chainrule-callbacks-", ::getpid(), ".safetensors");
  model_checkpoint saver{t, {.file = file}};

  contest c("callbacks/B");
  contest files("callbacks/B, each epoch a file");  // by itself: what follows a write is slower
  const auto add_to = [&](contest& to, const char* name, callback* one) {
    to.add(name, [&, one] {
      fit_options<cpu> options{.epochs = 1, .batch = net_b.batch, .seed = order_seed};
      if (one != nullptr) options.callbacks.push_back(one);
      t.fit(data, options);
    });
  };
  const auto add = [&](const char* name, callback* one) { add_to(c, name, one); };
  add("none", nullptr);
  add("early_stopping", &stop);
  add("early_stopping, best epoch", &best);
  add("reduce_on_plateau", &slower);
  add("terminate_on_nan", &each);
  add("terminate_on_nan, every 10", &tenth);
  add("time_limit", &limit);
  add("progress", &plain);
  add("ema_weights", &average);
  add("anomaly_detection", &where);
  add("none again", nullptr);
  add_to(files, "none", nullptr);
  add_to(files, "model_checkpoint", &saver);
  const int rounds = number_of("CHAINRULE_BENCHMARK_ROUNDS", 15);
  const int status = run_contests(argc, argv, {&c, &files}, "ms", 1e3, rounds);
  std::remove(file.c_str());
  return status;
} catch (const std::exception& error) {
  std::fprintf(stderr, "callbacks: %s\n", error.what());
  return 1;
}
