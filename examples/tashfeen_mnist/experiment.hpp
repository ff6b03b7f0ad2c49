/// \file
/// Tashfeen's second experiment ("Neural Networks: The Backward Pass"): digits from raw pixels, its
/// data, its training, and what it came to. The program beside this file prints it, a test of the
/// texts' numbers runs its beginning.
#ifndef CHAINRULE_EXAMPLES_TASHFEEN_MNIST_EXPERIMENT_HPP
#define CHAINRULE_EXAMPLES_TASHFEEN_MNIST_EXPERIMENT_HPP

#include <algorithm>
#include <array>
#include <chainrule/chainrule.hpp>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "../parity/experiment.hpp"

namespace raw_pixels {

/// What the text's program came to. The system is chaotic: first weights that differ by 1e-15 move
/// the first error from 1.15 to 1.17, and now and then a run is stuck for long. So there are bands
/// and no digits, and a band is met if the range of a few runs reaches into it.
struct band {
  int epoch;  // counted from 0
  double low, high;

  [[nodiscard]] bool meets(const std::vector<double>& runs) const {
    const auto [least, most] = std::minmax_element(runs.begin(), runs.end());
    return *least <= high && *most >= low;
  }
};
/// Of the errors.
inline constexpr std::array<band, 5> error_bands{
    {{0, 1.12, 1.19}, {1, .81, .85}, {2, .73, .77}, {10, .42, .49}, {49, .20, .23}}};
/// Of the accuracy on the test images, after all of its 300 epochs.
inline constexpr band accuracy_band{299, .91, .935};

/// Where MNIST is looked for: the folder that CHAINRULE_MNIST names, else where
/// examples/mnist/run.sh keeps it.
inline std::string data_folder() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const std::string named = variable("CHAINRULE_MNIST");
  if (!named.empty()) return named;
  const std::string cache = variable("XDG_CACHE_HOME");
  return (cache.empty() ? variable("HOME") + "/.cache" : cache) + "/chainrule/mnist";
}

/// MNIST from that folder; nothing, and a reason, where there is none. Throws what load_mnist does
/// if the files are damaged.
inline std::optional<chainrule::mnist_data> find_mnist(const std::string& folder,
                                                       std::string& reason) {
  std::string images;
  try {
    images = chainrule::detail::find_mnist_file(folder, "train-images", "idx3");
  } catch (const chainrule::io_error&) {
    reason = "no MNIST in " + folder + "; sh examples/mnist/run.sh fetches it";
    return std::nullopt;
  }
#ifndef CHAINRULE_WITH_ZLIB
  if (images.ends_with(".gz")) {
    reason = "MNIST is compressed, and this program was built without zlib";
    return std::nullopt;
  }
#endif
  chainrule::mnist_data data = chainrule::load_mnist(folder);
  // Fashion-MNIST and others come in the same files.
  const std::array<std::uint8_t, 10> first{5, 0, 4, 1, 9, 2, 1, 3, 1, 4};
  if (data.train.count == 60000 &&
      std::equal(first.begin(), first.end(), data.train.labels.begin()))
    return data;
  reason = "the images in " + folder + " are not those of MNIST";
  return std::nullopt;
}

struct outcome {
  std::vector<double> errors;      // per epoch
  std::vector<double> accuracies;  // on the test images, after each epoch
};

/// Trains 784-32-10 with sigmoids on bytes as they are, weights and biases from N(0, 1), NumPy's
/// seed 0, and `nudge` more for each weight of the first layer: mini-batches of 256, of which the
/// last takes what is left and is divided by 256 all the same.
inline outcome train(const chainrule::mnist_data& data, int epochs, double nudge = 0) {
  using namespace chainrule;
  const basic_cpu<double> be;
  const dataset<basic_cpu<double>> images(be, data.train, /*scale*/ 1);
  const dataset<basic_cpu<double>> unseen(be, data.test, /*scale*/ 1);
  network net{be, dense{784, 32, fn::sigmoid{}}, dense{32, 10, fn::sigmoid{}}};
  numpy::random_state random(0);
  parity::draw_weights(net, random);
  const matrix<basic_cpu<double>> w = net.values("0.weight");
  be.map(fn::affine{1, nudge}, w, w);
  parity::numpy_order order(random);
  parity::batch_errors errors(256);
  trainer t(net, sum_of_squares{}, sgd{0.3});
  const history h = t.fit(images, {.epochs = epochs,
                                   .batch = 256,
                                   .validation = &unseen,
                                   .callbacks = {&errors},
                                   .order = &order,
                                   .merge_last_batch = true,
                                   .divide_by_full_batch = true});
  outcome o{errors.per_epoch, {}};
  for (const epoch_record& r : h.epochs) o.accuracies.push_back(r.validation.accuracy);
  return o;
}

/// A few runs, whose first weights differ by 1e-15.
inline std::vector<outcome> train_some(const chainrule::mnist_data& data, int epochs, int runs) {
  std::vector<outcome> all;
  for (int i = 0; i < runs; ++i) all.push_back(train(data, epochs, 1e-15 * i));
  return all;
}

/// The errors of that epoch, run by run.
inline std::vector<double> errors_of(const std::vector<outcome>& runs, int epoch) {
  std::vector<double> errors;
  for (const outcome& o : runs) errors.push_back(o.errors.at(static_cast<std::size_t>(epoch)));
  return errors;
}

}  // namespace raw_pixels

#endif  // CHAINRULE_EXAMPLES_TASHFEEN_MNIST_EXPERIMENT_HPP
