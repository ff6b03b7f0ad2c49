// Files that version 0.1 wrote load into the same layers, and a training goes on with the steps
// that it would have taken then.
#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/checkpoint.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"

namespace version_0_1_test {

using namespace chainrule;

namespace {

const std::string folder = std::string(CHAINRULE_TESTS_FOLDER) + "/io/version_0_1/";

auto made() {
  return network{cpu{1},
                 dense{5, 7, leaky_relu{0.2}},
                 dropout{0.25},
                 dense{7, 4, gelu{}},
                 activation{fn::softplus{}},
                 dense{4, 3}};
}

}  // namespace

TEST_CASE("weights of version 0.1 load", "[io]") {
  auto net = made();
  const auto metadata = load_weights(net, folder + "weights.safetensors");
  CHECK(metadata.at("note") == "written by version 0.1");
  auto of_training = made();
  (void)load_weights(of_training, folder + "training.safetensors");
  for (const parameter& p : net.parameter_list())
    CHECK(to_host(cpu{1}, std::as_const(net).values(p.name)) ==
          to_host(cpu{1}, std::as_const(of_training).values(p.name)));
  // The same layers behind an input, which takes no number.
  network behind_input{cpu{1},        input{5},         dense{7, leaky_relu{0.2}},
                       dropout{0.25}, dense{4, gelu{}}, activation{fn::softplus{}},
                       dense{3}};
  (void)load_weights(behind_input, folder + "weights.safetensors");
}

TEST_CASE("a training of version 0.1 is resumed", "[io]") {
  auto net = made();
  trainer t{net, softmax_cross_entropy{}, chain(weight_decay{1e-3}, adam{0.01})};
  load_training(t, folder + "training.safetensors");
  CHECK(t.steps() == 6);
  CHECK(t.epochs() == 2);
  std::vector<float> x;
  random_stream r(1, 2);
  for (int i = 0; i < 40 * 5; ++i) x.push_back(static_cast<float>(r.uniform(-1, 1)));
  std::vector<int> labels;
  for (int i = 0; i < 40; ++i) labels.push_back(i % 3);
  const dataset<cpu> data(cpu{1}, matrix_view<const float>(x.data(), 40, 5), labels, 3);
  const history h = t.fit(data, {.epochs = 1, .batch = 16, .seed = 3});
  // What version 0.1 printed. Three steps of sums of at most 16 terms in float, each of a few
  // roundings, whatever the instruction set.
  CHECK(std::fabs(h.epochs[0].training.loss - 1.08682077) <= 64 * 1.2e-7);
  const float expected[] = {0.288045496f,  -0.449214071f, -0.296068817f, 0.752239585f,
                            -0.541593134f, -0.512262523f, -0.632981539f, 0.120786175f,
                            -0.189053833f, 0.513593435f,  0.800277889f,  0.849277914f};
  const auto w = to_host(cpu{1}, std::as_const(net).values("4.weight"));
  // Adam moves a weight by at most about its rate in a step, and by less than that in error where
  // a gradient's sign is sure.
  for (std::size_t i = 0; i < w.size(); ++i) CHECK(std::fabs(w[i] - expected[i]) <= 1e-4f);
}

}  // namespace version_0_1_test
