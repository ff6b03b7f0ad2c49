// What fit reports, when it stops, what it refuses; evaluate and classify.
#include <array>
#include <string>
#include <utility>

#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "support/catch.hpp"
#include "train/numbered.hpp"

namespace fit_test {

using namespace training;

namespace {

/// Writes down what it hears; asks to stop after so many batches or epochs (never if 0).
class listener final : public callback {
 public:
  explicit listener(std::size_t stop_after_batches = 0, std::size_t stop_after_epochs = 0)
      : stop_after_batches_(stop_after_batches), stop_after_epochs_(stop_after_epochs) {}

  void on_batch_end(const batch_record& r) override {
    batches.push_back(r);
    losses.push_back(r.so_far().loss);
  }
  void on_epoch_end(const epoch_record& r) override { epochs.push_back(r); }
  [[nodiscard]] std::string_view should_stop() const override {
    if (stop_after_batches_ > 0 && batches.size() >= stop_after_batches_) return "enough batches";
    if (stop_after_epochs_ > 0 && epochs.size() >= stop_after_epochs_) return "enough epochs";
    return {};
  }

  std::vector<batch_record> batches;
  std::vector<double> losses;
  std::vector<epoch_record> epochs;

 private:
  std::size_t stop_after_batches_;
  std::size_t stop_after_epochs_;
};

/// Three classes; sample i has class i mod 3, and the output of its class is `right` where
/// i < correct, else that of the class after it.
class classes {
 public:
  explicit classes(int count, int correct, int number_of_classes = 3)
      : classes_(number_of_classes) {
    for (int i = 0; i < count; ++i) {
      labels_.push_back(i % 3);
      for (int c = 0; c < 3; ++c) x_.push_back(c == (i < correct ? i : i + 1) % 3 ? 2 : 0);
    }
  }
  [[nodiscard]] dataset<be64> data() const {
    return {be64{}, matrix_view<const double>(x_.data(), index_t(labels_.size()), 3), labels_,
            classes_};
  }
  [[nodiscard]] const std::vector<int>& labels() const { return labels_; }

 private:
  int classes_;
  std::vector<int> labels_;
  std::vector<double> x_;
};

/// A network that gives its three inputs back.
auto mirror() {
  network net{be64{}, dense{3, 3}};
  set(net, "0.weight", {1, 0, 0, 0, 1, 0, 0, 0, 1});
  return net;
}

template <class Network>
std::vector<double> bits(const Network& net) {
  return doubles(net.backend(), const_matrix<be64>(net.parameters().all()));
}

}  // namespace

TEST_CASE("the history has the figures of each epoch") {
  const numbered all(10);
  const auto data = all.data();
  auto net = line();
  std::vector<seen_batch> seen;
  const auto falling = [](std::int64_t step) { return 1.0 / static_cast<double>(1 + step); };
  trainer t{net, recording_loss{&seen}, sgd{.rate = falling}};
  const history h = t.fit(data, {.epochs = 3, .batch = 4});
  CHECK(h.reason == stop_reason::finished);
  CHECK(h.message == "all epochs are done");
  REQUIRE(h.epochs.size() == 3);
  for (int e = 0; e < 3; ++e) {
    const epoch_record& r = h.epochs[static_cast<std::size_t>(e)];
    CHECK(r.epoch == e + 1);
    CHECK(r.training.loss == 4.5);  // of 0, 1, ..., 9
    CHECK(!r.training.has_accuracy());
    CHECK(std::isnan(r.validation.loss));
    CHECK(std::isnan(r.validation.accuracy));
    CHECK(r.samples == 10);
    CHECK(r.seconds >= 0);
    CHECK(r.rate == falling(3 * e + 2));  // of the last of the epoch's three steps
  }
  CHECK(t.rate() == falling(9));
}

TEST_CASE("accuracy and validation figures by hand") {
  const classes train(10, 6);
  const classes held_out(300, 99);  // more than are evaluated at a time
  const auto data = train.data();
  const auto validation = held_out.data();
  auto net = mirror();
  trainer t{net, softmax_cross_entropy{}, sgd{0}};  // learns nothing: the figures stay
  const history h = t.fit(data, {.epochs = 2, .batch = 4, .validation = &validation});
  // Softmax of (2, 0, 0): a sample that is right costs log(1 + 2 e^-2), else 2 more.
  const double right = std::log(1 + 2 * std::exp(-2.0));
  for (const epoch_record& r : h.epochs) {
    CHECK(r.training.accuracy == 0.6);
    CHECK(std::fabs(r.training.loss - (right + 2 * 0.4)) <= 20 * epsilon<be64>);
    CHECK(r.validation.accuracy == 0.33);
    CHECK(std::fabs(r.validation.loss - (right + 2 * 0.67)) <= 300 * epsilon<be64>);
  }
  const metrics again = t.evaluate(validation);
  CHECK(again.loss == h.epochs[1].validation.loss);
  CHECK(again.accuracy == 0.33);
}

TEST_CASE("observers hear of every batch and epoch") {
  const numbered all(10);
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  listener a;
  listener b;
  t.fit(all.data(), {.epochs = 2, .batch = 4, .callbacks = {&a, &b}});
  REQUIRE(a.batches.size() == 6);
  CHECK(b.batches.size() == 6);
  const std::array<index_t, 6> done{4, 8, 10, 4, 8, 10};
  double total = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const batch_record& r = a.batches[i];
    CHECK(r.epoch == (i < 3 ? 1 : 2));
    CHECK(r.epochs == 2);
    CHECK(r.samples == 10);
    CHECK(r.samples_done == done[i]);
    CHECK(r.seconds >= 0);
    if (i % 3 == 0) total = 0;
    for (const double loss : seen[i].targets) total += loss;
    CHECK(a.losses[i] == total / static_cast<double>(done[i]));  // sums of whole numbers are exact
  }
  REQUIRE(a.epochs.size() == 2);
  CHECK(a.epochs[1].epoch == 2);
}

