// L-BFGS beside torch.optim.LBFGS with its strong Wolfe search (PyTorch 2.15.0, printed by
// reference.py), and on networks.
#include "chainrule/train/lbfgs.hpp"

#include <string>
#include <vector>

#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace lbfgs_test {

using namespace batches;

namespace {

/// The 24 samples of reference.py, and the line that it begins with.
template <class B>
struct quadratic {
  B be;
  std::vector<scalar_t<B>> x, y;
  quadratic() {
    for (int i = 0; i < 24; ++i) {
      for (int j = 0; j < 8; ++j)
        x.push_back(static_cast<scalar_t<B>>(((i * 7 + j * j * 3 + i * j) % 11 - 5) / 5.0 /
                                             static_cast<double>(1 << j)));
      y.push_back(static_cast<scalar_t<B>>(((i * 5) % 7 - 3) / 2.0));
    }
  }
  [[nodiscard]] dataset<B> data() const {
    return {be, matrix_view<const scalar_t<B>>(x.data(), 24, 8),
            matrix_view<const scalar_t<B>>(y.data(), 24, 1)};
  }
  [[nodiscard]] auto net() const {
    network n{be, dense{8, 1}};
    std::vector<double> w;
    for (int j = 0; j < 8; ++j) w.push_back((j % 3 - 1) / 2.0);
    be.copy(n.values("0.weight"), numbers(be, 8, 1, w).view());
    return n;
  }
};

template <class B>
std::vector<double> parameters_of(const network<B>& net) {
  std::vector<double> all;
  for (const parameter& p : net.parameter_list())
    for (const double w : doubles<B>(net.backend(), net.parameters()[p.place])) all.push_back(w);
  return all;
}

/// x xor y, with targets of 0 and 1.
template <class B>
struct exclusive_or {
  B be;
  std::vector<scalar_t<B>> x{0, 0, 0, 1, 1, 0, 1, 1}, y{0, 1, 1, 0};
  [[nodiscard]] dataset<B> data() const {
    return {be, matrix_view<const scalar_t<B>>(x.data(), 4, 2),
            matrix_view<const scalar_t<B>>(y.data(), 4, 1)};
  }
  [[nodiscard]] auto net() const {
    network n{be, dense{2, 4, fn::tanh{}}, dense{4, 1}};
    n.initialize(1);
    return n;
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("L-BFGS agrees with PyTorch's on a convex quadratic", "[train][lbfgs]",
                        double_backends) {
  using B = TestType;
  const quadratic<B> q;
  const auto data = q.data();
  const auto agree = [&](int steps, int history, int evaluations, double loss, double gradient,
                         const std::vector<double>& expected) {
    CAPTURE(steps, history);
    auto net = q.net();
    // Batches of 10: sums over 10, 10 and 4 samples.
    const lbfgs_record r = lbfgs_minimize(net, mean_squared_error{}, data,
                                          {.max_steps = steps,
                                           .history = history,
                                           .gradient_tolerance = 0,
                                           .change_tolerance = 0,
                                           .batch = 10});
    CHECK(r.steps == steps);
    CHECK(r.evaluations == evaluations);
    CHECK(r.reason == lbfgs_reason::max_steps);
    CHECK(std::abs(r.loss - loss) <= 1e-10);
    CHECK(std::abs(r.gradient_norm - gradient) <= 1e-10);
    CHECK(distance(parameters_of<B>(net), expected) <= 1e-10);
  };
  agree(1, 4, 2, 0.840862830395754, 0.163624941306644,
        {-0.49270833333333336, -0.20287760416666664, 0.5382356770833333, -0.515341796875,
         0.0009033203124999998, 0.5023868815104167, -0.5023897298177084, 0.0020853678385416665,
         -0.07226562500000001});
  agree(5, 4, 6, 0.765129625050251, 0.06186436576632237,
        {-0.3926060205333342, -1.0370605098527366, 0.20439626120564858, -1.2036527153374506,
         0.0011813249140068915, 0.40270464548509677, -0.4815247663253531, 0.09717875687326344,
         -0.0945059931205508});
  agree(20, 4, 23, 0.7558010333913704, 0.002952201757718695,
        {-0.4131782512257636, -1.1398836288210108, 0.17777491637053103, -2.37410020482627,
         0.0008610568080704523, 0.03015734101657363, -0.47986093227315824, 0.51091824012398,
         -0.06888454464563676});
  agree(20, 10, 21, 0.7449610676579271, 0.09654451971930095,
        {-0.32197798655920495, -1.2029397630378766, -0.13426694918528648, -1.0573228943889692,
         0.0012580051036677014, -5.571947379476725, -0.4603583156759196, 9.108501337480861,
         -0.10064040829348928});
}

TEMPLATE_LIST_TEST_CASE("L-BFGS reaches the least squares, and says so", "[train][lbfgs]",
                        backends) {
  using B = TestType;
  const quadratic<B> q;
  const auto data = q.data();
  auto net = q.net();
  const bool is_double = std::same_as<scalar_t<B>, double>;
  const lbfgs_record r = lbfgs_minimize(
      net, mean_squared_error{}, data,
      {.max_steps = 500, .gradient_tolerance = is_double ? 1e-9 : 1e-4, .change_tolerance = 0});
  CHECK(r.reason == lbfgs_reason::converged);
  CHECK(r.gradient_norm <= (is_double ? 1e-9 : 1e-4));
  CHECK(std::abs(r.loss - evaluate(net, mean_squared_error{}, data).loss) <= 10 * epsilon<B>);
  // Once more from there: nothing is left to do.
  const lbfgs_record again =
      lbfgs_minimize(net, mean_squared_error{}, data, {.gradient_tolerance = 1e-3});
  CHECK(again.steps == 0);
  CHECK(again.evaluations == 1);
  CHECK(again.reason == lbfgs_reason::converged);
  CHECK(again.loss == r.loss);
}

TEMPLATE_LIST_TEST_CASE("L-BFGS learns xor far better than momentum in as many evaluations",
                        "[train][lbfgs]", double_backends) {
  using B = TestType;
  const exclusive_or<B> data;
  const auto all = data.data();
  auto net = data.net();
  const lbfgs_record r = lbfgs_minimize(net, mean_squared_error{}, all, {.max_steps = 50});
  CHECK(r.loss < 1e-8);
  auto other = data.net();
  trainer t{other, mean_squared_error{}, momentum{.rate = 0.1}};
  t.fit(all, {.epochs = r.evaluations});
  CHECK(t.evaluate(all).loss > 1e4 * r.loss);
  // The same bits again.
  auto twin = data.net();
  const lbfgs_record same = lbfgs_minimize(twin, mean_squared_error{}, all, {.max_steps = 50});
  CHECK(same.loss == r.loss);
  CHECK(same_bits(parameters_of<B>(twin), parameters_of<B>(net)));
}

TEST_CASE("L-BFGS counts weights of samples, and leaves frozen parameters alone",
          "[train][lbfgs]") {
  using B = tested<double>;
  const B be;
  // y = 3 at one place, 7 at another with a third of its weight: the best constant is 4.
  const std::vector<double> zeros{0, 0}, y{3, 7};
  const dataset<B> data(be, matrix_view<const double>(zeros.data(), 2, 1),
                        matrix_view<const double>(y.data(), 2, 1));
  network net{be, frozen{dense{1, 1}}, dense{1}};
  const auto before = doubles<B>(be, net.values("0.weight"));
  be.map(fn::fill{0}, net.values("0.bias"));
  const lbfgs_record r = lbfgs_minimize(net, mean_squared_error{}, data.weighted({3, 1}));
  CHECK(r.reason == lbfgs_reason::converged);
  CHECK(std::abs(doubles<B>(be, net.values("1.bias"))[0] - 4) <= 1e-6);
  CHECK(same_bits(doubles<B>(be, net.values("0.weight")), before));
  CHECK(doubles<B>(be, net.values("0.bias")) == std::vector<double>{0});
}

TEST_CASE("L-BFGS stops where it is told to", "[train][lbfgs]") {
  using B = tested<double>;
  const quadratic<B> q;
  const auto data = q.data();
  const auto run = [&](const lbfgs_options& o) {
    auto net = q.net();
    const lbfgs_record r = lbfgs_minimize(net, mean_squared_error{}, data, o);
    CHECK(std::abs(r.loss - evaluate(net, mean_squared_error{}, data).loss) <= 1e-14);
    return r;
  };
  const lbfgs_record none = run({.max_steps = 0});
  CHECK(none.steps == 0);
  CHECK(none.reason == lbfgs_reason::max_steps);
  for (int most = 1; most < 12; ++most) {
    CAPTURE(most);
    const lbfgs_record r = run({.max_evaluations = most});
    CHECK(r.evaluations == most);
    CHECK(r.reason == lbfgs_reason::max_evaluations);
    CHECK(r.loss <= none.loss);
  }
  CHECK(run({.max_steps = 500, .gradient_tolerance = 0, .change_tolerance = 1e-3}).reason ==
        lbfgs_reason::stalled);

  auto broken = q.net();
  q.be.map(fn::fill{not_a_number}, broken.values("0.bias"));
  const lbfgs_record r = lbfgs_minimize(broken, mean_squared_error{}, data);
  CHECK(r.reason == lbfgs_reason::not_finite);
  CHECK(r.steps == 0);
}

TEST_CASE("L-BFGS comes back from steps on which the loss is not finite", "[train][lbfgs]") {
  using B = tested<double>;
  const B be;
  // (exp(w x + b) - 2)² at x = 1, from 0: the first length leads to exp(1000).
  const std::vector<double> one{1}, two{2};
  const dataset<B> data(be, matrix_view<const double>(one.data(), 1, 1),
                        matrix_view<const double>(two.data(), 1, 1));
  network net{be, dense{1, 1, fn::exp{}}};
  be.map(fn::fill{0}, net.parameters().all());
  const lbfgs_record r = lbfgs_minimize(net, mean_squared_error{}, data,
                                        {.first_length = 1000, .change_tolerance = 0});
  CHECK(r.reason == lbfgs_reason::converged);
  CHECK(std::abs(doubles(be, net.predict(numbers(be, 1, 1, one).view()))[0] - 2) <= 1e-7);
}

TEST_CASE("L-BFGS refuses what it cannot minimize", "[train][lbfgs]") {
  using B = tested<float>;
  const quadratic<B> q;
  const auto data = q.data();
  network noisy{q.be, dense{8, 3}, dropout{0.5}, dense{1}};
  CHECK(
      complaint<value_error>([&] { lbfgs_minimize(noisy, mean_squared_error{}, data); }) ==
      "L-BFGS needs a loss without noise, but a layer draws random numbers; leave dropout out, or "
      "use a trainer");
  network whole{q.be, dense{8, 3}, batch_norm{}, dense{1}};
  CHECK(complaint<value_error>([&] { lbfgs_minimize(whole, mean_squared_error{}, data); }) ==
        "L-BFGS needs a loss that is a sum over samples, but a layer needs the whole batch; leave "
        "batch_norm out, or use a trainer");
  auto net = q.net();
  for (const lbfgs_options& bad :
       {lbfgs_options{.max_steps = -1}, lbfgs_options{.max_evaluations = -1},
        lbfgs_options{.history = 0}, lbfgs_options{.first_length = 0},
        lbfgs_options{.gradient_tolerance = -1}, lbfgs_options{.change_tolerance = not_a_number},
        lbfgs_options{.batch = 0}})
    CHECK_THROWS_AS(lbfgs_minimize(net, mean_squared_error{}, data, bad), value_error);
  network wide{q.be, dense{9, 1}};
  CHECK_THROWS_AS(lbfgs_minimize(wide, mean_squared_error{}, data), shape_error);
  const auto none = data.subset(std::vector<std::int32_t>{});
  CHECK(complaint<value_error>([&] { lbfgs_minimize(net, mean_squared_error{}, none); }) ==
        "there are no samples to train on");
}

}  // namespace lbfgs_test
