// Steps of a static network are those of a network of the same layers: gradients, losses, rules.
#include "chainrule/train/static_trainer.hpp"

#include <vector>

#include "support/catch.hpp"
#include "support/system_calls.hpp"
#include "testing/batches.hpp"

namespace static_trainer_test {

using namespace batches;

namespace {

template <class T>
matrix_view<const T> rows_of(const std::vector<T>& v, index_t n) {
  return {v.data(), n, static_cast<index_t>(v.size()) / n};
}

/// The parameters of a static network, or what lies in their places in gradients(), in the order of
/// a network's.
template <class Net>
std::vector<typename Net::scalar> parameters_of(const Net& net) {
  std::vector<typename Net::scalar> all;
  [&]<std::size_t... L>(std::index_sequence<L...>) {
    const auto add = [&](const auto& part) {
      for (const auto value : part) all.push_back(value);
    };
    ((add(net.template weights<L>()), add(net.template biases<L>())), ...);
  }
  (std::make_index_sequence<Net::depth>{});
  return all;
}
template <class B, class Arena>
std::vector<scalar_t<B>> parameters_of(const network<B>& net, const Arena& arena) {
  std::vector<scalar_t<B>> all;
  for (const parameter& p : net.parameter_list()) {
    const auto v = to_host(net.backend(), arena[p.place]);
    all.insert(all.end(), v.begin(), v.end());
  }
  return all;
}

/// Compares losses and gradients, of the inputs too, with those of the network.
template <class T, class Loss, class... Layers>
void check_gradients_of(bool classes, const Loss& loss, const Layers&... layers) {
  using B = tested<T>;
  const B be;
  static_network<T, Layers...> net(layers...);
  net.initialize(2);
  const auto whole = net.to(be);
  static_trainer trainer{net, loss, sgd{1}};
  stepper reference(whole, loss, 40);
  // Sums over the batch and over the widest layer, of numbers of about 1.
  const double allowed =
      32.0 * std::numeric_limits<T>::epsilon() * static_cast<double>(net.parameter_count);
  for (const index_t n : {1, 2, 3, 8, 11, 40}) {
    const auto x = uniform(be, n, net.inputs, static_cast<std::uint64_t>(n), -2, 2);
    const auto t = classes ? labels(be, n, net.outputs) : uniform(be, n, net.outputs, 9, 0, 1);
    tensor<B> dx = uniform(be, n, net.inputs, 1);
    reference.run(whole, x.view(), t.view(), phase::train(0, 0), dx.view());
    const std::vector<T> in = to_host(be, const_matrix<B>(x.view()));
    const std::vector<T> target = to_host(be, const_matrix<B>(t.view()));
    std::vector<T> din(in.size(), static_cast<T>(not_a_number));
    for (T& g : std::span(const_cast<T*>(trainer.gradients().data()), 1)) g = static_cast<T>(7);
    const double mean = trainer.compute_gradients(rows_of(in, n), rows_of(target, n),
                                                  matrix_view<T>(din.data(), n, net.inputs));
    CHECK(std::fabs(mean - reference.mean(be)) <= allowed);
    const auto expected = parameters_of<B>(whole, std::as_const(reference.gradients));
    const auto expected_in = doubles(be, dx);
    REQUIRE(largest(expected) > 1e-4);
    REQUIRE(largest(expected_in) > 1e-5);
    CHECK(distance(parameters_of(trainer.gradients()), expected) <= allowed);
    CHECK(distance(din, expected_in) <= allowed);
    CHECK(parameters_of(net) == parameters_of<B>(whole, whole.parameters()));  // nothing updated
  }
}

/// Compares the parameters after each of some steps with those of an optimizer of a network.
template <class T, class Rules>
void check_steps(const Rules& rules) {
  using B = tested<T>;
  const B be;
  static_network<T, dense<10, 3, fn::sigmoid>, dense<3, 2, fn::sigmoid>> net;
  net.initialize(1);
  auto whole = net.to(be);
  static_trainer trainer{net, quadratic_cost{}, rules};
  stepper reference(whole, quadratic_cost{}, 8);
  optimizer opt(be, whole.parameters().plan(), rules);
  // The parity of ten bits, in an order of its own; as in the benchmark, a batch has 8 samples.
  constexpr index_t samples = 64;
  std::vector<T> x, t;
  for (unsigned i = 0; i < samples; ++i) {
    for (unsigned bit = 0; bit < 10; ++bit) x.push_back(static_cast<T>(i * 37 >> bit & 1U));
    t.push_back(static_cast<T>(i & 1U));
    t.push_back(1 - t.back());
  }
  const auto first = parameters_of(net);
  for (int step = 0; step < 40; ++step) {
    std::vector<std::int32_t> order;
    std::vector<double> xs, ts;
    for (int s = 0; s < 8; ++s) {
      order.push_back((step * 8 + s) * 5 % static_cast<int>(samples));
      const auto row = static_cast<std::size_t>(order.back());
      for (std::size_t i = 0; i < 10; ++i) xs.push_back(x[10 * row + i]);
      for (std::size_t i = 0; i < 2; ++i) ts.push_back(t[2 * row + i]);
    }
    const double loss = trainer.step(rows_of(x, samples), rows_of(t, samples), order);
    reference.run(whole, numbers(be, 8, 10, xs).view(), numbers(be, 8, 2, ts).view(),
                  phase::train(0, 0));
    opt.update(whole.parameters(), reference.gradients);
    CHECK(std::fabs(loss - reference.mean(be)) <= 1e3 * epsilon<B>);
    // Adaptive rules divide by roots of squares, which small gradients make inaccurate.
    CHECK(
        distance(parameters_of(net), parameters_of<B>(whole, std::as_const(whole).parameters())) <=
        2e3 * (step + 1) * epsilon<B>);
  }
  CHECK(distance(parameters_of(net), first) > 0.01);
  CHECK(trainer.steps() == 40);
}

}  // namespace

TEST_CASE("gradients of a static network are a network's", "[train]") {
  check_gradients_of<float>(false, quadratic_cost{}, dense<10, 3, fn::sigmoid>{},
                            dense<3, 2, fn::sigmoid>{});
  check_gradients_of<float>(true, hinge{}, dense<9, 8, leaky_relu>{leaky_relu{0.2}}, dense<8, 9>{});
  check_gradients_of<double>(true, softmax_cross_entropy{}, dense<5, 17, gelu>{},
                             activation{fn::tanh{}}, dense<17, 6, relu>{}, dense<6, 3>{});
  check_gradients_of<double>(false, softmax_cross_entropy{.smoothing = 0.1}, dense<4, 3>{},
                             activation{mish{}});
  check_gradients_of<double>(false, sigmoid_cross_entropy{}, dense<3, 24, fn::tanh>{},
                             dense<24, 1>{});
}

TEST_CASE("gradients of a static network are its finite differences", "[train][gradient]") {
  static_network<double, dense<4, 7, fn::tanh>, dense<7, 5, gelu>, dense<5, 3>> net;
  net.initialize(8);
  static_trainer trainer{net, softmax_cross_entropy{}, sgd{1}};
  const basic_cpu<double> be;
  const index_t n = 6;
  std::vector<double> x = doubles(be, uniform(be, n, 4, 5, -2, 2).view());
  const std::vector<double> t = doubles(be, labels(be, n, 3).view());
  std::vector<double> dx(x.size(), not_a_number);
  trainer.compute_gradients(rows_of(x, n), rows_of(t, n), matrix_view<double>(dx.data(), n, 4));
  const auto copy = trainer.gradients();  // overwritten by the calls below
  const auto check = [&](double& variable, double gradient) {
    const double h = 6e-6 * std::max(1.0, std::fabs(variable));  // the cube root of epsilon
    const double before = std::exchange(variable, variable + h);
    const double above = trainer.compute_gradients(rows_of(x, n), rows_of(t, n));
    variable = before - h;
    const double below = trainer.compute_gradients(rows_of(x, n), rows_of(t, n));
    variable = before;
    CHECK(std::fabs((above - below) / (2 * h) - gradient) <= 1e-8);
    return std::fabs(gradient);
  };
  double most = 0;
  const auto layer = [&](auto values, auto gradients) {
    for (std::size_t i = 0; i < values.size(); ++i)
      most = std::max(most, check(values[i], gradients[i]));
  };
  layer(net.weights<0>(), copy.weights<0>()), layer(net.biases<0>(), copy.biases<0>());
  layer(net.weights<1>(), copy.weights<1>()), layer(net.biases<1>(), copy.biases<1>());
  layer(net.weights<2>(), copy.weights<2>()), layer(net.biases<2>(), copy.biases<2>());
  CHECK(most > 0.05);
  most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, check(x[i], dx[i]));
  CHECK(most > 0.01);
}

