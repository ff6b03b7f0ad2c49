/// \file
/// `serve`: what makes a program a contender of race/race.cpp.
///
///     program --net B --extents 784,128,10 --hidden relu --batch 64 --rate 0.1 --threads 1 --data
///     F
///
/// F is a folder of the four files of MNIST, not compressed. The program loads them, trains for one
/// epoch, which warms up, and says that it is ready; then it does what the lines of its standard
/// input say, and answers each with a line of JSON:
///
///     train 3    {"seconds": 0.031, "loss": 0.52}      three epochs; seconds of one
///     test       {"accuracy": 0.87}                    on the images for testing
///
/// A program that runs products alone answers `test` with {"error": ...}, the largest error as a
/// fraction of what rounding explains. Python's contenders have the same in contender.py. By hand:
///
///     printf 'train 1\ntest\n' | build/benchmarks/peers/fann --net A ...
#ifndef CHAINRULE_BENCHMARKS_PEERS_CONTENDER_HPP
#define CHAINRULE_BENCHMARKS_PEERS_CONTENDER_HPP

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "../shapes.hpp"

/// What the command line says.
struct setting {
  net_shape net;
  std::string net_name;
  std::string data;
  int threads = 1;
  std::vector<std::string> others;  // options of this program alone

  [[nodiscard]] bool has(const char* option) const {
    for (const std::string& o : others)
      if (o == option) return true;
    return false;
  }
};

/// Throws std::runtime_error if something is missing.
[[nodiscard]] inline setting read_setting(int argc, char** argv) {
  setting s;
  s.net.batch = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const bool has_value = option == "--net" || option == "--extents" || option == "--hidden" ||
                           option == "--batch" || option == "--rate" || option == "--threads" ||
                           option == "--data";
    if (!has_value) {
      s.others.push_back(option);
      continue;
    }
    if (i + 1 == argc) throw std::runtime_error(option + " needs a value");
    const char* value = argv[++i];
    if (option == "--net") s.net_name = value;
    if (option == "--data") s.data = value;
    if (option == "--threads") s.threads = std::atoi(value);
    if (option == "--batch") s.net.batch = std::atoi(value);
    if (option == "--rate") s.net.rate = static_cast<float>(std::atof(value));
    if (option == "--hidden") {
      const bool sigmoid = std::strcmp(value, "sigmoid") == 0;
      s.net.hidden = sigmoid ? nonlinearity::sigmoid : nonlinearity::relu;
      s.net.loss = sigmoid ? cost::quadratic : cost::softmax_cross_entropy;
    }
    if (option == "--extents")
      for (const char* at = value; at != nullptr; at = std::strchr(at, ',')) {
        if (*at == ',') ++at;
        s.net.extents.push_back(std::atoi(at));
      }
  }
  if (s.net.extents.size() < 3 || s.net.batch < 1 || s.threads < 1 || s.data.empty())
    throw std::runtime_error(
        "needs --net, --extents, --hidden, --batch, --rate, --threads, --data");
  return s;
}

/// Images, one after another, and their classes.
struct samples {
  int count = 0;
  int features = 0;
  std::vector<std::uint8_t> pixels, labels;

  /// Assigns an image as numbers in 0 to 1.
  void convert(int sample, float* to) const {
    const std::uint8_t* from =
        pixels.data() + static_cast<std::size_t>(sample) * static_cast<std::size_t>(features);
    for (int i = 0; i < features; ++i) to[i] = static_cast<float>(from[i]) * (1.0F / 255.0F);
  }
};

/// The bytes after the header of an IDX file that race/write_data.cpp wrote; its extents.
[[nodiscard]] inline std::vector<std::uint8_t> read_bytes(const std::string& path,
                                                          std::vector<int>& extents) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  std::uint8_t word[4] = {};
  bool fine = std::fread(word, 1, 4, file) == 4;
  std::size_t size = 1;
  for (int i = 0; fine && i < word[3]; ++i) {
    std::uint8_t e[4] = {};
    fine = std::fread(e, 1, 4, file) == 4;
    extents.push_back(e[0] << 24 | e[1] << 16 | e[2] << 8 | e[3]);
    size *= static_cast<std::size_t>(extents.back());
  }
  std::vector<std::uint8_t> bytes(fine ? size : 0);
  fine = fine && std::fread(bytes.data(), 1, size, file) == size;
  std::fclose(file);
  if (!fine) throw std::runtime_error(path + " ends too soon");
  return bytes;
}

/// `half` is "train" or "t10k".
[[nodiscard]] inline samples read_samples(const std::string& folder, const std::string& half) {
  samples s;
  std::vector<int> extents, label_extents;
  s.pixels = read_bytes(folder + "/" + half + "-images-idx3-ubyte", extents);
  s.labels = read_bytes(folder + "/" + half + "-labels-idx1-ubyte", label_extents);
  if (extents.size() != 3 || label_extents.size() != 1 || extents[0] != label_extents[0])
    throw std::runtime_error(folder + " does not hold as many labels as images");
  s.count = extents[0];
  s.features = extents[1] * extents[2];
  return s;
}

/// Orders of epochs for programs that have no shuffling of their own: cheap, and the same
/// everywhere.
class epoch_orders {
 public:
  explicit epoch_orders(int count) : order_(static_cast<std::size_t>(count)) {
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::int32_t>(i);
  }
  const std::vector<std::int32_t>& next() {
    for (std::size_t i = order_.size(); i > 1; --i) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      std::swap(order_[i - 1], order_[static_cast<std::size_t>(((state_ >> 32U) * i) >> 32U)]);
    }
    return order_;
  }

 private:
  std::uint64_t state_ = 7;
  std::vector<std::int32_t> order_;
};

/// Answers until the input ends. `train(epochs)` returns the loss of the last of these, `test()` a
/// figure of that name. `same_start` says that the first epoch is the one that all who say so run:
/// their losses must agree. Returns the exit status.
template <class Train, class Test>
int serve(const std::string& version, Train&& train, const char* figure, Test&& test,
          bool same_start = false) {
  const auto timed = [&](int epochs, double& loss) {
    const auto start = std::chrono::steady_clock::now();
    loss = train(epochs);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return taken.count() / epochs;
  };
  double loss = 0;
  const double first = timed(1, loss);
  std::printf("{\"ready\": \"%s\", \"seconds\": %.9g, \"loss\": %.9g, \"same_start\": %d}\n",
              version.c_str(), first, loss, same_start ? 1 : 0);
  std::fflush(stdout);
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    int epochs = 0;
    if (std::sscanf(line, "train %d", &epochs) == 1 && epochs > 0) {
      const double seconds = timed(epochs, loss);
      std::printf("{\"seconds\": %.9g, \"loss\": %.9g}\n", seconds, loss);
    } else if (std::strcmp(line, "test\n") == 0) {
      std::printf("{\"%s\": %.6g}\n", figure, static_cast<double>(test()));
    } else {
      std::fprintf(stderr, "there is no command %s", line);
      return 2;
    }
    std::fflush(stdout);
  }
  return 0;
}

/// main() of a contender: `run(setting)` returns the exit status.
template <class Run>
int contend(int argc, char** argv, Run&& run) {
  try {
    return run(read_setting(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

#endif  // CHAINRULE_BENCHMARKS_PEERS_CONTENDER_HPP
