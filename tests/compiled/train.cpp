// A training, as a function whose name the file's flags give: compiled with chainrule::compiled and
// without.
#include "chainrule/chainrule.hpp"
#include "chainrule/core/checksum.hpp"

using namespace chainrule;

/// The checksum of trained parameters and of what the trainer measures.
std::uint32_t CHAINRULE_TEST_TRAIN() {
  random_stream random{1};
  std::vector<float> x(300 * 8);
  std::vector<int> classes;
  for (float& v : x) v = static_cast<float>(random.uniform(-1, 1));
  for (std::size_t i = 0; i < 300; ++i) classes.push_back(x[i * 8] * x[i * 8 + 1] > 0 ? 1 : 0);

  const cpu be{2};
  const dataset<cpu> data(be, matrix_view<const float>(x.data(), 300, 8), classes, 2);
  network net{be, dense{8, 24, relu{}}, dropout{0.1}, dense{24, 16, fn::tanh{}}, dense{16, 2}};
  net.initialize(2);
  trainer t{net, softmax_cross_entropy{}, adam{.rate = 0.01}};
  t.fit(data, {.epochs = 3, .batch = 32, .seed = 4});

  crc32_sum sum;
  const auto add = [&](const auto& numbers) { sum.add(std::as_bytes(std::span(numbers))); };
  add(to_host(be, std::as_const(net).parameters().all()));
  const metrics m = t.evaluate(data);
  add(std::array{m.loss, m.accuracy});
  const std::string text = summary(net);
  add(text);
  return sum.value();
}
