// Trainings that ranks share over MPI: prints a checksum of what each training leaves behind, and
// fails in the way that it is told. tests/mpi/check.sh runs it.
//
//   mpi_ranks net=dense,dropout [alone=1] [micro=4] [batch=25] [epochs=2] [patience=30]
//             [file=<checkpoint>] [fault=kill|throw|exit|stop|term|data|options|parameters]
//             [rank=1] [step=3] [mark=<file that is made when the fault comes>]
//
// A net is dense, wide, dropout, lenet or small. With a file, each epoch is saved there, and a
// training goes on from it if it exists. alone: without ranks, in one process.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../examples/support/synthetic_digits.hpp"
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/interrupt.hpp"
#include "chainrule/train/model_checkpoint.hpp"
#include "chainrule/train/mpi.hpp"
#include "chainrule/train/trainer.hpp"

using namespace chainrule;

namespace {

class arguments {
 public:
  arguments(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const std::string text = argv[i];
      const auto at = text.find('=');
      if (at == text.npos) throw std::invalid_argument("expected name=value, got " + text);
      values_[text.substr(0, at)] = text.substr(at + 1);
    }
  }
  [[nodiscard]] std::string text(const std::string& name, const std::string& usual = "") const {
    const auto at = values_.find(name);
    return at == values_.end() ? usual : at->second;
  }
  [[nodiscard]] int number(const std::string& name, int usual) const {
    const std::string t = text(name);
    return t.empty() ? usual : std::stoi(t);
  }

 private:
  std::map<std::string, std::string> values_;
};

[[nodiscard]] network<cpu> make_network(const cpu& be, const std::string& name) {
  if (name == "dense") return {be, {dense{784, 128, relu{}}, dense{128, 10}}};
  if (name == "wide")
    return {be, {dense{784, 256, relu{}}, dense{256, 128, relu{}}, dense{128, 10}}};
  if (name == "dropout") return {be, {dense{784, 128, relu{}}, dropout{0.3}, dense{128, 10}}};
  if (name == "small") return {be, {dense{784, 16, relu{}}, dropout{0.2}, dense{16, 10}}};
  if (name == "lenet")
    return {be,
            {input{28, 28, 1}, conv2d{4, 5, relu{}}, max_pool{2}, conv2d{6, 3, relu{}}, max_pool{2},
             flatten{}, dense{10}}};
  throw std::invalid_argument("there is no network " + name);
}

/// Fails after a step.
class failure final : public callback {
 public:
  failure(std::string how, std::string mark, int step, const trainer<cpu>& t)
      : how_(std::move(how)), mark_(std::move(mark)), step_(step), trainer_(&t) {}
  void on_batch_end(const batch_record&) override {
    if (trainer_->steps() != step_) return;
    if (!mark_.empty())
      if (std::FILE* const f = std::fopen(mark_.c_str(), "w")) std::fclose(f);
    if (how_ == "kill") std::raise(SIGKILL);
    if (how_ == "stop") std::raise(SIGSTOP);
    if (how_ == "term") std::raise(SIGTERM);
    if (how_ == "exit") std::exit(0);
    if (how_ == "throw") throw std::runtime_error("this rank was told to throw");
  }

 private:
  std::string how_, mark_;
  int step_;
  const trainer<cpu>* trainer_;
};

void train(const cpu& be, rank_group<cpu>* ranks, const arguments& a, const std::string& name) {
  const int rank = ranks == nullptr ? 0 : ranks->rank();
  const bool fails = rank == a.number("rank", 1);
  const std::string fault = fails ? a.text("fault") : "";
  const std::string file = a.text("file");
  const labelled_images images = synthetic_digits(a.number("samples", 57), fault == "data" ? 4 : 3);
  const dataset<cpu> data(be, images);
  network<cpu> net = make_network(be, name);
  net.initialize(fault == "parameters" ? 6 : 5);
  trainer<cpu> t{net, softmax_cross_entropy{}, chain(weight_decay{1e-4}, adam{0.01})};

  stop_on_interrupt interrupt;
  failure failing(fault, a.text("mark"), a.number("step", 3), t);
  fit_options<cpu> o{.batch = a.number("batch", 25),
                     .seed = fault == "options" ? 8U : 7U,
                     .validation = &data,
                     .callbacks = {&interrupt, &failing},
                     .micro_batches = a.number("micro", 4),
                     .ranks = ranks};
  std::optional<model_checkpoint> saving;
  if (!file.empty()) {
    if (std::FILE* const f = std::fopen(file.c_str(), "r")) {
      std::fclose(f);
      (void)load_training(t, file);
    }
    saving.emplace(t, model_checkpoint_options{.file = file});
    o.callbacks.push_back(&*saving);
  }
  o.epochs = a.number("epochs", 2) - static_cast<int>(t.epochs_done());
  const history h = t.fit(data, o);
  if (interrupt.happened()) std::fprintf(stderr, "rank %d was interrupted\n", rank);

  crc32_sum sum;
  const auto add = [&](const arena<cpu>& numbers) {
    const auto host = to_host(be, numbers.all());
    sum.add(std::as_bytes(std::span(host)));
  };
  add(std::as_const(net).parameters());
  for (const arena<cpu>& s : std::as_const(t.optimizer()).state()) add(s);
  // The losses of the epochs of this run.
  for (const epoch_record& r : h.epochs) {
    const double figures[] = {r.training.loss, r.validation.loss, r.validation.accuracy};
    if (file.empty()) sum.add(std::as_bytes(std::span(figures)));
  }
  std::printf("%s %08x after %d steps: %s\n", name.c_str(), static_cast<unsigned>(sum.value()),
              static_cast<int>(t.steps()), h.message.c_str());
  std::fflush(stdout);
}

void train_all(const cpu& be, rank_group<cpu>* ranks, const arguments& a) {
  std::string names = a.text("net", "small");
  for (std::size_t end = 0; !names.empty(); names.erase(0, end == names.npos ? end : end + 1)) {
    end = names.find(',');
    train(be, ranks, a, names.substr(0, end));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const arguments a(argc, argv);
  if (a.number("alone", 0) != 0) {
    train_all(cpu{1}, nullptr, a);
    return 0;
  }
  return run_ranks<cpu>(argc, argv,
                        [&](const cpu& be, rank_group<cpu>& ranks) { train_all(be, &ranks, a); },
                        {.patience = static_cast<double>(a.number("patience", 30))});
}