TEST_CASE("an observer stops the training after a batch or after an epoch") {
  const numbered all(10);
  const auto data = all.data();
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  SECTION("in the middle of an epoch") {
    listener stop(5, 0);
    const history h =
        t.fit(data, {.epochs = 9, .batch = 4, .validation = &data, .callbacks = {&stop}});
    CHECK(h.reason == stop_reason::asked);
    CHECK(h.message == "enough batches");
    REQUIRE(h.epochs.size() == 2);
    CHECK(h.epochs[1].samples == 8);
    double total = 0;
    for (std::size_t i = 4; i < 6; ++i)  // behind three batches and their validation
      for (const double loss : seen.at(i).targets) total += loss;
    CHECK(h.epochs[1].training.loss == total / 8);
    CHECK(h.epochs[1].validation.loss == 4.5);
    CHECK(t.steps() == 5);
  }
  SECTION("at the end of an epoch") {
    listener stop(0, 2);
    listener other;
    const history h = t.fit(data, {.epochs = 9, .callbacks = {&other, &stop}});
    CHECK(h.reason == stop_reason::asked);
    CHECK(h.message == "enough epochs");
    CHECK(h.epochs.size() == 2);
    CHECK(other.epochs.size() == 2);
  }
}

TEST_CASE("early stopping counts the epochs without a lower loss") {
  const auto after = [](int patience, const std::vector<double>& losses, bool validated = true) {
    early_stopping stop(patience);
    std::size_t epochs = 0;
    for (const double loss : losses) {
      epoch_record r;
      r.training.loss = validated ? 1 / static_cast<double>(1 + epochs) : loss;
      r.validated = validated;
      if (validated) r.validation.loss = loss;
      ++epochs;
      stop.on_epoch_end(r);
      if (!stop.should_stop().empty()) return epochs;
    }
    return std::size_t{0};
  };
  CHECK(after(2, {3, 2, 1, 1.5, 0.5, 0.6, 0.5}) == 7);  // as low as before is not lower
  CHECK(after(1, {3, 2, 2}) == 3);
  CHECK(after(1, {3, 2, 1}) == 0);
  CHECK(after(2, {3, 2, inf, inf}) == 4);
  // A validation loss of NaN is no improvement, whatever the training loss does.
  CHECK(after(2, {3, not_a_number, not_a_number}) == 3);
  CHECK(after(2, {not_a_number, not_a_number}) == 2);
  // Without validation data, the training loss counts.
  CHECK(after(2, {3, 2, 2, 2}, false) == 4);

  const numbered all(10);
  const auto data = all.data();
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  early_stopping stop(3);
  for (int fit = 0; fit < 2; ++fit) {  // each fit counts anew
    const history h = t.fit(data, {.epochs = 50, .batch = 4, .callbacks = {&stop}});
    CHECK(h.reason == stop_reason::asked);
    CHECK(h.message == "the loss stopped falling");
    CHECK(h.epochs.size() == 4);
    CHECK(h.epochs.back().samples == 10);
  }

  for (const int patience : {0, -3})
    CHECK(complaint<value_error>([&] { early_stopping{patience}; }) ==
          "early stopping needs a patience of at least 1 epoch, got " + std::to_string(patience));
}

