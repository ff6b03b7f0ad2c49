#include "options.hpp"

#include <CLI/CLI.hpp>

#include "../support/command_line.hpp"
#include "chainrule/core/error.hpp"

// Built apart from the rest: a parser of command lines costs as much to compile as a network.

namespace {

/// A number from `low` to `high`. (CLI::Range lets NaN pass.)
CLI::Validator within(double low, double high) {
  return CLI::Validator(
      [=](std::string& text) {
        double number = 0;
        const bool fits =
            CLI::detail::lexical_cast(text, number) && number >= low && number <= high;
        return fits ? std::string{}
                    : "expected a number from " + chainrule::detail::concat(low) + " to " +
                          chainrule::detail::concat(high) + ", got " + text;
      },
      "");
}

}  // namespace

options read_options(int argc, char** argv) {
  options o;
  CLI::App app{"Trains a network to read handwritten digits and shows how well it does."};
  app.add_option("--data", o.data,
                 "folder with the four IDX files, plain or .gz; without it, "
                 "synthetic digits are drawn")
      ->type_name("DIR");
  app.add_option("--backend", o.backend,
                 "cpu, opencl, cuda or auto; opencl:1 and opencl:NAME choose a device")
      ->capture_default_str();
  app.add_option("--model", o.model, "dense, or lenet: two convolutions of 32 and 64 filters")
      ->check(CLI::IsMember({"dense", "lenet"}))
      ->capture_default_str();
  app.add_option("--hidden", o.hidden, "widths of the hidden layers of dense; 0 for none")
      ->delimiter(',')
      ->type_name("N,N,...")
      ->check(within(0, 9999))
      ->capture_default_str();
  app.add_option("--activation", o.activation, "of the hidden layers: relu, tanh, gelu, ...")
      ->capture_default_str();
  app.add_option("--loss", o.loss, "softmax (cross-entropy) or mse")
      ->check(CLI::IsMember({"softmax", "mse"}))
      ->capture_default_str();
  app.add_option("--optimizer", o.optimizer, "sgd (with momentum) or adam")
      ->check(CLI::IsMember({"sgd", "adam"}))
      ->capture_default_str();
  const auto* epochs = app.add_option("--epochs", o.epochs, "times that all samples are seen")
                           ->check(within(0, 999999))
                           ->capture_default_str();
  app.add_option("--batch", o.batch, "samples per step")
      ->check(within(1, 999999))
      ->capture_default_str();
  app.add_option("--rate", o.rate,
                 "learning rate of the first step, from which it falls to 0; "
                 "without it 0.05 for sgd, 0.001 for adam")
      ->type_name("X")
      ->check(within(0, 1000));
  app.add_option("--momentum", o.momentum, "of sgd")->check(within(0, 1))->capture_default_str();
  app.add_option("--weight-decay", o.weight_decay, "L2 regularisation of the weights")
      ->check(within(0, 1000))
      ->capture_default_str();
  app.add_option("--dropout", o.dropout,
                 "probability behind each hidden layer; without it 0 for dense, 0.4 for lenet")
      ->type_name("P")
      ->check(within(0, 0.99));
  app.add_option("--seed", o.seed, "of weights, order and dropout: the same seed, the same result")
      ->check(whole_number())
      ->capture_default_str();
  app.add_option("--threads", o.threads, "of the CPU: the result does not depend on it")
      ->check(within(1, 1024));
  app.add_option("--validation", o.validation, "fraction of the training samples to hold out")
      ->type_name("FRACTION")
      ->check(within(0, 0.9))
      ->capture_default_str();
  app.add_flag("--ranks", o.ranks,
               "train with the other processes that mpirun or srun started: mpirun -n 4 mnist "
               "--ranks --micro-batches 4 ...");
  app.add_option("--micro-batches", o.micro_batches,
                 "parts of a batch, which ranks share: the result depends on their number and not "
                 "on that of ranks; 0: one that suits the shapes")
      ->check(within(0, 999999))
      ->capture_default_str();
  app.add_option("--patience", o.patience,
                 "seconds that a rank waits for another one; 0: without end")
      ->check(within(0, 1e9))
      ->capture_default_str();
  app.add_option("--checkpoint", o.checkpoint,
                 "save the training there after each epoch; if the file exists, resume from it")
      ->type_name("FILE");
  app.add_option("--save", o.save, "write the weights there (safetensors)")->type_name("FILE");
  app.add_option("--load", o.load,
                 "begin with these weights; without --epochs they are only judged")
      ->type_name("FILE");
  app.add_option("--predict", o.predict, "draw this test image and what it is taken for")
      ->type_name("IMAGE_INDEX")
      ->check(within(0, 999999));
  app.add_option("--log", o.log, "write the metrics of each epoch there (CSV)")->type_name("FILE");
  app.add_option("--report", o.report, "write a page with curves and confusion matrix there (HTML)")
      ->type_name("FILE");
  app.add_flag("--quick", o.quick, "few samples and epochs: shows that it works, in a second");
  app.failure_message([](const CLI::App*, const CLI::Error& e) {
    return chainrule::detail::concat("mnist: ", e.what(), " (mnist --help lists the options)\n");
  });
  parse_or_exit(app, argc, argv);
  if (epochs->count() == 0 && (o.quick || !o.load.empty())) o.epochs = o.load.empty() ? 3 : 0;
  if (o.hidden == std::vector<int>{0}) o.hidden.clear();
  return o;
}
