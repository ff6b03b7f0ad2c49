// Callbacks that steer a training, as programs use them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/metrics/regression.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/anomaly.hpp"
#include "chainrule/train/learning_rate_finder.hpp"
#include "chainrule/train/model_checkpoint.hpp"
#include "chainrule/train/reduce_on_plateau.hpp"
#include "chainrule/train/stop_conditions.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/scratch.hpp"

namespace callbacks_test {

using namespace chainrule;
using support::backends;
using support::complaint;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// 24 samples of 3 features in 2 classes, and 8 others to validate on.
template <class B>
struct problem {
  using T = scalar_t<B>;
  explicit problem(const B& be)
      : x(make(32)),
        data(be, matrix_view<const T>(x.data(), 24, 3), labels(24), 2),
        held_out(be, matrix_view<const T>(x.data() + 72, 8, 3), labels(8), 2) {}
  static std::vector<T> make(int count) {
    std::vector<T> values;
    random_stream random(5);
    for (int i = 0; i < 3 * count; ++i)
      values.push_back(static_cast<T>(random.below(64)) / 32 - T(1));
    return values;
  }
  static std::vector<int> labels(int count) {
    std::vector<int> all;
    for (int i = 0; i < count; ++i) all.push_back(i * 5 % 7 % 2);
    return all;
  }
  std::vector<T> x;
  dataset<B> data, held_out;
};

template <class B>
auto make_network(const B& be) {
  network net{be, dense{3, 5, gelu{}}, batch_norm{}, dropout{0.25}, dense{2}};
  net.initialize(4);
  return net;
}

/// Parameters and states.
template <class Net>
std::vector<double> values_of(const Net& net) {
  std::vector<double> all;
  for (const auto* a : {&net.parameters(), &net.states()})
    for (const auto v : to_host(net.backend(), a->all())) all.push_back(static_cast<double>(v));
  return all;
}

/// What a training goes on with.
template <class Trainer>
std::vector<double> values_of_training(Trainer& t) {
  std::vector<double> all = values_of(std::as_const(t).net());
  for (const auto& a : std::as_const(t).optimizer().state())
    for (const auto v : to_host(t.net().backend(), a.all())) all.push_back(static_cast<double>(v));
  all.push_back(static_cast<double>(t.steps()));
  all.push_back(static_cast<double>(t.epochs()));
  all.push_back(static_cast<double>(t.place().done));
  all.push_back(t.optimizer().rate_factor());
  return all;
}

/// Calls f(record) at the end of each batch, g(record) at that of each epoch.
template <class F, class G>
struct calling final : callback {
  calling(F batch, G epoch) : f(batch), g(epoch) {}
  void on_batch_end(const batch_record& r) override { f(r); }
  void on_epoch_end(const epoch_record& r) override { g(r); }
  F f;
  G g;
};
constexpr auto nothing = [](const auto&) {};

epoch_record record_of(int epoch, double loss) {
  epoch_record r;
  r.epoch = epoch;
  r.training.loss = loss;
  return r;
}

/// Feeds epochs to a callback until it stops; their number.
int epochs_until_stop(callback& c, const std::vector<double>& losses) {
  c.on_fit_begin({});
  int epoch = 0;
  for (const double loss : losses) {
    c.on_epoch_end(record_of(++epoch, loss));
    if (!c.should_stop().empty()) return epoch;
  }
  return 0;
}

bool is_near(double got, double expected, double epsilons = 8) {
  return std::fabs(got - expected) <=
         epsilons * std::numeric_limits<double>::epsilon() * std::fabs(expected);
}

}  // namespace

// --- early_stopping -----------------------------------------------------------------------------

