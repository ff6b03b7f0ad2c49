// Normalization layers and prelu: values and gradients of PyTorch, running statistics, misuse.
#include <utility>

#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/local_response_norm.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/network/network.hpp"
#include "layers/normalization_reference.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace normalization_test {

using namespace batches;

namespace {

/// The numbers that normalization_torch.py makes.
std::vector<double> waves(index_t count, double seed) {
  std::vector<double> v;
  for (index_t i = 0; i < count; ++i) {
    const auto k = static_cast<double>(i);
    v.push_back(1.3 * std::sin(0.7 * k + seed) + 0.4 * std::cos(k * k * 0.013 + seed) + 0.2);
  }
  return v;
}
/// The first four elements and two weighted sums of all.
std::vector<double> summary(const std::vector<double>& v) {
  std::vector<double> s(v.begin(), v.begin() + std::min<std::ptrdiff_t>(4, std::ssize(v)));
  double even = 0;
  double odd = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const auto k = static_cast<double>(i);
    even += std::cos(0.3 * k) * v[i];
    odd += std::sin(1.7 * k + 1) * v[i];
  }
  s.push_back(even);
  s.push_back(odd);
  return s;
}

template <class B>
tensor<B> unset(const B& be, index_t rows, index_t cols) {
  return numbers(be, rows, cols,
                 std::vector<double>(static_cast<std::size_t>(rows * cols), not_a_number));
}

/// A network of one layer on samples of `in`, whose parameters are waves.
template <class B>
network<B> alone(const B& be, const any_layer<B>& layer, const shape& in = {3, 5, 6}) {
  network<B> net{be, std::vector<any_layer<B>>{input(in), layer}};
  double seed = 5;
  for (const parameter& p : net.parameter_list()) {
    const matrix<B> place = net.values(p.name);
    be.copy(place, numbers(be, place.rows(), place.cols(), waves(place.size(), seed++)).view());
  }
  return net;
}

/// Forward and backward of 3 samples: all that the reference lists.
template <class B>
std::vector<std::vector<double>> outcome(const B& be, const any_layer<B>& layer) {
  network<B> net = alone(be, layer);
  const tensor<B> x = numbers(be, 3, net.inputs(), waves(3 * net.inputs(), 1));
  auto pass = net.make_pass(3, true);
  auto gradients = net.make_gradients();
  be.map(fn::fill{not_a_number}, gradients.all());
  tensor<B> dx = unset(be, 3, net.inputs());
  std::vector<std::vector<double>> parts;
  parts.push_back(summary(doubles(be, net.forward(x.view(), pass, phase::train(1, 0)))));
  be.copy(net.output_gradient(pass), numbers(be, 3, 90, waves(270, 3)).view());
  net.backward(x.view(), pass, gradients, dx.view());
  parts.push_back(summary(doubles(be, dx)));
  for (const parameter& p : net.parameter_list())
    parts.push_back(summary(doubles(be, const_matrix<B>(gradients[net.place_of(p.name)]))));
  if (!net.declared().states().empty()) {
    net.commit(pass);
    for (const parameter& s : net.declared().states())
      parts.push_back(summary(doubles(be, std::as_const(net).states()[s.place])));
    parts.push_back(summary(doubles(be, net.predict(x.view()))));
  } else {
    // Statistics of a sample's own are those of inference too.
    CHECK(distance(summary(doubles(be, net.predict(x.view()))), parts.front()) == 0);
  }
  return parts;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("normalization is PyTorch's", "[layers][normalization]", backends) {
  const TestType be;
  std::size_t compared = 0;
  const auto compare = [&](const char* name, const any_layer<TestType>& layer) {
    INFO(name);
    const auto& expected = reference.at(name);
    const auto got = outcome(be, layer);
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      INFO("part " << i);
      // Sums of 270 terms, of which each is a few roundings away.
      const double bound = 270 * 8 * epsilon<TestType> * std::max(1.0, largest(expected[i]));
      CHECK(distance(got[i], expected[i]) <= bound);
    }
    ++compared;
  };
  compare("batch_norm", batch_norm{});
  compare("batch_norm with relu", batch_norm{relu{}});
  compare("batch_norm with silu", batch_norm{silu{}}.eps(1e-3).momentum(0.3));
  compare("batch_norm without parameters", batch_norm{}.affine(false));
  compare("layer_norm", layer_norm{});
  compare("layer_norm without parameters", layer_norm{}.affine(false));
  compare("layer_norm of all axes", layer_norm{}.all_axes().eps(1e-3));
  compare("rms_norm", rms_norm{1e-6});
  compare("group_norm", group_norm{3});
  compare("group_norm of one group", group_norm{1});
  compare("group_norm of single channels", group_norm{6}.affine(false));
  compare("instance_norm", instance_norm{});
  compare("instance_norm with parameters", instance_norm{}.affine(true).eps(1e-3));
  compare("local_response_norm", local_response_norm{3, 0.3, 0.75, 1.5});
  compare("local_response_norm of even size", local_response_norm{4, 0.5, 0.6});
  compare("local_response_norm wider than the channels", local_response_norm{13, 0.5});
  compare("prelu", prelu{});
  compare("prelu per channel", prelu{}.per_channel());
  CHECK(compared == reference.size());
}