TEST_CASE("steps of a static network are those of an optimizer", "[train]") {
  check_steps<float>(sgd{2});
  check_steps<float>(chain(weight_decay{0.01}, clip_by_value{0.01}, adam{.rate = 0.01}));
  check_steps<double>(momentum{.rate = exponential(0.5, 0.99), .nesterov = true});
  check_steps<double>(adamw{.rate = 0.01, .decay = 0.1});
}

TEST_CASE("a static trainer refuses what does not fit", "[train]") {
  static_network net{dense<3, 2>{}};
  net.initialize(1);
  static_trainer trainer{net, softmax_cross_entropy{}, sgd{0.1}};
  const std::vector<float> x(12, 1);
  const std::vector<float> label{0, 1, 2, 0};
  using numbers = matrix_view<const float>;
  CHECK(std::isnan(trainer.compute_gradients(rows_of(x, 4), rows_of(label, 4))));  // no class 2
  const auto before = parameters_of(net);
  CHECK(complaint<shape_error>([&] {
          trainer.step(numbers(x.data(), 2, 4), rows_of(label, 2));
        }).find("expects 3 features") != std::string::npos);
  CHECK(complaint<shape_error>([&] {
          trainer.step(rows_of(x, 4), numbers(x.data(), 4, 3));
        }).find("do not fit") != std::string::npos);
  const std::vector<std::int32_t> rows{0, 4};
  CHECK(complaint<value_error>([&] { trainer.step(rows_of(x, 4), rows_of(label, 4), rows); }) ==
        "static_trainer: there is no sample 4 among 4");
  std::vector<float> dx(9);
  CHECK(complaint<shape_error>([&] {
          trainer.compute_gradients(rows_of(x, 4), rows_of(label, 4), {dx.data(), 3, 3});
        }).find("the gradient of samples of 4x3") != std::string::npos);
  CHECK(trainer.step(numbers(x.data(), 0, 3), numbers(label.data(), 0, 1)) == 0);
  CHECK(trainer.steps() == 0);
  CHECK(parameters_of(net) == before);
  CHECK(complaint<value_error>([&] {
          static_trainer(net, quadratic_cost{}, momentum{0.1, 2});
        }).find("momentum") != std::string::npos);
}