TEST_CASE("early stopping counts epochs without an improvement of more than min_delta",
          "[train][callbacks]") {
  early_stopping plain{2};
  CHECK(epochs_until_stop(plain, {5, 4, 3.9, 3.95, 3.9}) == 5);
  CHECK(plain.best_epoch() == 3);
  CHECK(plain.best() == 3.9);
  CHECK(epochs_until_stop(plain, {not_a_number, not_a_number}) == 2);
  CHECK(plain.best_epoch() == 0);
  early_stopping strict{{.patience = 2, .min_delta = 0.25}};
  CHECK(epochs_until_stop(strict, {5, 4, 3.75, 3.76, 1}) == 4);  // 0.25 is not more than 0.25
  CHECK(strict.best() == 4);
  CHECK(epochs_until_stop(strict, {5, 4, 3.7, 3.4, 3.1}) == 0);
  CHECK(complaint<value_error>([] { early_stopping{{.min_delta = -1}}; }) ==
        "early stopping needs a min_delta of at least 0, got -1");
}

TEMPLATE_LIST_TEST_CASE("early stopping restores the best epoch to the bit", "[train][callbacks]",
                        backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  auto net = make_network(be);
  // The steps of the third epoch and of those after it are far too large.
  trainer t{net, softmax_cross_entropy{},
            momentum{.rate = [](std::int64_t step) { return step < 6 ? 0.05 : 20.0; }}};
  early_stopping best{{.patience = 2}, net};
  std::vector<std::vector<double>> epochs;
  calling recorder{nothing, [&](const epoch_record&) { epochs.push_back(values_of(net)); }};
  for (const bool with_validation : {true, false}) {
    epochs.clear();
    const history h = t.fit(p.data, {.epochs = 9,
                                     .batch = 8,
                                     .validation = with_validation ? &p.held_out : nullptr,
                                     .callbacks = {&best, &recorder}});
    REQUIRE(best.best_epoch() > 0);
    REQUIRE(best.best_epoch() < static_cast<int>(epochs.size()));
    const auto i = static_cast<std::size_t>(best.best_epoch() - 1);
    CHECK(values_of(net) == epochs[i]);
    CHECK(values_of(net) != epochs.back());
    CHECK(best.best() == (with_validation ? h.epochs[i].validation : h.epochs[i].training).loss);
    CHECK(h.message == "the loss stopped falling");
  }
}

TEMPLATE_LIST_TEST_CASE("a metric is followed by its name, upwards or downwards",
                        "[train][callbacks]", backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  network net{be, dense{3, 1}};
  trainer t{net,
            mean_squared_error{},
            sgd{0.01},
            {r_squared{}, root_mean_squared_error{}, mean_absolute_error{}, accuracy{}}};
  early_stopping rises{{.patience = 3, .monitor = "R2"}};
  early_stopping falls{{.patience = 3, .monitor = "root mean squared error"}};
  const history h =
      t.fit(p.data, {.epochs = 2, .validation = &p.held_out, .callbacks = {&rises, &falls}});
  std::vector<bool> lower;
  for (const metric_value& v : h.epochs[0].validation.values) lower.push_back(v.lower_is_better);
  CHECK(lower == std::vector<bool>{false, true, true, false});
  const metrics a = h.epochs[0].validation;
  const metrics b = h.epochs[1].validation;
  REQUIRE(a["R2"] != b["R2"]);
  CHECK(rises.best() == std::fmax(a["R2"], b["R2"]));
  CHECK(falls.best() == std::fmin(a["root mean squared error"], b["root mean squared error"]));

  early_stopping unknown{{.monitor = "f1"}};
  CHECK(complaint<value_error>([&] { t.fit(p.data, {.callbacks = {&unknown}}); }) ==
        "early stopping monitors 'f1', which was not measured; there are 'loss', 'R2', 'root mean "
        "squared error', 'mean absolute error', 'accuracy', and further metrics are given to the "
        "trainer's constructor");
}

// --- model_checkpoint ---------------------------------------------------------------------------

namespace {
/// Ends a training as a killed program does: nothing is called behind it.
struct killed {};
}  // namespace

