/// \file
/// What the command line of `mnist` says.
#ifndef CHAINRULE_EXAMPLES_MNIST_OPTIONS_HPP
#define CHAINRULE_EXAMPLES_MNIST_OPTIONS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

struct options {
  std::string backend = "cpu";
  std::string data;  // a folder of IDX files; empty: the synthetic digits
  std::string model = "dense";
  std::vector<int> hidden{128};  // of dense
  std::string activation = "relu";
  std::string loss = "softmax";
  std::string optimizer = "sgd";
  int epochs = 10;  // 0 where weights are loaded and no epochs are asked for
  int batch = 64;
  std::optional<double> rate;  // else one that suits the optimizer
  double momentum = 0.9;
  double weight_decay = 0;
  std::optional<double> dropout;  // else one that suits the model
  std::uint64_t seed = 1;
  std::optional<int> threads;  // else CHAINRULE_THREADS, else all processors
  double validation = 0;
  bool ranks = false;     // this process is one of those that mpirun started
  int micro_batches = 0;  // 0: as many as suit the shapes
  double patience = 300;  // seconds
  std::string checkpoint;
  std::string save;
  std::string load;
  std::optional<int> predict;
  std::string log;
  std::string report;
  bool quick = false;
};

/// Reads the command line. Where it asks for help, or is wrong, this says so and ends the program.
options read_options(int argc, char** argv);

#endif  // CHAINRULE_EXAMPLES_MNIST_OPTIONS_HPP