TEST_CASE("a static trainer checks targets and constants once", "[train]") {
  using support::complaint;
  static_network<double, dense<2, 3>> net;
  static_trainer entropy{net, softmax_cross_entropy{}, sgd{1}};
  const auto says = [](const auto& trainer, std::vector<double> t, index_t n) {
    return complaint<value_error>([&] { trainer.require_targets(rows_of(t, n)); });
  };
  CHECK(says(entropy, {0, 2, 1}, 3).empty());
  CHECK(says(entropy, {0, 2, 3}, 3) ==
        "static_trainer: the class of sample 2 is 3, the network has outputs for classes 0 to 2");
  for (const double t : {-1.0, 0.5, not_a_number}) CHECK(!says(entropy, {0, t}, 2).empty());
  CHECK(says(entropy, {0, 1, 2, 0.5, 0, 0}, 2).empty());
  CHECK(says(entropy, {0, 1, 0, 0, 0, -2}, 2) ==
        "softmax cross-entropy takes targets of at least 0, that of sample 1 is -2");
  CHECK(!says(entropy, {0, 1, inf}, 1).empty());
  CHECK(complaint<shape_error>([&] {
          const std::vector<double> t(4);
          entropy.require_targets(rows_of(t, 2));
        }) ==
        "softmax cross-entropy: targets of 2x2 do not fit outputs of 2x3; give as many "
        "values, or one class number per sample");
  const static_trainer machine{net, hinge{}, sgd{1}};
  CHECK(says(machine, {1, -1, 1}, 1).empty());
  CHECK(says(machine, {1, 0, 1}, 1) == "hinge takes targets of -1 or 1, that of sample 0 is 0");
  CHECK(complaint<value_error>([&] { static_trainer(net, softmax_cross_entropy{1.5}, sgd{1}); }) ==
        "softmax cross-entropy: the smoothing must be from 0 to 1, got 1.5");
}

