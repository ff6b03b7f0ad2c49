/// \file
/// What it pays to train by several processes, under mpirun: see ranks.sh.
///
///     mpirun -n 2 build/benchmarks/ranks [--rounds N] [--nets ABC] [--json FILE]
///
/// Steps of the networks of shapes.hpp, one thread per rank, by one process and by 2, 4, ... ranks
/// in turns. Strong scaling: they share the network's batch. Weak scaling: each has 64 rows. The
/// efficiency is the time of one process over that of the ranks, which in strong scaling is
/// multiplied by their number; the share of the sum is the time that the first rank spends in
/// exchanges, where it also waits for the others. Medians over rounds.
///
/// Compiled by SimGrid's smpicxx with -DCHAINRULE_BENCHMARK_SIMULATE, it takes the exchanges of
/// steps of a network with batches of 64 rows a rank, and lets the rest of a step pass as time:
///
///     smpirun -np 64 ... ranks_simulated C SECONDS_OF_A_STEP

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/train/mpi.hpp"
#include "nets.hpp"

namespace {

using namespace chainrule;

constexpr int rows_of_rank = 64;  // of weak scaling

[[nodiscard]] const net_shape& shape_named(char name) {
  for (const net_shape* s : {&net_a, &net_b, &net_c, &net_d})
    if (s->name[0] == name) return *s;
  throw value_error(detail::concat("there are the nets A, B, C and D, got ", std::string(1, name)));
}

#ifdef CHAINRULE_BENCHMARK_SIMULATE

[[nodiscard]] index_t parameters_of(const net_shape& s) {
  index_t n = 0;
  for (std::size_t i = 0; i + 1 < s.extents.size(); ++i)
    n += static_cast<index_t>(s.extents[i] + 1) * s.extents[i + 1];
  return n;
}

/// A step as the step executor takes it. `seconds` is the time of a step by one process: additions
/// of what is received are taken to be as long as the part of the update that each rank saves.
void simulate(communicator& c, const net_shape& s, double seconds) {
  const cpu be(1);
  communicating_ranks<cpu> ranks(be, c);
  tensor<cpu> gradients(be, 1, parameters_of(s));
  tensor<cpu> log(be, 1, index_t{2} * rows_of_rank * c.size());  // loss and accuracy of a sample
  (void)ranks.any(false);
  const double begin = MPI_Wtime();
  smpi_execute_flops(seconds * 1e9);  // on a machine of 1e9 operations per second
  ranks.sum(be, log.view(), c.size());
  ranks.sum_piece(be, gradients.view(), c.size());
  ranks.gather_pieces(be, gradients.view());
  const double step = MPI_Wtime() - begin;
  if (c.rank() == 0)
    std::printf(
        "    {\"net\": \"%s\", \"ranks\": %d, \"seconds\": %.6g, \"efficiency\": %.4f, "
        "\"sum\": %.4f}\n",
        s.name, c.size(), step, seconds / step, 1 - seconds / step);
}

#else

[[nodiscard]] double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Measures the time of another communicator's exchanges in steps.
class timed_communicator final : public communicator {
 public:
  explicit timed_communicator(communicator& of) : of_(&of) {}

  [[nodiscard]] int rank() const override { return of_->rank(); }
  [[nodiscard]] int size() const override { return of_->size(); }
  void exchange(std::span<const std::span<const std::byte>> sends,
                std::span<const std::span<std::byte>> receives, const char* what) override {
    const double begin = MPI_Wtime();
    of_->exchange(sends, receives, what);
    // What fit compares before the first step is not part of the steps.
    if (std::string_view(what) != "the comparison of ranks") seconds_ += MPI_Wtime() - begin;
  }
  [[nodiscard]] std::int64_t maximum(std::int64_t mine, const char* what) override {
    const double begin = MPI_Wtime();
    const std::int64_t greatest = of_->maximum(mine, what);
    if (std::string_view(what) != "the comparison of ranks") seconds_ += MPI_Wtime() - begin;
    return greatest;
  }
  /// Seconds since the last call.
  [[nodiscard]] double take_seconds() { return std::exchange(seconds_, 0.0); }