TEMPLATE_LIST_TEST_CASE("a killed training resumes from its checkpoint to the bit",
                        "[train][callbacks]", backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  const scratch::folder folder;
  const std::string file = folder / "run.safetensors";
  const auto make_trainer = [](auto& net) {
    return trainer{net, softmax_cross_entropy{}, chain(weight_decay{0.01}, adam{0.01})};
  };
  const fit_options<B> five{.epochs = 5, .batch = 10, .seed = 3};

  auto whole = make_network(be);
  auto straight = make_trainer(whole);
  straight.optimizer().scale_rate(0.5);
  straight.fit(p.data, five);
  {
    auto net = make_network(be);
    auto t = make_trainer(net);
    t.optimizer().scale_rate(0.5);
    model_checkpoint last{t, {.file = file}};
    calling dies{[](const batch_record& r) {
                   if (r.step == 8) throw killed{};
                 },
                 nothing};
    fit_options<B> options = five;
    options.callbacks = {&last, &dies};
    REQUIRE_THROWS_AS(t.fit(p.data, options), killed);
    CHECK(last.files() == std::vector<std::string>{file});
  }
  auto net = make_network(be);
  net.initialize(77);
  auto resumed = make_trainer(net);
  (void)load_training(resumed, file);
  CHECK(resumed.steps() == 6);  // two epochs of 10, 10 and 4 samples
  CHECK(resumed.optimizer().rate_factor() == 0.5);
  fit_options<B> rest = five;
  rest.epochs = 3;
  resumed.fit(p.data, rest);
  CHECK(values_of_training(resumed) == values_of_training(straight));
  CHECK(scratch::entries_of(folder.path()).size() == 1);
}

TEST_CASE("checkpoints are those of the best, the last or every n epochs", "[train][callbacks]") {
  using B = support::tested<float>;
  const B be;
  const scratch::folder folder;
  auto net = make_network(be);
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  model_checkpoint last{t, {.file = folder / "last.st"}};
  model_checkpoint best{t, {.file = folder / "best.st", .best_only = true}};
  model_checkpoint two{t, {.file = folder / "run.st", .every = 2, .keep = 2}};
  model_checkpoint all{t, {.file = folder / "all", .every = 3, .keep = 0}};
  const std::vector<double> losses{5, 4, 3, 6, not_a_number, 2.5, 7, not_a_number};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const int epoch = static_cast<int>(i) + 1;
    t.set_progress(10 * epoch, static_cast<std::uint64_t>(epoch));
    for (callback* c : std::vector<callback*>{&last, &best, &two, &all})
      c->on_epoch_end(record_of(epoch, losses[i]));
  }
  CHECK(best.best() == 2.5);
  CHECK(two.files() == std::vector<std::string>{folder / "run-4.st", folder / "run-6.st"});
  CHECK(all.files() == std::vector<std::string>{folder / "all-3", folder / "all-6"});
  auto names = scratch::entries_of(folder.path());
  std::sort(names.begin(), names.end());
  CHECK(names ==
        std::vector<std::string>{"all-3", "all-6", "best.st", "last.st", "run-4.st", "run-6.st"});
  const auto epoch_of = [&](const std::string& name) {
    (void)load_training(t, folder / name);
    return t.epochs();
  };
  CHECK(epoch_of("last.st") == 7);  // the eighth had no finite loss
  CHECK(epoch_of("best.st") == 6);
  CHECK(epoch_of("run-4.st") == 4);

  CHECK(complaint<value_error>([&] {
          model_checkpoint{t, {}};
        }) == "model_checkpoint needs the name of a file");
  CHECK(complaint<value_error>([&] {
          model_checkpoint{t, {.file = folder / "x", .every = 0}};
        }) ==
        "model_checkpoint saves every 1 or more epochs and keeps 0 or more files, got 0 and 1");
  CHECK_THROWS_AS((model_checkpoint{t, {.file = folder / "none/x"}}), io_error);
}

// --- the factor of the learning rate ------------------------------------------------------------

