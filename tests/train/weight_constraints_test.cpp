// The norms of units' weights after updates, and what the proximal step makes of them, by hand.
#include "chainrule/train/weight_constraints.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace weight_constraints_test {

using namespace chainrule;
using support::backends;
using support::complaint;

namespace {

template <class B>
void assign(const B& be, matrix<B> to, const std::vector<double>& values) {
  const std::vector<scalar_t<B>> host(values.begin(), values.end());
  be.upload(to, matrix_view<const scalar_t<B>>(host.data(), to.rows(), to.cols()));
  be.synchronize();
}
template <class B>
std::vector<double> values_of(const network<B>& net, const char* name) {
  const auto host = to_host(net.backend(), net.values(name));
  return {host.begin(), host.end()};
}

/// A network with weights of 2 × 3, whose columns have the norms 5, 0.5 and 0, and of 3 × 1, of
/// norm 3; and a sample of zeros, for which the gradient of the first weights is 0.
template <class B, class Layer>
struct two_layers {
  B be;
  std::vector<scalar_t<B>> zeros = std::vector<scalar_t<B>>(2, scalar_t<B>(0));
  dataset<B> data{be, matrix_view<const scalar_t<B>>(zeros.data(), 1, 2),
                  matrix_view<const scalar_t<B>>(zeros.data(), 1, 1)};
  network<B> net;

  explicit two_layers(const Layer& first) : net(network{be, first, dense{1}}) {
    assign<B>(be, net.parameters()[net.parameter_list()[0].place], {3, 0.3, 0, -4, 0.4, 0});
    assign<B>(be, net.values("1.weight"), {1, -2, 2});
    be.map(fn::fill{9}, net.values("0.bias"));
    be.map(fn::fill{-27}, net.values("1.bias"));  // (9, 9, 9) (1, -2, 2) - ... is not 0
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("max_norm limits the norm of each unit's weights", "[train][constraints]",
                        backends) {
  using B = TestType;
  const double tolerance = 8 * static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon());
  two_layers<B, dense<>> two(dense{2, 3});
  trainer t{two.net, mean_squared_error{}, sgd{0}};
  const auto check = [&](callback& c, const std::vector<double>& first,
                         const std::vector<double>& second) {
    t.fit(two.data, {.epochs = 1, .callbacks = {&c}});
    const auto a = values_of(two.net, "0.weight");
    const auto b = values_of(two.net, "1.weight");
    for (std::size_t i = 0; i < 6; ++i) CHECK(std::fabs(a[i] - first[i]) <= 5 * tolerance);
    for (std::size_t i = 0; i < 3; ++i) CHECK(std::fabs(b[i] - second[i]) <= 5 * tolerance);
    CHECK(values_of(two.net, "0.bias") == std::vector<double>{9, 9, 9});
  };
  max_norm only_second{two.net, 1.5, {"1.weight"}};
  check(only_second, {3, 0.3, 0, -4, 0.4, 0}, {0.5, -1, 1});
  max_norm all{two.net, 1};
  check(all, {0.6, 0.3, 0, -0.8, 0.4, 0}, {1.0 / 3, -2.0 / 3, 2.0 / 3});
}

TEMPLATE_LIST_TEST_CASE("group_lasso shrinks norms by rate times lambda, to exactly 0",
                        "[train][constraints]", backends) {
  using B = TestType;
  const double tolerance = 40 * static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon());
  two_layers<B, dense<>> two(dense{2, 3});
  // A rate that differs from step to step; the gradient of the first layer's weights is 0.
  trainer t{two.net, mean_squared_error{},
            sgd{.rate = [](std::int64_t step) { return step == 0 ? 0.25 : 0.5; }}};
  group_lasso sparse{two.net, 1, {"0.weight"}};
  t.fit(two.data, {.epochs = 1, .callbacks = {&sparse}});
  // Norms 5, 0.5, 0 become 4.75, 0.25, 0.
  auto w = values_of(two.net, "0.weight");
  const std::vector<double> after_one{3 * 0.95, 0.15, 0, -4 * 0.95, 0.2, 0};
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::fabs(w[i] - after_one[i]) <= tolerance);
  t.fit(two.data, {.epochs = 1, .callbacks = {&sparse}});
  w = values_of(two.net, "0.weight");
  const std::vector<double> after_two{3 * 0.85, 0, 0, -4 * 0.85, 0, 0};
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::fabs(w[i] - after_two[i]) <= tolerance);
  CHECK(w[1] == 0);
  CHECK(w[4] == 0);
}

TEST_CASE("constraints leave frozen weights alone and refuse what they cannot do",
          "[train][constraints]") {
  using B = support::tested<double>;
  two_layers<B, decltype(frozen(dense{2, 3}))> two(frozen(dense{2, 3}));
  trainer t{two.net, mean_squared_error{}, sgd{0}};
  max_norm limit{two.net, 1};
  t.fit(two.data, {.epochs = 1, .callbacks = {&limit}});
  CHECK(values_of(two.net, "0.weight") == std::vector<double>{3, 0.3, 0, -4, 0.4, 0});
  CHECK(std::fabs(values_of(two.net, "1.weight")[0] - 1.0 / 3) <= 1e-15);

  CHECK(complaint<value_error>([&] { max_norm(two.net, 0); }) ==
        "max_norm: the limit must be above 0, got 0");
  CHECK(complaint<value_error>([&] { group_lasso(two.net, -1); }) ==
        "group_lasso: lambda must be at least 0, got -1");
  CHECK_THROWS_AS(max_norm(two.net, 1, {"7.weight"}), value_error);
}

}  // namespace weight_constraints_test