TEMPLATE_LIST_TEST_CASE("nothing cancels where the mean is large", "[layers][normalization]",
                        backends) {
  using B = TestType;
  const B be;
  // Whole numbers, so that x is exact: 1000 + {-2, ..., 2}, of variance 2 in each channel and
  // group.
  std::vector<double> values;
  std::vector<double> expected;
  for (int i = 0; i < 5 * 5 * 2; ++i) {
    const double v = (i / 2 % 5 + i / 10) % 5 - 2;
    values.push_back(1000 + v);
    expected.push_back(v / std::sqrt(2 + 1e-5));
  }
  const tensor<B> x = numbers(be, 5, 10, values);
  const auto check = [&](const any_layer<B>& layer) {
    network<B> net{be, std::vector<any_layer<B>>{input{5, 2}, layer}};
    auto pass = net.make_pass(5, true);
    const auto y = doubles(be, net.forward(x.view(), pass, phase::train(1, 0)));
    // The mean is rounded to a part in 1000 ε of the deviation, times a few in its sum.
    CHECK(distance(y, expected) <= 8 * 1000 * epsilon<B>);
  };
  check(batch_norm{});
  check(group_norm{1});
  check(instance_norm{});
  check(layer_norm{}.all_axes());
}

TEMPLATE_LIST_TEST_CASE("running statistics are committed by training alone",
                        "[layers][normalization]", backends) {
  using B = TestType;
  const B be;
  network<B> net{be, {input{1}, batch_norm{}}};
  const auto x = numbers(be, 4, 1, {1, 2, 3, 6});  // mean 3, unbiased variance 14/3
  const auto state = [&](const char* name) {
    for (const parameter& s : net.declared().states())
      if (s.name == name) return doubles(be, std::as_const(net).states()[s.place]).at(0);
    return not_a_number;
  };
  auto pass = net.make_pass(4, true);
  net.forward(x.view(), pass, phase::train(0, 0));
  (void)net.predict(x.view());
  net.forward(x.view(), pass);
  CHECK(state("0.running_mean") == 0);
  CHECK(state("0.running_var") == 1);
  net.forward(x.view(), pass, phase::train(0, 0));
  net.commit(pass);
  CHECK(std::fabs(state("0.running_mean") - 0.3) <= epsilon<B>);
  CHECK(std::fabs(state("0.running_var") - (0.9 + 14.0 / 30)) <= 4 * epsilon<B>);
}

