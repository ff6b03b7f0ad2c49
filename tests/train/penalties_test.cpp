// Penalties in the reported loss, by hand.
#include <cmath>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "chainrule/train/weight_constraints.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace penalties_test {

using namespace batches;

namespace {

/// A network with first weights (3, -4; 0, 2), frozen if `Layer` says so, biases of 5, and second
/// weights (1; -2); and two samples.
template <class B, class Layer>
struct fixture {
  B be;
  std::vector<scalar_t<B>> x{1, 2, 0, 1};
  dataset<B> data{be, matrix_view<const scalar_t<B>>(x.data(), 2, 2),
                  matrix_view<const scalar_t<B>>(x.data(), 2, 1)};
  network<B> net;
  explicit fixture(const Layer& first) : net(network{be, first, dense{1}}) {
    be.copy(net.parameters()[net.parameter_list()[0].place],
            numbers(be, 2, 2, {3, -4, 0, 2}).view());
    be.copy(net.parameters()[net.parameter_list()[1].place], numbers(be, 1, 2, {5, 5}).view());
    be.copy(net.values("1.weight"), numbers(be, 2, 1, {1, -2}).view());
  }

  template <class Rules>
  epoch_record fit(const Rules& rules, const fit_options<B>& options) {
    trainer t{net, mean_squared_error{}, rules};
    const epoch_record r = t.fit(data, options).epochs.back();
    // The data's part of the validation loss is that of the parameters at the end.
    if (r.validated) CHECK(r.validation.loss == t.evaluate(data).loss + r.penalty);
    return r;
  }
};

// Two layers' weights: Σ w² = 9 + 16 + 4 + 1 + 4, Σ |w| = 3 + 4 + 2 + 1 + 2.
constexpr double squares = 34;
constexpr double magnitudes = 12;

}  // namespace

TEMPLATE_LIST_TEST_CASE("penalties are added to the reported losses if asked", "[train][penalties]",
                        backends) {
  using B = TestType;
  fixture<B, dense<>> f(dense{2, 2});
  const double near = 100 * epsilon<B>;
  group_lasso sparse{f.net, 0.25};  // at a rate of 0 it changes nothing
  fit_options<B> options{.epochs = 2, .batch = 2, .validation = &f.data, .callbacks = {&sparse}};
  const auto rules = chain(weight_decay{0.5}, l1_penalty{0.125}, sgd{0});
  const epoch_record plain = f.fit(rules, options);
  CHECK(plain.penalty == 0);

  options.report_penalties = true;
  const epoch_record r = f.fit(rules, options);
  // The columns' norms: those of the first weights are 3 and √20, that of the second is √5.
  const double norms = 3 + std::sqrt(20.0) + std::sqrt(5.0);
  CHECK(std::abs(r.penalty - (0.25 * squares + 0.125 * magnitudes + 0.25 * norms)) <= near);
  CHECK(r.training.loss == plain.training.loss + r.penalty);
  CHECK(r.validation.loss == plain.validation.loss + r.penalty);

  options.callbacks = {};
  // Biases count if they decay.
  CHECK(std::abs(f.fit(chain(weight_decay{0.5, true}, sgd{0}), options).penalty -
                 0.25 * (squares + 50)) <= near);
  CHECK(std::abs(f.fit(chain(l1_penalty{0.5, true}, sgd{0}), options).penalty -
                 0.5 * (magnitudes + 10)) <= near);
  // Decay behind the rule with the rate is none of the loss.
  CHECK(f.fit(chain(adam{.rate = 0.0}, weight_decay{0.5}), options).penalty == 0);
  CHECK(f.fit(adamw{.rate = 0.0, .decay = 0.5}, options).penalty == 0);
  CHECK(std::abs(f.fit(chain(weight_decay{1}, adam{.rate = 0.0}, l1_penalty{3}), options).penalty -
                 0.5 * squares) <= near);
}

TEMPLATE_LIST_TEST_CASE("the penalty is that of the parameters at the end of the epoch",
                        "[train][penalties]", backends) {
  using B = TestType;
  fixture<B, dense<>> f(dense{2, 2});
  const epoch_record r = f.fit(chain(weight_decay{0.5}, sgd{0.01}),
                               {.epochs = 1, .validation = &f.data, .report_penalties = true});
  double sum = 0;
  for (const char* name : {"0.weight", "1.weight"})
    for (const double w : doubles<B>(f.be, f.net.values(name))) sum += w * w;
  CHECK(std::abs(r.penalty - 0.25 * sum) <= 100 * epsilon<B>);
  CHECK(std::abs(sum - squares) > 0.01);
}

TEST_CASE("frozen parameters have no penalty", "[train][penalties]") {
  using B = tested<double>;
  fixture<B, frozen<dense<>>> f(frozen{dense{2, 2}});
  const epoch_record r =
      f.fit(chain(weight_decay{2, true}, sgd{0}), {.epochs = 1, .report_penalties = true});
  CHECK(r.penalty == 5);
  CHECK_FALSE(r.validated);
  CHECK(std::isnan(r.validation.loss));
}

}  // namespace penalties_test