 private:
  communicator* of_;
  double seconds_ = 0;
};

/// Waits for all ranks without work for the processor.
void wait_for_all() {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (int is_done = 0; is_done == 0;) {
    MPI_Test(&request, &is_done, MPI_STATUS_IGNORE);
    const timespec nap{0, 200'000};
    ::nanosleep(&nap, nullptr);
  }
}

/// Training by the first `ranks` processes of all; by one, without messages.
class contender {
 public:
  contender(const net_shape& s, int ranks, int batch, int parts, int steps, bool has_callback)
      : ranks_(ranks), batch_(batch), parts_(parts), steps_(steps), has_callback_(has_callback) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_split(MPI_COMM_WORLD, rank < ranks ? 0 : MPI_UNDEFINED, rank, &comm_);
    if (comm_ == MPI_COMM_NULL) return;
    const cpu be(1);
    if (ranks > 1) {
      messages_ = std::make_unique<mpi_communicator>(mpi_options{}, comm_);
      timed_ = std::make_unique<timed_communicator>(*messages_);
      group_ = std::make_unique<communicating_ranks<cpu>>(be, *timed_);
    }
    with_network(s, be, [&]<class Network, class Loss>(Network made, const Loss& loss) {
      struct all {
        Network net;
        labelled_images images;
        dataset<cpu> data;
        trainer<cpu> t;
        all(Network n, labelled_images of, const Loss& l, double rate)
            : net(std::move(n)),
              images(std::move(of)),
              data(net.backend(), images),
              t(net, l, sgd{rate}) {}
      };
      auto run = std::make_shared<all>(std::move(made), synthetic_digits(batch * steps, 1), loss,
                                       static_cast<double>(s.rate));
      fit_ = [run](const fit_options<cpu>& o) { return run->t.fit(run->data, o); };
    });
  }
  contender(const contender&) = delete;
  contender& operator=(const contender&) = delete;
  ~contender() {
    messages_.reset();  // before what it was made of
    if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
  }

  [[nodiscard]] int ranks() const { return ranks_; }
  [[nodiscard]] bool has_callback() const { return has_callback_; }

  /// Takes an epoch; all processes call it.
  void run(bool counts) {
    wait_for_all();
    if (comm_ != MPI_COMM_NULL) {
      callback nothing;
      fit_options<cpu> options{.epochs = 1,
                               .batch = batch_,
                               .seed = order_seed,
                               .micro_batches = parts_,
                               .ranks = group_.get()};
      if (has_callback_) options.callbacks.push_back(&nothing);
      const history h = fit_(options);
      const double exchanges = timed_ ? timed_->take_seconds() : 0;
      if (counts) {
        seconds.push_back(h.epochs[0].seconds / steps_);
        in_sum.push_back(exchanges / h.epochs[0].seconds);
      }
    }
    wait_for_all();
  }

  // Of each round: of a step, and the fraction of it in exchanges.
  std::vector<double> seconds, in_sum;

 private:
  int ranks_, batch_, parts_, steps_;
  bool has_callback_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::unique_ptr<mpi_communicator> messages_;
  std::unique_ptr<timed_communicator> timed_;
  std::unique_ptr<communicating_ranks<cpu>> group_;
  std::function<history(const fit_options<cpu>&)> fit_;
};

/// Measures one network; the first rank prints a table and adds to the results.
void measure(const net_shape& s, bool is_weak, int rounds, int rank, int size,
             std::string& results) {
  const int steps = std::max(10, 6400 / s.batch * (s.extents.size() > 3 ? 1 : 2));
  std::vector<std::unique_ptr<contender>> all;
  const auto add = [&](int ranks, bool has_callback) {
    all.push_back(std::make_unique<contender>(s, ranks, is_weak ? rows_of_rank * ranks : s.batch,
                                              is_weak ? ranks : size, steps, has_callback));
  };
  add(1, false);
  for (int ranks = 2; ranks <= size; ranks *= 2) add(ranks, false), add(ranks, true);
  for (int round = -1; round < rounds; ++round)  // the first one warms up
    for (const auto& c : all) c->run(round >= 0);
  if (rank != 0) return;
  for (const auto& c : all) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < c->seconds.size(); ++i)
      ratios.push_back(all[0]->seconds[i] / c->seconds[i] / (is_weak ? 1 : c->ranks()));
    const char* const scaling = is_weak ? "weak" : "strong";
    std::printf("%s  %-6s  %d rank%s  %8.3f ms a step  efficiency %3.0f %%  sum %3.0f %%%s\n",
                s.name, scaling, c->ranks(), c->ranks() == 1 ? " " : "s", 1e3 * median(c->seconds),
                100 * median(ratios), 100 * median(c->in_sum),
                c->has_callback() ? "  with a callback" : "");
    results += detail::concat(
        results.empty() ? "" : ",\n", "    {\"net\": \"", s.name, "\", \"scaling\": \"", scaling,
        "\", \"ranks\": ", c->ranks(), ", \"callback\": ", c->has_callback() ? "true" : "false",
        ", \"rounds\": ", c->seconds.size(), ", \"seconds\": ", median(c->seconds),
        ", \"efficiency\": ", median(ratios), ", \"sum\": ", median(c->in_sum), "}");
  }
  std::fflush(stdout);
}

#endif

}  // namespace

int main(int argc, char** argv) {
#ifdef CHAINRULE_BENCHMARK_SIMULATE
  return run_ranks(argc, argv,
                   [&](communicator& c) {
                     if (argc != 3) throw value_error("expected a net and the seconds of a step");
                     simulate(c, shape_named(argv[1][0]), std::atof(argv[2]));
                   },
                   {.patience = 0});  // simulated time passes in calls of MPI that block
#else
  return run_ranks(argc, argv, [&](communicator& c) {
    int rounds = 11;
    std::string nets = "ABC", file;
    for (int i = 1; i + 1 < argc; i += 2) {
      const std::string option = argv[i];
      if (option == "--rounds")
        rounds = std::max(1, std::atoi(argv[i + 1]));
      else if (option == "--nets")
        nets = argv[i + 1];
      else if (option == "--json")
        file = argv[i + 1];
      else
        throw value_error(detail::concat("there is no option ", option));
    }
    std::string results;
    for (const char name : nets)
      for (const bool is_weak : {false, true})
        measure(shape_named(name), is_weak, rounds, c.rank(), c.size(), results);
    if (c.rank() != 0 || file.empty()) return;
    std::FILE* const out = std::fopen(file.c_str(), "w");
    if (out == nullptr) throw io_error(detail::concat("cannot write ", file));
    std::fprintf(out, "%s\n", results.c_str());
    std::fclose(out);
  });
#endif
}
