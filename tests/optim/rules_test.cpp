// Every optimizer rule, alone and in chains, over ten steps beside a plain loop in double that is
// written from the formulas that PyTorch's documentation gives, not from the library's code.
#include "chainrule/optim/rules.hpp"

#include "chainrule/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace rules_test {

using namespace batches;

namespace {

/// One parameter of the reference.
struct number {
  double w = 0;
  bool bias = false;
  double g = 0;         // the gradient of this step
  double buffer = 0;    // momentum
  double m = 0, v = 0;  // Adam
};
using numbers_of = std::vector<number>;

constexpr int steps = 10;

/// Weights of 3 x 5 and 2 x 3, biases of 5 and 3: with padding after each.
struct layout {
  arena_plan plan;
  std::vector<slice> slices{plan.add(weight_tags, 3, 5), plan.add(bias_tags, 1, 5),
                            plan.add(weight_tags, 2, 3), plan.add(bias_tags, 1, 3)};
};

template <class B>
void upload(const B& be, arena<B>& a, const layout& l, const std::vector<double>& values) {
  std::size_t at = 0;
  for (const slice& s : l.slices) {
    const auto size = static_cast<std::size_t>(s.rows * s.cols);
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(at);
    be.copy(a[s],
            numbers(be, s.rows, s.cols, {first, first + static_cast<std::ptrdiff_t>(size)}).view());
    at += size;
  }
}
template <class B>
std::vector<double> download(const B& be, const arena<B>& a, const layout& l) {
  std::vector<double> values;
  for (const slice& s : l.slices) {
    const auto part = doubles(be, a[s]);
    values.insert(values.end(), part.begin(), part.end());
  }
  return values;
}
template <class B>
bool padding_is_zero(const B& be, const arena<B>& a, const layout& l) {
  // Everything, minus the slices, is padding: subtract them one by one.
  arena<B> rest(be, l.plan);
  be.copy(rest.all(), a.all());
  for (const slice& s : l.slices) be.map(fn::fill{0}, rest[s]);
  return largest(doubles(be, const_matrix<B>(rest.all()))) == 0;
}

/// Runs the chain and the reference over ten steps of one deterministic, growing and shrinking
/// gradient, and compares the parameters after each.
template <class B, class Chain, class Reference>
void compare(const B& be, const Chain& rules, Reference&& reference, double size = 1) {
  const layout l;
  arena<B> parameters(be, l.plan);
  arena<B> gradients(be, l.plan);
  numbers_of expected;
  for (const slice& s : l.slices)
    for (index_t i = 0; i < s.rows * s.cols; ++i) expected.push_back({.bias = s.region == 1});
  random_stream random(5, 0);
  std::vector<double> start;
  for (number& p : expected) {
    p.w = static_cast<scalar_t<B>>(random.uniform(-1, 1));
    start.push_back(p.w);
  }
  upload(be, parameters, l, start);

  optimizer opt(be, l.plan, rules);
  double worst = 0;
  double reach = 0;
  for (int t = 0; t < steps; ++t) {
    std::vector<double> g;
    for (number& p : expected) {
      p.g = static_cast<scalar_t<B>>(size * random.uniform(-1, 1));
      g.push_back(p.g);
    }
    upload(be, gradients, l, g);
    opt.update(parameters, gradients);
    reference(expected, t);
    const auto got = download(be, const_cast<const arena<B>&>(parameters), l);
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::fabs(got[i] - expected[i].w));
      reach = std::max(reach, std::fabs(expected[i].w));
    }
  }
  CHECK(opt.step() == steps);
  // A step rounds some ten times, and Adam's quotient of a small m and v loses a digit more.
  CAPTURE(worst, reach);
  CHECK(worst <= 32 * steps * epsilon<B> * std::max(1.0, reach));
  CHECK(reach > 0);
  // Whatever the rule does, padding stays 0, in the parameters and in the state.
  CHECK(padding_is_zero(be, parameters, l));
  for (const auto& s : opt.state()) CHECK(padding_is_zero(be, s, l));
}

// The reference: torch.optim, "Algorithm" boxes of SGD, Adam and AdamW; names as there.