TEMPLATE_LIST_TEST_CASE("a scaled rate acts from the next step on, within an epoch too",
                        "[train][callbacks]", backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  const auto trained = [&](const schedule& rate, int scaled_after) {
    auto net = make_network(be);
    trainer t{net, softmax_cross_entropy{}, momentum{.rate = rate}};
    std::vector<double> rates;
    calling c{[&](const batch_record& r) {
                rates.push_back(r.rate);
                if (r.step == scaled_after) t.optimizer().scale_rate(0.25);
              },
              nothing};
    t.fit(p.data, {.epochs = 2, .batch = 4, .seed = 1, .callbacks = {&c}});
    rates.insert(rates.end(), {t.rate(), t.optimizer().rate_factor()});
    auto values = values_of(net);
    return std::pair(values, rates);
  };
  // 6 steps in an epoch. Powers of two: the products are exact, so the bits are the same.
  for (const int step : {1, 3, 6, 8}) {
    CAPTURE(step);
    const auto scaled = trained(0.5, step);
    const auto planned = trained([=](std::int64_t i) { return i < step ? 0.5 : 0.125; }, 100);
    CHECK(scaled.first == planned.first);
    CHECK(scaled.second[static_cast<std::size_t>(step)] == 0.125);
    CHECK(scaled.second[12] == 0.125);
    CHECK(scaled.second[13] == 0.25);
  }
  CHECK(trained(0.5, 100).first != trained(0.5, 8).first);
}

TEST_CASE("the factor of the rate is saved and moved with a training", "[train][callbacks]") {
  using B = support::tested<double>;
  const B be;
  const scratch::folder folder;
  const std::string file = folder / "training";
  network net{be, dense{2, 1}};
  trainer t{net, mean_squared_error{}, sgd{0.5}};
  trainer other{net, mean_squared_error{}, sgd{0.5}};
  t.optimizer().scale_rate(0.1);
  t.optimizer().scale_rate(0.1);
  CHECK(t.optimizer().rate_factor() == 0.1 * 0.1);
  CHECK(t.rate() == 0.5 * (0.1 * 0.1));
  other.resume_from(t);
  CHECK(other.rate() == t.rate());
  save_training(t, file);
  other.optimizer().set_rate_factor(1);
  (void)load_training(other, file);
  CHECK(other.optimizer().rate_factor() == 0.1 * 0.1);

  save_weights(net, file, {{"optimizer", "sgd"}, {"steps", "7"}, {"epochs", "2"}});
  (void)load_training(other, file);  // of version 0.1
  CHECK(other.optimizer().rate_factor() == 1);
  save_weights(net, file,
               {{"optimizer", "sgd"}, {"steps", "8"}, {"epochs", "2"}, {"rate_factor", "-2"}});
  CHECK(complaint<format_error>([&] { (void)load_training(other, file); }) ==
        file + ": the metadata 'rate_factor' must be a finite number of at least 0, got '-2'");
  CHECK(other.steps() == 7);
  CHECK(complaint<value_error>([&] { t.optimizer().scale_rate(not_a_number); }) ==
        "the factor of a learning rate must be finite and at least 0, got nan");
  CHECK(t.optimizer().rate_factor() == 0.1 * 0.1);
}