TEST_CASE("an epoch says whether it was validated") {
  const numbered all(10);
  const auto data = all.data();
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  CHECK(!t.fit(data, {.epochs = 1}).epochs[0].validated);
  CHECK(t.fit(data, {.epochs = 1, .validation = &data}).epochs[0].validated);
  const std::vector<double> none(1);
  const matrix_view<const double> empty(none.data(), 0, 1);
  const dataset<be64> nothing(be64{}, empty, empty);
  CHECK(!t.fit(data, {.epochs = 1, .validation = &nothing}).epochs[0].validated);
}

TEST_CASE("a loss that is not finite ends the training, with the reason") {
  const numbered all(10);
  const auto data = all.data();
  SECTION("by itself") {
    auto net = line();
    trainer t{net, quadratic_cost{}, sgd{1}};  // steps that overshoot a thousandfold
    const history h = t.fit(data, {.epochs = 500, .batch = 1});
    CHECK(h.reason == stop_reason::diverged);
    CHECK(h.message == "the loss is no longer finite; a smaller learning rate may help");
    CHECK(h.epochs.size() < 500);
    CHECK(!std::isfinite(h.epochs.back().training.loss));
  }
  SECTION("in the last step, whose parameters no loss has seen") {
    auto net = line();
    trainer t{net, quadratic_cost{}, sgd{1e308}};
    const bool stopped = GENERATE(false, true);
    listener stop(stopped ? 1 : 0, 0);
    const history h = t.fit(data, {.epochs = 1, .batch = stopped ? 5 : 10, .callbacks = {&stop}});
    CHECK(std::isfinite(h.epochs.back().training.loss));
    CHECK(h.reason == stop_reason::diverged);
    CHECK(h.message == "the parameters are no longer finite; a smaller learning rate may help");
  }
  SECTION("also if somebody asks to stop at the same time") {
    auto net = line(not_a_number);
    trainer t{net, quadratic_cost{}, sgd{0}};
    listener stop(1, 0);
    const history h = t.fit(data, {.epochs = 5, .batch = 4, .callbacks = {&stop}});
    CHECK(h.reason == stop_reason::diverged);
    CHECK(h.epochs.size() == 1);
    CHECK(h.epochs[0].samples == 4);
  }
}

TEST_CASE("a loss that is not finite because of the data says which sample") {
  std::vector<double> x{1, 2, 3, 4, 5, 6};
  std::vector<double> t{1, 2, 3};
  const auto message = [&](std::vector<double>& values, std::size_t at, double value) {
    const double before = std::exchange(values[at], value);
    const dataset<be64> data(be64{}, matrix_view(x.data(), 3, 2), matrix_view(t.data(), 3, 1));
    network net{be64{}, dense{2, 1}};
    trainer trained{net, quadratic_cost{}, sgd{0.01}};
    const history h = trained.fit(data, {.epochs = 3});
    values[at] = before;
    CHECK(h.reason == stop_reason::diverged);
    return h.message;
  };
  const std::string start = "the loss is not finite because the ";
  const std::string rest = " hold NaN or infinity; leave the sample out or replace its values";
  CHECK(message(x, 3, not_a_number) == start + "inputs of sample 1" + rest);
  CHECK(message(x, 5, -inf) == start + "inputs of sample 2" + rest);
  CHECK(message(t, 2, not_a_number) == start + "targets of sample 2" + rest);
  // Bytes are always finite; what is far into the data is found too.
  const numbered many(5000);
  const auto good = many.data();
  CHECK(good.what_is_not_finite().empty());
  std::vector<double> late(5000);
  late[4999] = inf;
  const dataset<be64> bad(be64{}, matrix_view(late.data(), 5000, 1),
                          matrix_view<const double>(late.data(), 5000, 1));
  CHECK(bad.what_is_not_finite() == "the inputs of sample 4999");
  const std::vector<std::uint8_t> bytes(6, 255);
  CHECK(dataset<be64>(be64{}, matrix_view(bytes.data(), 3, 2), matrix_view(t.data(), 3, 1))
            .what_is_not_finite()
            .empty());
}