TEST_CASE("a static trainer computes the loss alone", "[train]") {
  static_network<float, dense<3, 5, fn::tanh>, dense<5, 4>> net;
  net.initialize(3);
  const cpu be;
  const auto check = [&](const auto& loss, const tensor<cpu>& t) {
    static_trainer trainer{net, loss, sgd{1}};
    const auto x = uniform(be, 21, 3, 1);
    const double mean = trainer.compute_gradients(x.view(), t.view());
    const auto gradients = parameters_of(trainer.gradients());
    REQUIRE(largest(gradients) > 1e-4);
    CHECK(mean > 0);
    CHECK(trainer.loss(x.view(), t.view()) == mean);
    CHECK(parameters_of(trainer.gradients()) == gradients);
    CHECK(trainer.steps() == 0);
  };
  check(softmax_cross_entropy{0.1}, labels(be, 21, 4));
  check(mean_squared_error{}, uniform(be, 21, 4, 2));
}

TEST_CASE("a static trainer resumes from the state of another", "[train]") {
  using net_type = static_network<float, dense<3, 5, fn::tanh>, dense<5, 1>>;
  net_type net;
  net.initialize(3);
  const cpu be;
  const auto x = uniform(be, 8, 3, 1);
  const auto t = uniform(be, 8, 1, 2);
  static_trainer trainer{net, mean_squared_error{}, adam{0.01}};
  for (int i = 0; i < 5; ++i) (void)trainer.step(x.view(), t.view());
  net_type copy = net;
  net_type fresh = net;
  static_trainer resumed{copy, mean_squared_error{}, adam{0.01}};
  static_trainer begun{fresh, mean_squared_error{}, adam{0.01}};
  resumed.resume(trainer.state());
  CHECK(resumed.steps() == 5);
  for (int i = 0; i < 3; ++i)
    for (auto* each : {&trainer, &resumed, &begun}) (void)each->step(x.view(), t.view());
  CHECK(parameters_of(copy) == parameters_of(net));
  CHECK(parameters_of(fresh) != parameters_of(net));
}

TEST_CASE("a step of a static network makes no system call", "[train]") {
  using support::system_calls;
  if (support::system_calls_of([] {}) == system_calls::unknown) {
    WARN("this kernel cannot refuse system calls");
    return;
  }
  static_network<float, dense<3, 2>> net;
  net.initialize(1);
  static_trainer trainer{net, softmax_cross_entropy{}, sgd{0.1}};
  const std::vector<float> x(12, 1);
  const std::vector<float> label{0, 1, 1, 0};
  (void)trainer.step(rows_of(x, 4), rows_of(label, 4));  // chooses the instruction set
  CHECK(support::system_calls_of([&] {
          for (int i = 0; i < 1000; ++i) (void)trainer.step(rows_of(x, 4), rows_of(label, 4));
        }) == system_calls::none);
}

}  // namespace static_trainer_test