TEST_CASE("reduce_on_plateau decides as PyTorch does", "[train][callbacks]") {
  using B = support::tested<double>;
  const B be;
  network net{be, dense{2, 1}};
  const auto rates = [&](const std::vector<double>& series, const plateau_options& options,
                         bool as_metric) {
    trainer t{net, mean_squared_error{}, sgd{0.5}};
    reduce_on_plateau slower{t, options};
    std::vector<double> all;
    for (const double x : series) {
      epoch_record r = record_of(1, as_metric ? 0 : x);
      if (as_metric) r.training.values.push_back({"accuracy", x});
      slower.on_epoch_end(r);
      all.push_back(t.rate());
    }
    return all;
  };
  const auto same = [](const std::vector<double>& got, const std::vector<double>& expected) {
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i, got[i], expected[i]);
      CHECK(is_near(got[i], expected[i]));  // up to four roundings each
    }
  };
  // Rates of torch.optim.lr_scheduler.ReduceLROnPlateau (PyTorch 2.15.0), threshold 1e-4.
  const std::vector<double> losses{1.0,  0.9,  0.8,  0.79999, 0.79998,      0.79997, 0.79996,
                                   0.7,  0.71, 0.72, 0.73,    not_a_number, 0.71,    0.69,
                                   0.69, 0.69, 0.69, 0.69,    0.69,         0.6,     0.61,
                                   0.61, 0.61, 0.61, 0.61,    0.61,         0.61};
  same(rates(losses, {.factor = 0.1, .patience = 2}, false),
       {0.5,    0.5,    0.5,    0.5,    0.5,   0.05,  0.05,  0.05,   0.05,
        0.05,   0.005,  0.005,  0.005,  0.005, 0.005, 0.005, 0.0005, 0.0005,
        0.0005, 0.0005, 0.0005, 0.0005, 5e-05, 5e-05, 5e-05, 5e-06,  5e-06});
  same(rates(losses, {.factor = 0.5, .patience = 2, .cooldown = 2, .min_rate = 0.1}, false),
       {0.5,   0.5,   0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125,
        0.125, 0.125, 0.1, 0.1, 0.1, 0.1,  0.1,  0.1,  0.1,  0.1,  0.1,   0.1,   0.1});
  // Of negative losses the margin is negative too: values a little worse count as better.
  same(rates({-1, -2, -2.0001, -2.0003, -2.0001, -2, -2, -3, -3, -3, -3},
             {.factor = 0.25, .patience = 1}, false),
       std::vector<double>(11, 0.5));
  same(rates({0.5, 0.6, 0.6, 0.61, 0.60, 0.605, 0.61, 0.62, 0.62, 0.62, 0.62, 0.62, 0.9, 0.89},
             {.factor = 0.2,
              .patience = 1,
              .min_delta = 1e-2,
              .cooldown = 1,
              .min_rate = 1e-3,
              .monitor = "accuracy"},
             true),
       {0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02, 0.02});

  trainer t{net, mean_squared_error{}, sgd{0.5}};
  CHECK(complaint<value_error>([&] {
          reduce_on_plateau{t, {.factor = 1}};
        }) == "reduce_on_plateau needs a factor above 0 and below 1, got 1");
  CHECK(complaint<value_error>([&] {
          reduce_on_plateau{t.optimizer(), {.patience = -1}};
        }) ==
        "reduce_on_plateau needs patience, cooldown, min_delta and min_rate of at least 0, got -1, "
        "0, 0.0001 and 0");
}

TEMPLATE_LIST_TEST_CASE("reduce_on_plateau lowers the rate of a training", "[train][callbacks]",
                        backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  auto net = make_network(be);
  trainer t{net, softmax_cross_entropy{}, sgd{8.0}};
  reduce_on_plateau slower{t.optimizer(), {.factor = 0.5, .patience = 0}};
  const history h =
      t.fit(p.data, {.epochs = 12, .batch = 8, .validation = &p.held_out, .callbacks = {&slower}});
  CHECK(slower.reductions() > 0);
  CHECK(t.rate() == std::ldexp(8.0, -slower.reductions()));
  CHECK(h.epochs.front().rate == 8);
}

// --- terminate_on_nan, time_limit ---------------------------------------------------------------

TEMPLATE_LIST_TEST_CASE("a training ends at the batch whose loss is not finite",
                        "[train][callbacks]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  const problem<B> p(be);
  auto x = p.x;
  x[3 * 11] = std::numeric_limits<T>::quiet_NaN();
  const dataset<B> data(be, matrix_view<const T>(x.data(), 24, 3), problem<B>::labels(24), 2);
  const auto fit = [&](callback* c) {
    // The gradients of the broken batch reach no parameter: only its own loss is NaN.
    network net{be, frozen{dense{3, 2}}};
    trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
    std::int64_t broken = 0;
    calling search{[&](const batch_record& r) {
                     if (broken == 0 && !detail::is_finite(r.loss())) broken = r.step;
                   },
                   nothing};
    std::vector<callback*> all{&search};
    if (c != nullptr) all.push_back(c);
    const history h = t.fit(data, {.epochs = 2, .batch = 4, .callbacks = all});
    CHECK(h.reason == stop_reason::diverged);
    return std::pair(broken, t.steps());
  };
  const auto [broken, steps] = fit(nullptr);
  REQUIRE(broken > 0);
  REQUIRE(broken < 6);
  CHECK(steps == 6);  // without it, at the end of the epoch
  terminate_on_nan each;
  CHECK(fit(&each).second == broken);
  CHECK(each.should_stop() == "the loss is no longer finite");
  for (const int every : {2, 3, 5}) {
    terminate_on_nan some{every};
    CHECK(fit(&some).second == (broken + every - 1) / every * every);
  }
  terminate_on_nan none{7};
  CHECK(fit(&none).second == 6);
  CHECK(complaint<value_error>([] { terminate_on_nan{0}; }) ==
        "terminate_on_nan looks every 1 or more batches, got 0");
}