TEMPLATE_LIST_TEST_CASE("a frozen batch_norm is not trained", "[layers][normalization]", backends) {
  using B = TestType;
  const B be;
  network<B> net{be, {input{2}, frozen{batch_norm{}}, frozen{rms_norm{1e-5}}, frozen{prelu{}}}};
  const auto x = uniform(be, 5, 2, 1);
  auto pass = net.make_pass(5, true);
  auto gradients = net.make_gradients();
  be.map(fn::fill{not_a_number}, gradients.all());
  tensor<B> dx = unset(be, 5, 2);
  net.forward(x.view(), pass, phase::train(0, 0));
  be.map(fn::fill{1}, net.output_gradient(pass));
  net.backward(x.view(), pass, gradients, dx.view());
  for (const parameter& p : net.parameter_list())
    CHECK(largest(doubles(be, const_matrix<B>(gradients[net.place_of(p.name)]))) == 0);
  CHECK(largest(doubles(be, dx)) > 0.01);
}

TEST_CASE("weight decay leaves normalization alone", "[layers][normalization]") {
  const network net{cpu{},          input{2, 4},   batch_norm{}, layer_norm{},
                    rms_norm{1e-5}, group_norm{2}, prelu{}};
  REQUIRE(net.parameter_list().size() == 8);
  for (const parameter& p : net.parameter_list()) CHECK_FALSE(p.tags.decay);
}

TEST_CASE("misuse of normalization is a sentence", "[layers][normalization]") {
  const cpu be;
  const network single{be, input{3}, batch_norm{}};
  const auto x = uniform(be, 1, 3, 1);
  auto pass = single.make_pass(1, true);
  CHECK(complaint<shape_error>([&] { single.forward(x.view(), pass, phase::train(0, 0)); }) ==
        "batch_norm: training needs more than one value for each channel, got 1; use larger "
        "batches, or merge_last_batch of fit");
  CHECK_NOTHROW(single.forward(x.view(), pass));
  CHECK(
      complaint<shape_error>([&] {
        network(be, input{3, 4}, group_norm{3});
      }) ==
      "layer 0 (group_norm) cannot divide 4 channels into 3 groups of equal size; choose a divisor "
      "of 4");
  CHECK(complaint<shape_error>([&] { network(be, input{4}, instance_norm{}); }) ==
        "layer 0 (instance_norm) needs more than one value in each group, got samples of 4 in 4 "
        "groups, whose outputs would all be 0");
  for (const double eps : {0.0, -1e-5, not_a_number, inf}) {
    CHECK_THROWS_AS(batch_norm{}.eps(eps), value_error);
    CHECK_THROWS_AS(rms_norm{eps}, value_error);
  }
  for (const double share : {-0.1, 1.1, not_a_number})
    CHECK_THROWS_AS(batch_norm{}.momentum(share), value_error);
  CHECK_THROWS_AS(group_norm{0}, value_error);
  CHECK_THROWS_AS(local_response_norm{0}, value_error);
  CHECK_THROWS_AS((local_response_norm{3, 1e-4, 0.75, 0}), value_error);
  CHECK_THROWS_AS(prelu{}.initial(not_a_number), value_error);
}

TEST_CASE("normalization describes its constants", "[layers][normalization]") {
  CHECK(to_string(describe(batch_norm{relu{}})) ==
        "batch_norm(momentum=0.1, eps=1e-05, activation=relu)");
  CHECK(to_string(describe(batch_norm{}.affine(false).momentum(0.01))) ==
        "batch_norm(affine=0, momentum=0.01, eps=1e-05)");
  CHECK(to_string(describe(layer_norm{}.all_axes())) == "layer_norm(all_axes=1, eps=1e-05)");
  CHECK(to_string(describe(group_norm{2})) == "group_norm(groups=2, eps=1e-05)");
  CHECK(to_string(describe(instance_norm{}.affine(true))) == "instance_norm(affine=1, eps=1e-05)");
  CHECK(to_string(describe(local_response_norm{5})) ==
        "local_response_norm(size=5, alpha=1e-04, beta=0.75, k=1)");
  CHECK(to_string(describe(prelu{}.per_channel())) == "prelu(per_channel=1, initial=0.25)");
}

}  // namespace normalization_test
