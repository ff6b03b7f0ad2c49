/// \file
/// `epoch_contest`: backends train the same net on the same batches, and must learn the same.
#ifndef CHAINRULE_BENCHMARKS_EPOCH_HPP
#define CHAINRULE_BENCHMARKS_EPOCH_HPP

#include <cmath>
#include <memory>

#include "contest.hpp"
#include "nets.hpp"

/// What the epochs of one contender came to.
struct progress {
  std::string name;
  double first_loss = 0;  // of the first epoch
  double loss = 0;        // of the last
  double accuracy = 0;
  int epochs = 0;

  void record(double l, double a) {
    if (epochs++ == 0) first_loss = l;
    loss = l;
    accuracy = a;
  }
};

/// The contest of one net, with all that its contenders need. The first is what the others are
/// compared with.
class epoch_contest {
 public:
  /// `images` must outlive the contest.
  epoch_contest(const net_shape& s, const chainrule::labelled_images& images,
                const std::string& prefix = "epoch/")
      : shape_(s), images_(images), contest_(prefix + s.name) {}
  epoch_contest(const epoch_contest&) = delete;
  epoch_contest& operator=(const epoch_contest&) = delete;

  contest& contenders() { return contest_; }

  /// Prints what was learned; false if something is wrong.
  [[nodiscard]] bool check() const {
    bool fine = true;
    for (const auto& p : progress_) {
      if (p->epochs == 0) continue;
      // Rounding differs, and training amplifies it: the first epoch's mean is still close.
      const double difference = std::abs(p->first_loss / progress_[0]->first_loss - 1);
      // Ten bits' parity takes thousands of epochs: there the loss must fall, no more.
      const bool images = shape_.extents[0] == 784;
      const bool learned = p->loss < p->first_loss && (!images || p->accuracy >= 0.75);
      const bool agrees = difference < 0.01;
      std::printf("%s  %-20s %2d epochs: loss %.5f, then %.5f, training accuracy %.4f%s%s\n",
                  shape_.name, p->name.c_str(), p->epochs, p->first_loss, p->loss, p->accuracy,
                  learned ? "" : "  DID NOT LEARN", agrees ? "" : "  DIFFERS FROM THE FIRST");
      fine = fine && learned && agrees;
    }
    return fine;
  }

  void add_chainrule(int threads) {
    using chainrule::detail::concat;
    add_chainrule(chainrule::cpu{threads},
                  concat("chainrule, ", threads, threads == 1 ? " thread" : " threads"));
  }

  template <class B>
  void add_chainrule(const B& be, const std::string& name) {
    with_network(shape_, be, [&]<class Network, class Loss>(Network made, const Loss& loss) {
      using namespace chainrule;
      struct all {
        Network net;
        dataset<B> data;
        trainer<B> t;
        all(Network n, const labelled_images& images, const Loss& l, float rate)
            : net(std::move(n)),
              data(net.backend(), images),
              t(net, l, sgd{static_cast<double>(rate)}) {}
      };
      progress* p = new_progress(name);
      auto run = std::make_shared<all>(std::move(made), images_, loss, shape_.rate);
      contest_.add(name, [this, run, p] {
        const history h =
            run->t.fit(run->data, {.epochs = 1, .batch = shape_.batch, .seed = order_seed});
        p->record(h.epochs[0].training.loss, h.epochs[0].training.accuracy);
      });
    });
  }

 private:
  progress* new_progress(const std::string& name) {
    progress_.push_back(std::make_unique<progress>());
    progress_.back()->name = name;
    return progress_.back().get();
  }

  net_shape shape_;
  const chainrule::labelled_images& images_;
  contest contest_;
  std::vector<std::unique_ptr<progress>> progress_;
};

#endif  // CHAINRULE_BENCHMARKS_EPOCH_HPP