TEST_CASE("a training ends when its time is over", "[train][callbacks]") {
  using B = support::tested<float>;
  const B be;
  const problem<B> p(be);
  auto net = make_network(be);
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  time_limit at_once{1e-9};
  time_limit never{1e9};
  const history h = t.fit(p.data, {.epochs = 2, .batch = 4, .callbacks = {&never, &at_once}});
  CHECK(t.steps() == 1);
  CHECK(h.reason == stop_reason::asked);
  CHECK(h.message == "the time limit of 1e-09 s is over");
  time_limit soon{0.05};
  int waited = 0;
  calling wait{[&](const batch_record&) {
                 if (++waited != 3) return;
                 const auto begin = std::chrono::steady_clock::now();
                 while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(50)) {
                 }
               },
               nothing};
  t.fit(p.data, {.epochs = 9, .batch = 8, .callbacks = {&soon, &wait}});
  CHECK(waited <= 3);
  CHECK(complaint<value_error>([] { time_limit{0}; }) == "a time limit is above 0 seconds, got 0");
}

// --- learning_rate_finder -----------------------------------------------------------------------

TEMPLATE_LIST_TEST_CASE("a range test leaves no trace in the training", "[train][callbacks]",
                        backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  const auto trained = [&](bool with_test) {
    auto net = make_network(be);
    trainer t{net, softmax_cross_entropy{}, adam{0.01}};
    t.fit(p.data, {.epochs = 1, .batch = 4, .seed = 2});
    if (with_test) {
      const auto before = values_of_training(t);
      learning_rate_finder finder{t, {.first = 1e-4, .last = 0.1, .steps = 10, .smoothing = 0}};
      std::vector<double> losses;
      calling record{[&](const batch_record& r) { losses.push_back(r.loss()); }, nothing};
      const history h =
          t.fit(p.data, {.epochs = 9, .batch = 4, .seed = 8, .callbacks = {&finder, &record}});
      CHECK(h.message == "the range test is done");
      CHECK(values_of_training(t) == before);
      REQUIRE(finder.points().size() == 10);
      for (std::size_t i = 0; i < 10; ++i) {
        const rate_point& point = finder.points()[i];
        // A power, a quotient by the rate before and the product with it: some roundings.
        CHECK(is_near(point.rate, 1e-4 * std::pow(10, static_cast<double>(i) / 3), 64));
        CHECK(point.loss == losses[i]);
      }
    }
    t.fit(p.data, {.epochs = 2, .batch = 4, .seed = 2});
    return values_of_training(t);
  };
  CHECK(trained(true) == trained(false));
}

TEMPLATE_LIST_TEST_CASE("a range test on a parabola suggests a rate at which it converges",
                        "[train][callbacks]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  // The loss is (w - 1)²: steps shrink the distance while rate < 1, and are longest at 1/2.
  const std::vector<T> one{1};
  const dataset<B> data(be, matrix_view<const T>(one.data(), 1, 1),
                        matrix_view<const T>(one.data(), 1, 1));
  network net{be, dense{1, 1}};
  const std::vector<T> far{101};
  be.upload(net.values("0.weight"), matrix_view<const T>(far.data(), 1, 1));
  trainer t{net, mean_squared_error{}, sgd{0.1}};
  learning_rate_finder finder{t, {.first = 1e-6, .last = 100, .steps = 80, .smoothing = 0.5}};
  t.fit(data, {.epochs = 1000, .batch = 1, .callbacks = {&finder}});
  CHECK(finder.points().size() < 80);  // it diverged, which ended it
  CHECK(finder.suggestion() > 1e-3);
  CHECK(finder.suggestion() < 0.5);  // weight and bias together: the curvature is 4
  double least = finder.points()[0].loss;
  for (const rate_point& point : finder.points()) least = std::fmin(least, point.loss);
  for (std::size_t i = 0; i + 1 < finder.points().size(); ++i)
    CHECK(finder.points()[i].loss <= 4 * finder.points()[0].loss);
  CHECK(least < finder.points()[0].loss / 10);

  learning_rate_finder flat{t, {.first = 1e-300, .last = 1e-299, .steps = 5, .smoothing = 0}};
  t.fit(data, {.epochs = 9, .callbacks = {&flat}});
  CHECK(complaint<value_error>([&] { (void)flat.suggestion(); }) ==
        "the loss did not fall in the 5 steps of the range test; try other rates or more steps");
  CHECK(complaint<value_error>([&] {
          learning_rate_finder{t, {.first = 1, .last = 1}};
        }) == "a range test needs finite rates with 0 < first < last, got 1 and 1");
}