/// g_t <- g_t + lambda theta_{t-1}
void l2(numbers_of& all, double lambda, bool biases) {
  for (number& p : all)
    if (biases || !p.bias) p.g += lambda * p.w;
}
/// b_t <- mu b_{t-1} + g_t; g_t <- g_t + mu b_t if nesterov, else b_t; theta_t <- theta - gamma g_t
void sgd_step(numbers_of& all, double gamma, double mu = 0, bool nesterov = false) {
  for (number& p : all) {
    p.buffer = mu * p.buffer + p.g;
    p.w -= gamma * (nesterov ? p.g + mu * p.buffer : p.buffer);
  }
}
/// m_t <- beta1 m + (1 - beta1) g; v_t <- beta2 v + (1 - beta2) g²; hats divide by 1 - beta^t;
/// theta_t <- theta - gamma mhat / (sqrt(vhat) + epsilon). t counts from 1.
void adam_step(numbers_of& all, int step, double gamma, double beta1 = 0.9, double beta2 = 0.999,
               double eps = 1e-8) {
  for (number& p : all) {
    p.m = beta1 * p.m + (1 - beta1) * p.g;
    p.v = beta2 * p.v + (1 - beta2) * p.g * p.g;
    const double mhat = p.m / (1 - std::pow(beta1, step + 1));
    const double vhat = p.v / (1 - std::pow(beta2, step + 1));
    p.w -= gamma * mhat / (std::sqrt(vhat) + eps);
  }
}
/// clip_grad_value_
void clip_value(numbers_of& all, double limit) {
  for (number& p : all) p.g = std::min(std::max(p.g, -limit), limit);
}
/// clip_grad_norm_: all gradients as one vector. (PyTorch adds 1e-6 to the norm; we do not need
/// to.)
double clip_norm(numbers_of& all, double limit) {
  double squares = 0;
  for (const number& p : all) squares += p.g * p.g;
  const double norm = std::sqrt(squares);
  if (norm > limit)
    for (number& p : all) p.g *= limit / norm;
  return norm;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("sgd and momentum", "[optim]", backends) {
  const TestType be;
  SECTION("plain") {
    compare(be, chain(sgd{0.1}), [](numbers_of& all, int) { sgd_step(all, 0.1); });
  }
  SECTION("with momentum") {
    compare(be, chain(momentum{.rate = 0.1, .decay = 0.8}),
            [](numbers_of& all, int) { sgd_step(all, 0.1, 0.8); });
  }
  SECTION("Nesterov's") {
    compare(be, chain(momentum{.rate = 0.1, .decay = 0.8, .nesterov = true}),
            [](numbers_of& all, int) { sgd_step(all, 0.1, 0.8, true); });
  }
}

TEMPLATE_LIST_TEST_CASE("adam corrects its bias once per step", "[optim]", backends) {
  const TestType be;
  SECTION("as published") {
    compare(be, chain(adam{.rate = 0.05}), [](numbers_of& all, int t) { adam_step(all, t, 0.05); });
  }
  SECTION("with other constants") {
    compare(be, chain(adam{.rate = 0.05, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1}),
            [](numbers_of& all, int t) { adam_step(all, t, 0.05, 0.5, 0.9, 0.1); });
  }
  SECTION("the first step is the rate, whatever the size of the gradient") {
    const layout l;
    for (const double size : {1e-3, 1.0, 1e3}) {
      arena<TestType> w(be, l.plan);
      arena<TestType> g(be, l.plan);
      for (const slice& s : l.slices) be.map(fn::fill{size}, g[s]);
      optimizer opt(be, l.plan, chain(adam{.rate = 0.25}));
      opt.update(w, g);
      for (const double x : download(be, const_cast<const arena<TestType>&>(w), l))
        REQUIRE(std::fabs(x + 0.25) <= 0.25 * (1e-8 / size + 8 * epsilon<TestType>));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("weight decay spares biases unless asked", "[optim]", backends) {
  const TestType be;
  SECTION("before sgd") {
    compare(be, chain(weight_decay{0.3}, sgd{0.1}), [](numbers_of& all, int) {
      l2(all, 0.3, false);
      sgd_step(all, 0.1);
    });
  }
  SECTION("on biases too") {
    compare(be, chain(weight_decay{.lambda = 0.3, .biases = true}, momentum{0.1}),
            [](numbers_of& all, int) {
              l2(all, 0.3, true);
              sgd_step(all, 0.1, 0.9);
            });
  }
  SECTION("before adam: scaled by it") {
    compare(be, chain(weight_decay{0.3}, adam{.rate = 0.05}), [](numbers_of& all, int t) {
      l2(all, 0.3, false);
      adam_step(all, t, 0.05);
    });
  }
  SECTION("behind adam: AdamW") {
    // theta_t <- theta_{t-1} - gamma lambda theta_{t-1}, then Adam's step.
    compare(be, chain(adam{.rate = 0.05}, weight_decay{0.3}), [](numbers_of& all, int t) {
      for (number& p : all)
        if (!p.bias) p.w -= 0.05 * 0.3 * p.w;
      adam_step(all, t, 0.05);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("clipping", "[optim]", backends) {
  const TestType be;
  SECTION("by value") {
    compare(be, chain(clip_by_value{0.4}, sgd{0.1}), [](numbers_of& all, int) {
      clip_value(all, 0.4);
      sgd_step(all, 0.1);
    });
  }
  SECTION("by the norm over all layers") {
    double largest_norm = 0;
    compare(be, chain(clip_by_norm{1.5}, momentum{0.1}), [&](numbers_of& all, int) {
      largest_norm = std::max(largest_norm, clip_norm(all, 1.5));
      sgd_step(all, 0.1, 0.9);
    });
    CHECK(largest_norm > 1.5);
  }
  SECTION("by a norm that is not reached") {
    compare(be, chain(clip_by_norm{1000}, sgd{0.1}),
            [](numbers_of& all, int) { sgd_step(all, 0.1); });
  }
  SECTION("of huge gradients") {
    compare(
        be, chain(clip_by_norm{1}, adam{.rate = 0.05}),
        [](numbers_of& all, int t) {
          clip_norm(all, 1);
          adam_step(all, t, 0.05);
        },
        1e12);
  }
}

TEMPLATE_LIST_TEST_CASE("everything in one chain", "[optim]", backends) {
  compare(TestType{},
          chain(clip_by_norm{2}, clip_by_value{0.3}, weight_decay{0.1},
                momentum{.rate = exponential(0.2, 0.9), .nesterov = true}),
          [](numbers_of& all, int t) {
            clip_norm(all, 2);
            clip_value(all, 0.3);
            l2(all, 0.1, false);
            sgd_step(all, 0.2 * std::pow(0.9, t), 0.9, true);
          });
}

TEMPLATE_LIST_TEST_CASE("a gradient of zeros moves nothing and makes no NaN", "[optim]", backends) {
  const TestType be;
  const layout l;
  const auto look = [&](const auto& rules) {
    arena<TestType> w(be, l.plan);
    for (const slice& s : l.slices) be.map(fn::fill{2}, w[s]);
    const arena<TestType> g(be, l.plan);
    optimizer opt(be, l.plan, rules);
    for (int t = 0; t < 3; ++t) opt.update(w, g);
    for (const double x : download(be, const_cast<const arena<TestType>&>(w), l)) REQUIRE(x == 2);
  };
  look(chain(clip_by_norm{1}, sgd{0.1}));
  look(chain(clip_by_norm{1}, adam{.rate = 0.1}));
  look(chain(adam{.rate = 0.1}));
  look(chain(clip_by_value{1}, momentum{0.1}));
  look(chain(rmsprop{}, heavy_ball{}));
  look(centered_rmsprop{});
  look(adagrad{});
  look(adadelta{});
  look(nadam{});
  look(lion{});
}

TEMPLATE_LIST_TEST_CASE("decay by rules spares biases unless asked", "[optim]", backends) {
  using B = TestType;
  const B be;
  const layout l;
  // A step from 2 without a gradient, of weights and of biases.
  const auto after = [&](const auto& rules) {
    arena<B> w(be, l.plan);
    for (const slice& s : l.slices) be.map(fn::fill{2}, w[s]);
    const arena<B> g(be, l.plan);
    optimizer(be, l.plan, rules).update(w, g);
    const auto values = download(be, std::as_const(w), l);
    return std::vector<double>{values.front(), values.back()};
  };
  CHECK(after(adamw{.rate = 0.5, .decay = 0.25}) == std::vector<double>{1.75, 2});
  CHECK(after(adamw{.rate = 0.5, .decay = 0.25, .biases = true}) ==
        std::vector<double>{1.75, 1.75});
  CHECK(after(chain(l1_penalty{0.25}, sgd{0.5})) == std::vector<double>{1.875, 2});
  CHECK(after(chain(l1_penalty{.lambda = 0.25, .biases = true}, sgd{0.5})) ==
        std::vector<double>{1.875, 1.875});
}

TEST_CASE("nadam's product of momenta ends once it no longer counts", "[optim]") {
  std::array<double, 3> s{};
  const std::int64_t late = 1'000'000'000'000;  // a loop over all steps would not end
  nadam{}.prepare({.step = late}, s);
  // 0.96^(t momentum_decay) is 0: the coefficient has become beta1, the corrections 1.
  CHECK(std::fabs(s[0] - 0.9) <= 4 * epsilon<tested<double>>);
  CHECK(std::fabs(s[1] - 0.1) <= 4 * epsilon<tested<double>>);
  CHECK(s[2] == 1);
}

TEMPLATE_LIST_TEST_CASE("NaN in a gradient is not clipped away", "[optim]", backends) {
  const TestType be;
  const layout l;
  const auto look = [&](const auto& rules) {
    arena<TestType> w(be, l.plan);
    arena<TestType> g(be, l.plan);
    be.map(fn::fill{not_a_number}, g[l.slices[2]]);
    optimizer opt(be, l.plan, rules);
    opt.update(w, g);
    for (const double x : doubles(be, const_matrix<TestType>(w[l.slices[2]])))
      REQUIRE(std::isnan(x));
  };
  look(chain(clip_by_norm{1}, sgd{0.1}));
  look(chain(clip_by_value{1}, sgd{0.1}));
}

TEMPLATE_LIST_TEST_CASE("norms whose squares overflow, or vanish, are clipped all the same",
                        "[optim]", backends) {
  using B = TestType;
  const B be;
  const layout l;
  const double most = std::numeric_limits<scalar_t<B>>::max();
  // 29 elements. One step of rate 1 from 0 along the clipped gradient; what it should be is
  // computed from ratios, which are exact to a few roundings of the scalar: 8 epsilon.
  const auto look = [&](double limit, const std::vector<double>& gradient,
                        const std::vector<double>& counted) {
    arena<B> w(be, l.plan);
    arena<B> g(be, l.plan);
    upload(be, g, l, gradient);
    optimizer opt(be, l.plan, chain(clip_by_norm{limit}, sgd{1}));
    opt.update(w, g);
    const double m = largest(counted);
    double squares = 0;
    for (const double x : counted) squares += (x / m) * (x / m);
    const bool clips = m > limit / std::sqrt(squares);
    const auto got = download(be, std::as_const(w), l);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double wanted = -(clips ? counted[i] / m * (limit / std::sqrt(squares)) : counted[i]);
      CAPTURE(limit, i);
      REQUIRE(std::fabs(got[i] - wanted) <= 8 * epsilon<B> * std::fabs(wanted));
    }
    CHECK(padding_is_zero(be, w, l));
  };
  for (const double size : {most / 2, std::sqrt(most) * 4, 1e-3 * std::sqrt(most)}) {
    std::vector<double> gradient;
    for (int i = 0; i < 29; ++i) gradient.push_back(size * (i % 5 - 2) / 2);
    look(1, gradient, gradient);
    look(1e-3, gradient, gradient);
  }
  std::vector<double> gradient(29, 1);
  look(100, gradient, gradient);  // and nothing is changed where the norm is within the limit
  gradient[3] = inf;
  gradient[20] = -inf;
  std::vector<double> counted = gradient;
  counted[3] = most;
  counted[20] = -most;
  look(2, gradient, counted);
}

TEST_CASE("an optimizer reads its rate at each step", "[optim]") {
  const tested<double> be;
  const layout l;
  arena<tested<double>> w(be, l.plan);
  arena<tested<double>> g(be, l.plan);
  for (const slice& s : l.slices) be.map(fn::fill{1}, g[s]);
  optimizer opt(be, l.plan,
                chain(sgd{.rate = [](std::int64_t step) { return step % 2 == 0 ? 1.0 : 0.25; }}));
  CHECK(opt.rate() == 1);
  opt.update(w, g);
  CHECK(opt.rate() == 0.25);
  CHECK(doubles(be, const_matrix<tested<double>>(w[l.slices[0]]))[0] == -1);
  opt.update(w, g);
  CHECK(doubles(be, const_matrix<tested<double>>(w[l.slices[0]]))[0] == -1.25);
  CHECK(opt.step() == 2);

  opt.set_step(7);  // as when training is resumed
  CHECK(opt.rate() == 0.25);
  opt.update(w, g);
  CHECK(doubles(be, const_matrix<tested<double>>(w[l.slices[0]]))[0] == -1.5);
  CHECK(opt.step() == 8);
}

TEST_CASE("a network of weights only, or of biases only, is updated too", "[optim]") {
  const tested<double> be;
  for (const slot_tags& tags : {weight_tags, bias_tags}) {
    arena_plan plan;
    const slice s = plan.add(tags, 1, 3);
    arena<tested<double>> w(be, plan);
    arena<tested<double>> g(be, plan);
    be.map(fn::fill{4}, g[s]);
    optimizer opt(be, plan, chain(clip_by_norm{std::sqrt(3.0)}, momentum{0.5}));
    opt.update(w, g);
    CHECK(distance(doubles(be, const_matrix<tested<double>>(w[s])),
                   std::vector<double>{-0.5, -0.5, -0.5}) <= 4 * epsilon<tested<double>>);
  }
}

TEST_CASE("an optimizer refuses arenas of another plan", "[optim]") {
  const tested<float> be;
  arena_plan plan;
  plan.add(weight_tags, 8, 8);
  plan.add(bias_tags, 1, 8);
  arena_plan larger = plan;
  larger.add(weight_tags, 20, 20);
  const arena_plan empty;
  arena_plan turned;  // of the same size, but what are weights here are biases there
  turned.add(weight_tags, 1, plan.size(1));
  turned.add(bias_tags, 1, plan.size(0));
  REQUIRE(turned.size() == plan.size());
  arena<tested<float>> w(be, plan);
  for (const arena_plan& other : {larger, empty, turned}) {
    arena<tested<float>> g(be, other);
    const auto refuses = [&](auto rules) {
      optimizer opt(be, plan, rules);
      CHECK_THROWS_AS(opt.update(w, g), shape_error);
      CHECK_THROWS_AS(opt.update(g, w), shape_error);
    };
    refuses(adam{});
    refuses(sgd{0.1});
  }
}

TEST_CASE("frozen parameters and their state keep their values", "[optim]") {
  const tested<double> be;
  arena_plan plan;
  const slice moves = plan.add(weight_tags, 1, 3);
  const slice stays = plan.add({.decay = true, .frozen = true}, 1, 3);
  arena<tested<double>> w(be, plan);
  arena<tested<double>> g(be, plan);
  be.map(fn::fill{2}, w.all());
  be.map(fn::fill{4}, g.all());
  optimizer opt(be, plan, momentum{0.5});
  opt.update(w, g);
  const auto all = [&](const arena<tested<double>>& a, const slice& s) {
    return doubles(be, a[s]);
  };
  CHECK(all(w, moves) == std::vector<double>{0, 0, 0});
  CHECK(all(w, stays) == std::vector<double>{2, 2, 2});
  CHECK(all(opt.state()[0], moves) == std::vector<double>{4, 4, 4});
  CHECK(all(opt.state()[0], stays) == std::vector<double>{0, 0, 0});
}

TEST_CASE("rules say whether they treat weights as biases", "[optim]") {
  const auto alike = [](const auto& rules) { return decltype(chain(rules))::treats_tags_alike; };
  CHECK(alike(sgd{}));
  CHECK(alike(adam{}));
  CHECK(alike(chain(clip_by_norm{1}, momentum{})));
  CHECK(alike(nadam{}));
  CHECK_FALSE(alike(adamw{}));
  CHECK_FALSE(alike(chain(weight_decay{}, sgd{})));
}

}  // namespace rules_test
