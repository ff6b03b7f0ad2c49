// Compiled with -ffast-math: what the host decides by the bits of a number still works.
#include <string>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/metrics/confusion_matrix.hpp"
#include "chainrule/network/gradient_norms.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_comparison.hpp"
#include "chainrule/train/progress.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

#if !defined(__FAST_MATH__)
#error "this test is about -ffast-math"
#endif

using namespace chainrule;
using support::complaint;

namespace {

// Read where the compiler cannot look: it may take constants of these for impossible.
volatile double nan_at_run_time = __builtin_nan("");
volatile double inf_at_run_time = __builtin_inf();
double not_a_number() { return nan_at_run_time; }
double inf() { return inf_at_run_time; }

const std::vector<float> six{1, 2, 3, 4, 5, 6};
const matrix_view<const float> inputs(six.data(), 3, 2);
const matrix_view<const float> targets(six.data(), 3, 1);

}  // namespace

TEST_CASE("bits tell what is finite") {
  for (const double x : {0.0, -1.0, 1e308, 5e-324}) {
    CHECK(detail::is_finite(x));
    CHECK(!detail::is_nan(x));
  }
  for (const double sign : {-1.0, 1.0}) {
    CHECK(!detail::is_finite(sign * inf()));
    CHECK(!detail::is_nan(sign * inf()));
  }
  CHECK(!detail::is_finite(not_a_number()));
  CHECK(detail::is_nan(not_a_number()));
  CHECK(detail::is_nan(static_cast<float>(not_a_number())));
  CHECK(!detail::is_nan(static_cast<float>(inf())));
  CHECK(!detail::is_finite(static_cast<float>(1e300 * (inf() > 0 ? 1 : 0))));
}

TEST_CASE("a training that diverges is seen, and so is data that is not finite") {
  const cpu be{1};
  network net{be, dense{2, 1}};
  trainer t{net, mean_squared_error{}, sgd{100}};
  const dataset<cpu> data(be, inputs, targets);
  const history h = t.fit(data, {.epochs = 100});
  CHECK(h.reason == stop_reason::diverged);
  CHECK(h.epochs.size() < 100);

  network deep{be, dense{2, 8, relu{}}, dense{8, 3}};
  trainer t1{deep, softmax_cross_entropy{}, sgd{1e30}};
  CHECK(t1.fit(dataset<cpu>(be, inputs, std::vector<int>{0, 1, 2}, 3), {.epochs = 100}).reason ==
        stop_reason::diverged);

  std::vector<float> x = six;
  x[3] = static_cast<float>(not_a_number());
  network other{be, dense{2, 1}};
  trainer t2{other, mean_squared_error{}, sgd{0.1}};
  const history of_bad = t2.fit(dataset<cpu>(be, matrix_view(x.data(), 3, 2), targets));
  CHECK(of_bad.reason == stop_reason::diverged);
  CHECK(of_bad.message.find("because the inputs of sample 1 hold NaN") != std::string::npos);
}

TEST_CASE("numbers that are not in range are refused, NaN too") {
  const auto refuses = [](auto&& call) { return !complaint<value_error>(call).empty(); };
  for (const double x : {not_a_number(), inf()}) {
    CHECK(refuses([&] { schedule{x}; }));
    CHECK(refuses([&] { dropout{x}; }));
    CHECK(refuses([&] { (void)chain(momentum{.rate = 0.1, .decay = x}); }));
    CHECK(refuses([&] { (void)chain(adam{.rate = 0.1, .beta1 = x}); }));
    CHECK(refuses([&] { (void)detail::class_number(x, 0, 3); }));
  }
  CHECK(refuses([&] { huber_loss{not_a_number()}; }));
  CHECK(refuses([&] { (void)chain(adam{.rate = 0.1, .epsilon = not_a_number()}); }));
  CHECK(refuses([&] { (void)chain(weight_decay{not_a_number()}, sgd{0.1}); }));
  CHECK(refuses([&] { (void)chain(clip_by_norm{not_a_number()}, sgd{0.1}); }));
  CHECK(refuses([&] { (void)chain(clip_by_value{not_a_number()}, sgd{0.1}); }));
  labelled_images images;
  CHECK(refuses([&] { (void)images.split(not_a_number(), 1); }));

  const cpu be{1};
  std::vector<float> half{0.5F, static_cast<float>(not_a_number()), 0.5F};
  const dataset<cpu> data(be, inputs, matrix_view(half.data(), 3, 1));
  network net{be, dense{2, 1}};
  trainer t{net, sigmoid_cross_entropy{}, sgd{0.1}};
  CHECK(refuses([&] { t.fit(data); }));
}

TEST_CASE("metrics that were not measured are told from others") {
  metrics f;
  CHECK(!f.has_accuracy());
  f.accuracy = 0.5;
  CHECK(f.has_accuracy());
  early_stopping stop(2);
  epoch_record r;
  r.validated = true;
  r.training.loss = 1;
  for (const double loss : {3.0, not_a_number(), not_a_number()}) {
    CHECK(stop.should_stop().empty());
    r.validation.loss = loss;
    stop.on_epoch_end(r);
  }
  CHECK(!stop.should_stop().empty());
  const confusion_matrix m(std::vector<int>{1}, {1}, 2);
  CHECK(detail::is_nan(m.precision(0)));
  CHECK(to_string(m).find("nan") == std::string::npos);
}

TEST_CASE("a row with NaN has no class") {
  const cpu be{1};
  network net{be, dense{2, 2}};
  std::vector<float> x = six;
  x[2] = static_cast<float>(not_a_number());
  const dataset<cpu> data(be, matrix_view(x.data(), 3, 2), std::vector<int>{0, 0, 0}, 2);
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  CHECK(t.classify(data)[1] == -1);
  CHECK(!detail::is_finite(t.evaluate(data).loss));
}

TEST_CASE("gradients that are NaN do not agree with anything") {
  struct square final : detail::function_at_a_point {
    double x = 2;
    void put(index_t, index_t, double value) override { x = value; }
    double value() override { return x * x; }
  };
  const auto report = [](double analytic) {
    square f;
    detail::gradient_comparison c(1e-6, 1e-3, false);
    c.compare("x", {1, 1}, {2}, {analytic}, f, 4);
    return c.report();
  };
  CHECK(report(4).passed());
  CHECK(!report(5).passed());
  CHECK(!report(not_a_number()).passed());
}

TEST_CASE("norms of gradients that are infinite say so") {
  const cpu be{1};
  const network net{be, dense{2, 1}};
  auto gradients = net.make_gradients();
  be.map(fn::fill{0}, gradients.all());
  gradients.all()(0, 0) = static_cast<float>(inf());
  CHECK(!detail::is_finite(gradient_norms(net, gradients)[0]));
}
