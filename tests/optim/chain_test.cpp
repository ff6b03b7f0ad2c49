// How rules are put together, and what is refused.

#include <string>
#include <vector>

#include "chainrule/optim/optimizer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"

namespace chain_test {

namespace {

using namespace chainrule;
using B = support::tested<double>;

/// One weight of 2 with gradient 3 after a step of an optimizer.
template <class Rules>
double after_a_step(const Rules& rules) {
  const B be;
  arena_plan plan;
  const slice w = plan.add(weight_tags, 1, 1);
  arena<B> parameters(be, plan);
  arena<B> gradients(be, plan);
  be.map(fn::fill{2}, parameters[w]);
  be.map(fn::fill{3}, gradients[w]);
  optimizer o(be, plan, rules);
  o.update(parameters, gradients);
  return to_host(be, const_matrix<B>(parameters[w]))[0];
}

/// The message of the value_error that f throws.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const value_error& e) {
    return e.what();
  }
  return "nothing was refused";
}

TEST_CASE("an optimizer takes a rule as it takes a chain of one") {
  CHECK(after_a_step(sgd{0.5}) == 0.5);  // 2 - 0.5 * 3
  CHECK(after_a_step(chain(sgd{0.5})) == 0.5);
}

TEST_CASE("chains within chains are one chain, in their order") {
  const auto before = chain(clip_by_value{1}, weight_decay{0.25});
  // The gradient is clipped to 1, then 0.25 * 2 is added: 2 - 0.5 * 1.5.
  CHECK(after_a_step(chain(before, sgd{0.5})) == 1.25);
  CHECK(after_a_step(chain(clip_by_value{1}, weight_decay{0.25}, sgd{0.5})) == 1.25);
  CHECK(after_a_step(chain(chain(chain(sgd{0.5})))) == 0.5);
}

TEST_CASE("constants out of range are refused by name") {
  CHECK(refusal([] { (void)chain(momentum{.decay = -0.1}); }) ==
        "momentum: the decay must be between 0 and 1, got -0.1");
  CHECK(refusal([] { (void)chain(adam{.beta1 = 1}); }) ==
        "adam: beta1 must be at least 0 and below 1, got 1");
  CHECK(refusal([] { (void)chain(adam{.beta2 = -1}); }) ==
        "adam: beta2 must be at least 0 and below 1, got -1");
  CHECK(refusal([] { (void)chain(adam{.epsilon = 0}); }) == "adam: epsilon must be above 0, got 0");
  CHECK(refusal([] { (void)chain(adamw{.decay = -1}); }) ==
        "adamw: the decay must be at least 0, got -1");
  CHECK(refusal([] { (void)chain(nadam{.momentum_decay = -1}); }) ==
        "nadam: the momentum decay must be at least 0, got -1");
  CHECK(refusal([] { (void)chain(rmsprop{.alpha = 1}); }) ==
        "rmsprop: alpha must be at least 0 and below 1, got 1");
  CHECK(refusal([] { (void)chain(centered_rmsprop{.epsilon = 0}); }) ==
        "centered rmsprop: epsilon must be above 0, got 0");
  CHECK(refusal([] { (void)chain(adagrad{.initial_accumulator = -1}); }) ==
        "adagrad: the initial accumulator must be at least 0, got -1");
  CHECK(refusal([] { (void)chain(adadelta{.rho = 2}); }) ==
        "adadelta: rho must be at least 0 and below 1, got 2");
  CHECK(refusal([] { (void)chain(lion{.beta2 = 1}); }) ==
        "lion: beta2 must be at least 0 and below 1, got 1");
  CHECK(refusal([] { (void)chain(heavy_ball{.decay = 2}); }) ==
        "heavy ball: the decay must be between 0 and 1, got 2");
  CHECK(refusal([] { (void)chain(l1_penalty{-1}); }) ==
        "L1 penalty: lambda must be at least 0, got -1");
  CHECK(refusal([] { (void)chain(weight_decay{-1}); }) ==
        "weight decay: lambda must be at least 0, got -1");
  CHECK(refusal([] { (void)chain(clip_by_value{0}); }) ==
        "clip by value: the limit must be above 0, got 0");
  CHECK(refusal([] { (void)chain(clip_by_norm{-2}); }) ==
        "clip by norm: the limit must be above 0, got -2");
  CHECK(refusal([] { (void)schedule(-0.1); }) ==
        "a learning rate must be finite and at least 0, got -0.1");
}

}  // namespace

}  // namespace chain_test