TEST_CASE("targets that a loss does not take are refused before anything is done") {
  const std::vector<double> x{1, 2, 3, 4, 5, 6};
  const matrix_view<const double> inputs(x.data(), 3, 2);
  const be64 be;
  const auto refusal = [&](const auto& loss, const dataset<be64>& data, index_t outputs = 1) {
    network net{be, dense{2, outputs}};
    trainer t{net, loss, sgd{0.1}};
    const auto before = bits(net);
    const auto as_validation = [&] {
      const std::vector<double> fine(static_cast<std::size_t>(3 * outputs), 1);
      const dataset<be64> good(be, inputs, matrix_view(fine.data(), 3, outputs));
      t.fit(good, {.validation = &data});
    };
    const std::string message = complaint<value_error>([&] { t.fit(data); });
    CHECK(complaint<value_error>(as_validation) == message);
    if (!message.empty()) CHECK(same_bits(bits(net), before));
    return message;
  };
  const auto classes = [&](const std::vector<int>& labels, int count) {
    return dataset<be64>(be, inputs, labels, count);
  };
  const auto values = [&](const std::vector<double>& targets) {
    return dataset<be64>(be, inputs,
                         matrix_view(targets.data(), 3, static_cast<index_t>(targets.size()) / 3));
  };

  const std::string sigmoid = "sigmoid cross-entropy takes targets from 0 to 1, that of sample ";
  CHECK(refusal(sigmoid_cross_entropy{}, classes({0, 1, 2}, 3)) == sigmoid + "2 is 2");
  CHECK(refusal(sigmoid_cross_entropy{}, classes({0, 1, 0}, 2)).empty());
  CHECK(refusal(sigmoid_cross_entropy{}, values({1, 7, 1})) == sigmoid + "1 is 7");
  CHECK(refusal(sigmoid_cross_entropy{}, values({-0.5, 7, 1})) == sigmoid + "0 is -0.5");
  CHECK(refusal(sigmoid_cross_entropy{}, values({0, 1, 0.5, 0, 1, 1.5}), 2) ==
        sigmoid + "2 is 1.5");
  CHECK(refusal(sigmoid_cross_entropy{}, values({0, not_a_number, 0})) == sigmoid + "1 is nan");
  CHECK(refusal(sigmoid_cross_entropy{}, values({0, 0.25, 1})).empty());
  CHECK(refusal(sigmoid_cross_entropy{}, classes({0, 1, 2}, 3), 3).empty());  // one per class

  CHECK(refusal(hinge{}, classes({1, 0, 1}, 2)) ==
        "hinge takes targets of -1 or 1, that of sample 1 is 0");
  CHECK(refusal(squared_hinge{}, values({1, -1, 2})) ==
        "squared hinge takes targets of -1 or 1, that of sample 2 is 2");
  CHECK(refusal(hinge{}, values({1, -1, 1})).empty());
  CHECK(refusal(hinge{}, classes({0, 1, 2}, 3), 3).empty());
  CHECK(refusal(softmax_cross_entropy{}, values({0, 1, 0.5, 0.5, 2, -1}), 2) ==
        "softmax cross-entropy takes targets of at least 0, that of sample 2 is -1");
  CHECK(refusal(softmax_cross_entropy{}, values({0, 1, 0.5, 0.5, 1, 0}), 2).empty());
  CHECK(refusal(quadratic_cost{}, classes({0, 1, 2}, 3)).empty());  // numbers like others

  network net{be, dense{2, 1}};
  trainer t{net, sigmoid_cross_entropy{}, sgd{0.1}};
  CHECK(complaint<value_error>([&] { (void)t.evaluate(values({1, 7, 1})); }) == sigmoid + "1 is 7");
}