// --- for debugging ------------------------------------------------------------------------------

TEMPLATE_LIST_TEST_CASE("an epoch of some steps is followed by the samples behind them",
                        "[train][callbacks]", backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  const auto trained = [&](index_t steps_per_epoch, int epochs, std::vector<index_t>* samples) {
    auto net = make_network(be);
    trainer t{net, softmax_cross_entropy{}, momentum{0.05}};
    calling c{[](const batch_record& r) { CHECK(r.samples_done <= r.samples); },
              [&](const epoch_record& r) {
                if (samples != nullptr) samples->push_back(r.samples);
              }};
    t.fit(p.data, {.epochs = epochs,
                   .batch = 5,
                   .seed = 6,
                   .callbacks = {&c},
                   .merge_last_batch = true,
                   .steps_per_epoch = steps_per_epoch});
    return values_of_training(t);
  };
  // 24 samples: batches of 5, 5, 5 and 9.
  std::vector<index_t> samples;
  const auto cut = trained(3, 4, &samples);
  CHECK(samples == std::vector<index_t>{15, 9, 15, 9});
  CHECK(cut == trained(0, 2, nullptr));
  CHECK(trained(4, 2, nullptr) == cut);
  CHECK(trained(1, 8, nullptr) == cut);
  CHECK(trained(1, 7, nullptr) != cut);

  network net{be, dense{3, 2}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  CHECK(complaint<value_error>([&] { t.fit(p.data, {.steps_per_epoch = -1}); }) ==
        "an epoch has at least 0 steps, where 0 means all, got -1");
  t.fit(p.data, {.epochs = 1, .batch = 4, .steps_per_epoch = 2});
  CHECK(t.steps() == 2);
}

TEMPLATE_LIST_TEST_CASE("a network learns one batch by heart", "[train][callbacks]", backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  const std::vector<std::int32_t> first{0, 1, 2, 3, 4, 5, 6, 7};
  network net{be, dense{3, 16, gelu{}}, dense{2}};
  net.initialize(4);
  trainer t{net, softmax_cross_entropy{}, adam{0.05}};
  const history h = t.fit(p.data.subset(first), {.epochs = 200, .batch = 8});
  CHECK(t.steps() == 200);
  CHECK(h.epochs.back().training.loss < h.epochs.front().training.loss / 20);
  CHECK(h.epochs.back().training.accuracy == 1);
}

namespace {
/// A square root, whose derivative at 0 is infinite.
struct root {
  constexpr auto operator()(const auto& x) const { return math::sqrt(x); }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("an anomaly is named by its layer and its pass", "[train][callbacks]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  const problem<B> p(be);
  auto x = from_host(be, matrix_view<const T>(p.x.data(), 4, 3));
  const std::vector<T> labels{0, 1, 0, 1};
  const auto t = from_host(be, matrix_view<const T>(labels.data(), 4, 1));
  const softmax_cross_entropy loss;
  const auto look = [&](const auto& net) { return find_anomaly(net, loss, x.view(), t.view()); };
  const auto set = [&](auto& net, const char* name, T value) {
    const matrix<B> w = net.values(name);
    const std::vector<T> values(static_cast<std::size_t>(w.size()), value);
    be.upload(w, matrix_view<const T>(values.data(), w.rows(), w.cols()));
  };

  network fine{be, dense{3, 4, gelu{}}, dense{4, 2}};
  const auto before = values_of(fine);
  CHECK_FALSE(look(fine));
  CHECK(values_of(fine) == before);
  constexpr T large = std::numeric_limits<T>::max() / 4;
  set(fine, "1.weight", large);
  set(fine, "0.bias", T(20));
  anomaly found = look(fine);
  CHECK(found.layer == 1);
  CHECK_FALSE(found.backward);
  CHECK(found.what == "layer 1 (dense) makes outputs that are not finite in the forward pass");
  set(fine, "0.bias", std::numeric_limits<T>::quiet_NaN());
  found = look(fine);
  CHECK(found.layer == 0);
  CHECK(found.what == "layer 0 (" + fine.layers()[0].name +
                          ") has the parameter '0.bias', which is not finite before the pass");

  network rooted{be, {dense{3, 4}, activation{root{}}, dense{4, 2}}};
  set(rooted, "0.weight", 0);
  found = look(rooted);
  CHECK(found.layer == 1);
  CHECK(found.backward);
  CHECK(found.what == "layer 1 (" + rooted.layers()[1].name +
                          ") makes a gradient of its inputs that is not finite in the backward "
                          "pass");
  network fused{be, dense{3, 4}, dense{4, 4, root{}}, dense{4, 2}};
  set(fused, "1.weight", 0);
  found = look(fused);
  CHECK(found.layer == 1);
  CHECK(found.backward);

  network words{be, input{3}, embedding{7, 2}, flatten{}, dense{2}};  // of three indices per sample
  const std::vector<std::int32_t> indices{0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1};
  auto tokens = be.template allocate<std::int32_t>(12);
  const typename B::template view<std::int32_t> sentences(tokens.data(), 4, 3);
  be.upload(sentences, matrix_view<const std::int32_t>(indices.data(), 4, 3));
  CHECK_FALSE(find_anomaly(words, loss, sentences, t.view()));
  set(words, "0.weight", large);
  set(words, "2.weight", large);
  CHECK(find_anomaly(words, loss, sentences, t.view()).layer == 2);

  be.map(fn::fill{std::numeric_limits<double>::infinity()}, x.top_rows(1));
  CHECK(look(fused).what == "the inputs are not finite");
  CHECK(look(fused).layer == -1);
}

TEMPLATE_LIST_TEST_CASE("anomaly detection names the step at which a training breaks",
                        "[train][callbacks]", backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  for (const bool captured : {false, true}) {
    CAPTURE(captured);
    network net{be, {dense{3, 5, gelu{}}, dropout{0.25}, dense{4}, dense{2}}};
    net.initialize(4);
    // The fourth update makes the weights so large that products overflow.
    constexpr double far = std::numeric_limits<scalar_t<B>>::max() / 1e3;
    trainer t{net, softmax_cross_entropy{},
              sgd{[](std::int64_t step) { return step == 3 ? far : 0.01; }}};
    anomaly_detection where{t};
    const history h =
        t.fit(p.data, {.epochs = 3, .batch = captured ? 4 : 5, .seed = 4, .callbacks = {&where}});
    CHECK(t.steps() == 5);
    CHECK(h.reason == stop_reason::diverged);
    CHECK_FALSE(where.found().backward);
    CHECK(where.found().layer == 2);
    CHECK(where.report() ==
          "step 5: layer 2 (dense) makes outputs that are not finite in the forward pass");
    anomaly_detection idle{t};
    CHECK(idle.report().empty());
  }
  network net{be, dense{3, 5, gelu{}}, dense{2}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.01}};
  CHECK(complaint<value_error>([&] { t.visit_batch([](auto&&...) {}); }) ==
        "a batch can be visited in a step of fit only, by a callback");
  anomaly_detection where{t};
  t.fit(p.data, {.epochs = 2, .batch = 4, .callbacks = {&where}});
  CHECK(t.steps() == 12);
  CHECK(where.report().empty());
}

}  // namespace callbacks_test
