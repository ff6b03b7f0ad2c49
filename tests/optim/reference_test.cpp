// Every rule over 20 steps on a convex quadratic beside the parameters that torch.optim reaches in
// float64 (PyTorch 2.15.0, printed by reference.py; Lion by its paper's algorithm, written there).
#include "chainrule/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace reference_test {

using namespace batches;

namespace {

/// a (w - c), the gradient of a (w - c)² / 2.
struct quadratic_gradient {
  constexpr auto operator()(const auto& w, const auto& a, const auto& c) const {
    return a * (w - c);
  }
};

/// Compares the parameters after 20 steps from (1, -1.5, 0.75) with those expected.
template <class B, class Rules>
void agree(const B& be, const char* name, const Rules& rules, const std::vector<double>& expected) {
  arena_plan plan;
  const slice place = plan.add(weight_tags, 1, 3);
  arena<B> w(be, plan);
  arena<B> g(be, plan);
  be.copy(w[place], numbers(be, 1, 3, {1, -1.5, 0.75}).view());
  const tensor<B> a = numbers(be, 1, 3, {1, 0.25, 3});
  const tensor<B> c = numbers(be, 1, 3, {-2, 4, -1});
  optimizer opt(be, plan, rules);
  for (int t = 0; t < 20; ++t) {
    be.map(quadratic_gradient{}, g[place], w[place], a.view(), c.view());
    opt.update(w, g);
  }
  const auto got = doubles(be, const_matrix<B>(w[place]));
  CAPTURE(name, got, expected);
  // Each step rounds some ten times numbers of up to 6.
  CHECK(distance(got, expected) <= (std::same_as<scalar_t<B>, double> ? 1e-10 : 1000 * epsilon<B>));
  // Padding stays 0.
  be.map(fn::fill{0}, w[place]);
  CHECK(largest(doubles(be, const_matrix<B>(w.all()))) == 0);
  for (auto& s : opt.state()) {
    be.map(fn::fill{0}, s[place]);
    CHECK(largest(doubles(be, const_matrix<B>(s.all()))) == 0);
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("rules agree with PyTorch over 20 steps", "[optim][reference]", backends) {
  const TestType be;
  agree(be, "sgd", sgd{0.1}, {-1.6352700362282921, 0.6852177587949475, -0.9986036353397918});
  agree(be, "momentum", momentum{.rate = 0.02, .decay = 0.8},
        {-1.8335011006099227, 0.43368740412435214, -1.0684934654703524});
  agree(be, "momentum, Nesterov", momentum{.rate = 0.02, .decay = 0.8, .nesterov = true},
        {-1.7784869235082839, 0.4876312992653237, -1.0517383515371788});
  agree(be, "weight decay", chain(weight_decay{0.3}, sgd{0.1}),
        {-1.381802433868348, 0.7478058509284813, -0.9085396367061266});
  agree(be, "L1 penalty", chain(l1_penalty{0.3}, sgd{0.005}),
        {0.6852145849062383, -1.3344742234669407, 0.26740240169213814});
  agree(be, "adam", adam{.rate = 0.05},
        {0.024113596896014007, -0.5119880426293235, -0.20191368309545202});
  agree(be, "adam with an L2 penalty", chain(weight_decay{0.3}, adam{.rate = 0.05}),
        {0.02959917960997796, -0.52137359943444, -0.19824001817349302});
  agree(be, "adamw", adamw{.rate = 0.05},
        {0.0190353774809049, -0.5019209043511922, -0.20446846384164535});
  agree(be, "adamw with other constants",
        adamw{.rate = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .decay = 0.3},
        {-0.09359462490142631, -0.25960133786037015, -0.24604660538708792});
  agree(be, "nadam", nadam{.rate = 0.05},
        {0.1872858658151851, -0.6659395022727113, -0.026402682986518357});
  agree(be, "nadam with other constants",
        nadam{.rate = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .momentum_decay = 0.5},
        {0.6269918653787655, -1.1235015498601701, 0.382755602839448});
  agree(be, "rmsprop", rmsprop{}, {0.2675535250191291, -0.7483091407739307, 0.05032885603644807});
  agree(be, "rmsprop with momentum",
        chain(rmsprop{.rate = 0.002, .alpha = 0.9, .epsilon = 1e-6}, heavy_ball{0.7}),
        {0.8280643455706695, -1.3273884365733637, 0.5791497226604967});
  agree(be, "centered rmsprop", centered_rmsprop{.rate = 0.005, .alpha = 0.9},
        {0.7633895836382815, -1.261768756140881, 0.5160858128185649});
  agree(be, "centered rmsprop with momentum",
        chain(centered_rmsprop{.rate = 0.001}, heavy_ball{0.5}),
        {0.8456346805401603, -1.344922143264978, 0.5967732018569077});
  agree(be, "adagrad", adagrad{.rate = 0.1},
        {0.2804076823628743, -0.7615628585836015, 0.062370487654809494});
  agree(be, "adagrad with a decaying rate",
        adagrad{.rate = [](std::int64_t t) { return 0.2 / (1 + 0.1 * static_cast<double>(t)); },
                .epsilon = 1e-3,
                .initial_accumulator = 0.5},
        {0.07867383609119247, -0.5813481304163408, -0.12372277689257709});
  agree(be, "adadelta", adadelta{}, {0.9306994738873487, -1.4304387246892885, 0.6811084786213822});
  agree(be, "adadelta with other constants", adadelta{.rate = 2.0, .rho = 0.8, .epsilon = 1e-3},
        {-1.32125189336016, 1.3345304429457057, -0.9167560982524753});
  agree(be, "lion", lion{.rate = 0.01},
        {0.7999999999999998, -1.2999999999999998, 0.5499999999999998});
  agree(be, "lion with decay",
        chain(lion{.rate = 0.02, .beta1 = 0.8, .beta2 = 0.95}, weight_decay{0.1}),
        {0.5682605272897704, -1.0486360058029418, 0.3280727880331846});
}

}  // namespace reference_test