TEST_CASE("evaluation changes nothing") {
  const classes train(40, 10);
  const auto data = train.data();
  const auto parameters = [&](bool evaluating) {
    auto net = mirror();
    trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
    t.fit(data, {.epochs = 2, .batch = 7});
    if (evaluating) {
      const auto before = bits(net);
      (void)t.evaluate(data);
      (void)t.classify(data);
      CHECK(same_bits(bits(net), before));
      CHECK(t.steps() == 12);
    }
    t.fit(data, {.epochs = 1, .batch = 7, .validation = evaluating ? &data : nullptr});
    return bits(net);
  };
  CHECK(same_bits(parameters(true), parameters(false)));
}

TEST_CASE("classify names the largest output, the first of equals, and -1 for NaN") {
  const std::vector<double> x = {1, 2, 3, /**/ 5,    5,   1, /**/ 0,  not_a_number, 1, /**/
                                 0, 0, 0, /**/ -inf, inf, 0, /**/ -3, -1,           -2};
  const std::vector<int> labels(6, 0);
  const dataset<be64> data(be64{}, matrix_view<const double>(x.data(), 6, 3), labels, 3);
  auto net = mirror();
  trainer t{net, softmax_cross_entropy{}, sgd{0}};
  // Through a product with zeros, an infinity makes NaN of its whole row.
  CHECK(t.classify(data) == std::vector<int>{2, 0, -1, 0, -1, 1});
  const metrics f = t.evaluate(data);
  CHECK(f.accuracy == 2.0 / 6);  // NaN is not right
  CHECK(std::isnan(f.loss));

  const classes many(700, 400);
  const std::vector<int> all = t.classify(many.data());
  REQUIRE(all.size() == 700);
  for (std::size_t i = 0; i < 700; ++i) CHECK(all[i] == (many.labels()[i] + (i < 400 ? 0 : 1)) % 3);
}

TEST_CASE("what does not fit is refused before anything is done") {
  auto net = mirror();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  const auto before = bits(net);
  const classes three(6, 6);
  const auto good = three.data();
  const auto refusal = [&]<class E>(const E&, const dataset<be64>& data,
                                    const fit_options<be64>& options = {}) {
    return complaint<E>([&] { t.fit(data, options); });
  };
  const shape_error shapes("");
  const value_error values("");

  const numbered narrow(6);
  const auto one_feature = narrow.data();
  CHECK(refusal(shapes, one_feature) == "the network expects 3 features, the samples have 1");
  CHECK(refusal(shapes, good, {.validation = &one_feature}) ==
        "the network expects 3 features, the samples have 1");
  const classes four(6, 6, 4);
  CHECK(refusal(shapes, four.data()) ==
        "the network has 3 outputs, too few for samples of 4 classes");
  const std::vector<double> six(18);
  const matrix_view<const double> x(six.data(), 6, 3);
  const dataset<be64> two_targets(be64{}, x, matrix_view<const double>(six.data(), 6, 2));
  CHECK(refusal(shapes, two_targets) == "the network has 3 outputs, the samples have 2 targets");
  CHECK(refusal(values, good, {.batch = 0}) ==
        "training needs at least 0 epochs and batches of at least 1 sample, got 10 and 0");
  CHECK(refusal(values, good, {.epochs = -1}) ==
        "training needs at least 0 epochs and batches of at least 1 sample, got -1 and 64");
  const dataset<be64> nothing(be64{}, matrix_view<const double>(six.data(), 0, 3),
                              std::vector<int>{}, 3);
  CHECK(refusal(values, nothing) == "there are no samples to train on");
  CHECK(complaint<shape_error>([&] { (void)t.evaluate(one_feature); }) ==
        "the network expects 3 features, the samples have 1");
  const dataset<be64> unlabelled(be64{}, x);
  CHECK(refusal(values, unlabelled) ==
        "the samples have no targets; make the data set of inputs and targets");
  CHECK(complaint<value_error>([&] { (void)t.evaluate(unlabelled); }) ==
        "the samples have no targets; make the data set of inputs and targets");

  CHECK(seen.empty());
  CHECK(t.steps() == 0);
  CHECK(same_bits(bits(net), before));

  // Nothing to do is no error.
  CHECK(t.fit(good, {.epochs = 0}).epochs.empty());
  const metrics none = t.evaluate(nothing);
  CHECK(std::isnan(none.loss));
  CHECK(!none.has_accuracy());
  CHECK(t.classify(nothing).empty());
}

}  // namespace fit_test
