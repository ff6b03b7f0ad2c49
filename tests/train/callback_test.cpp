// Callbacks: when each member is called, what the records say, and gradients before the update.
#include "chainrule/train/callback.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace callback_test {

using namespace chainrule;
using support::backends;
using support::complaint;

namespace {

template <class T>
struct samples {
  std::vector<T> x;
  std::vector<int> labels;
  explicit samples(int count) {
    for (int i = 0; i < count; ++i) {
      labels.push_back(i % 3);
      for (int j = 0; j < 4; ++j) x.push_back(static_cast<T>((i * 7 + j * 5) % 11) / 8);
    }
  }
  template <class B>
  [[nodiscard]] dataset<B> data(const B& be) const {
    return {be, matrix_view<const T>(x.data(), static_cast<index_t>(labels.size()), 4), labels, 3};
  }
};

template <class Network>
auto parameters(const Network& net) {
  return to_host(net.backend(), net.parameters().all());
}

/// Writes down every call.
template <class B>
struct diary final : gradient_callback<B> {
  std::string text;
  std::vector<batch_record> batches;
  std::vector<double> losses;  // of the batches, read when the batch ended

  void on_fit_begin(const fit_record& r) override {
    text += detail::concat("fit ", r.epochs, " ", r.samples, " ", r.batch, " ", r.steps_done, ":");
  }
  void on_epoch_begin(int epoch) override { text += detail::concat(" epoch ", epoch); }
  void before_update(const B&, arena<B>&) override { text += " u"; }
  void on_batch_end(const batch_record& r) override {
    text += " b";
    batches.push_back(r);
    losses.push_back(r.loss());
  }
  void on_epoch_end(const epoch_record& r) override { text += detail::concat(" e", r.epoch); }
  void on_fit_end(const history& h) override { text += " " + h.message + ";"; }
};

/// Changes the gradients by a factor.
template <class B>
struct scaled final : gradient_callback<B> {
  double factor;
  double largest = 0;
  explicit scaled(double f) : factor(f) {}
  void before_update(const B& be, arena<B>& gradients) override {
    be.map(fn::affine{factor, 0}, gradients.all(), const_matrix<B>(gradients.all()));
    for (const auto g : to_host(be, std::as_const(gradients).all()))
      largest = std::fmax(largest, std::fabs(static_cast<double>(g)));
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("callbacks are called in a fixed order, by every fit", "[train][callback]",
                        backends) {
  using B = TestType;
  const B be;
  const samples<scalar_t<B>> s(10);
  const auto data = s.data(be);
  network net{be, dense{4, 3}};
  net.initialize(3);
  trainer t{net, softmax_cross_entropy{}, sgd{.rate = step_decay(0.5, 0.5, 1)}};
  diary<B> d;
  t.fit(data, {.epochs = 2, .batch = 4, .callbacks = {&d}});
  t.fit(data, {.epochs = 1, .batch = 16, .callbacks = {&d}});
  CHECK(d.text ==
        "fit 2 10 4 0: epoch 1 u b u b u b e1 epoch 2 u b u b u b e2 all epochs are done;"
        "fit 1 10 10 6: epoch 1 u b e1 all epochs are done;");
  REQUIRE(d.batches.size() == 7);
  double sum = 0;
  for (std::size_t i = 0; i < 7; ++i) {
    const batch_record& r = d.batches[i];
    CHECK(r.step == static_cast<std::int64_t>(i) + 1);
    CHECK(r.rate == std::ldexp(0.5, -static_cast<int>(i)));
    CHECK(r.size == (i == 6 ? 10 : i % 3 == 2 ? 2 : 4));
    sum += i < 3 ? d.losses[i] * static_cast<double>(r.size) : 0;
  }
  // The mean loss of an epoch is that of its batches, weighted by their samples.
  network again{be, dense{4, 3}};
  again.initialize(3);
  trainer once{again, softmax_cross_entropy{}, sgd{.rate = step_decay(0.5, 0.5, 1)}};
  const history h = once.fit(data, {.epochs = 1, .batch = 4});
  CHECK(std::fabs(h.epochs[0].training.loss - sum / 10) <=
        10 * std::numeric_limits<double>::epsilon());
}

TEMPLATE_LIST_TEST_CASE("a callback reads and changes gradients before the update",
                        "[train][callback]", backends) {
  using B = TestType;
  const B be;
  const samples<scalar_t<B>> s(20);
  const auto data = s.data(be);
  const auto trained = [&](double rate, std::vector<callback*> callbacks) {
    network net{be, dense{4, 3}};
    net.initialize(3);
    trainer t{net, softmax_cross_entropy{}, sgd{rate}};
    t.fit(data, {.epochs = 2, .batch = 4, .seed = 5, .callbacks = std::move(callbacks)});
    return parameters(net);
  };
  scaled<B> quarter(0.25);
  diary<B> nothing;
  // Powers of two: the products are exact, so the bits are the same.
  CHECK(trained(1, {&quarter}) == trained(0.25, {}));
  CHECK(quarter.largest > 0);
  CHECK(trained(0.5, {&nothing}) == trained(0.5, {}));
  CHECK(trained(1, {&quarter, &quarter}) == trained(0.0625, {}));
}

TEST_CASE("a callback for the gradients of another backend is refused", "[train][callback]") {
  using B = support::tested<float>;
  const B be;
  const samples<float> s(4);
  const auto data = s.data(be);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  diary<support::tested<double>> other;
  CHECK(complaint<value_error>([&] { t.fit(data, {.callbacks = {&other}}); }) ==
        "callback 0 of the training is a gradient_callback of another backend; make it one of the "
        "network's");
  CHECK(t.steps() == 0);
}

TEMPLATE_LIST_TEST_CASE("a callback sees the gradient of the whole batch, however it is cut",
                        "[train][callback]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  const samples<T> s(16);
  const auto data = s.data(be);
  const auto trained = [&](index_t parts, callback* c) {
    network net{be, dense{4, 3}};
    net.initialize(3);
    trainer t{net, softmax_cross_entropy{}, chain(clip_by_norm{0.1}, sgd{0.5})};
    std::vector<callback*> callbacks;
    if (c != nullptr) callbacks.push_back(c);
    t.fit(data, {.epochs = 2, .batch = 16, .callbacks = callbacks, .micro_batches = parts});
    return parameters(net);
  };
  const auto whole = trained(1, nullptr);
  for (const index_t parts : {2, 3, 5, 7, 16, 40}) {
    CAPTURE(parts);
    diary<B> d;
    const auto cut = trained(parts, nullptr);
    CHECK(trained(parts, &d) == cut);
    // Two steps whose sums of 16 terms are added in another order.
    for (std::size_t i = 0; i < cut.size(); ++i)
      CHECK(std::fabs(cut[i] - whole[i]) <= 64 * std::numeric_limits<T>::epsilon());
  }
  CHECK(complaint<value_error>([&] { trained(-1, nullptr); }) ==
        "a batch cannot be cut into -1 micro-batches: their number is at least 0");
}

TEMPLATE_LIST_TEST_CASE("samples without labels are classified, with probabilities", "[train]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  const std::vector<T> x{1, 3, 2, 5, 4, 0};
  const auto on_device = from_host(be, matrix_view<const T>(x.data(), 2, 3));
  const dataset<B> unlabelled(be, matrix_view<const T>(x.data(), 2, 3));
  network net{be, dense{3, 3}};
  const std::vector<T> identity{1, 0, 0, 0, 1, 0, 0, 0, 1};
  be.upload(net.values("0.weight"), matrix_view<const T>(identity.data(), 3, 3));
  const trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  CHECK(t.classify(unlabelled) == std::vector<int>{1, 0});
  CHECK(t.classify(on_device.view()) == std::vector<int>{1, 0});
  const tensor<B> p = t.predict_proba(on_device.view());
  const std::vector<T> found = to_host(be, const_matrix<B>(p.view()));
  // exp(x - max) / sum of the rows (1, 3, 2) and (5, 4, 0), by Python 3.11.
  const std::vector<double> expected{0.09003057317038046, 0.6652409557748218, 0.24472847105479764,
                                     0.7274751568004648,  0.2676231541498624, 0.004901689049672921};
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(std::fabs(static_cast<double>(found[i]) - expected[i]) <=
          8 * std::numeric_limits<T>::epsilon());
  CHECK(to_host(be, const_matrix<B>(t.predict_proba(unlabelled).view())) == found);

  network one{be, dense{3, 1}};
  const std::vector<T> difference{1, -1, 0};
  be.upload(one.values("0.weight"), matrix_view<const T>(difference.data(), 3, 1));
  const trainer binary{one, sigmoid_cross_entropy{}, sgd{0.1}};
  CHECK(binary.classify(unlabelled) == std::vector<int>{0, 1});  // logits -2 and 1
  const std::vector<T> q = to_host(be, const_matrix<B>(binary.predict_proba(unlabelled).view()));
  CHECK(std::fabs(static_cast<double>(q[0]) - 0.11920292202211755) <=
        4 * std::numeric_limits<T>::epsilon());
  CHECK(std::fabs(static_cast<double>(q[1]) - 0.7310585786300049) <=
        4 * std::numeric_limits<T>::epsilon());

  const trainer other{net, mean_squared_error{}, sgd{0.1}};
  CHECK(complaint<value_error>([&] { (void)other.predict_proba(unlabelled); }) ==
        "mean squared error does not say how outputs become probabilities; use predict for the "
        "outputs, or a cross-entropy");
  const std::vector<T> none(1);
  CHECK(t.classify(dataset<B>(be, matrix_view<const T>(none.data(), 0, 3))).empty());
}

}  // namespace callback_test
