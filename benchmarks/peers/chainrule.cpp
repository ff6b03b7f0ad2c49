/// \file
/// chainrule as a contender (contender.hpp). --extents-in-type: net T as a static_network.

#include <memory>

#include "../nets.hpp"
#include "chainrule/train/static_trainer.hpp"
#include "contender.hpp"

namespace {

using namespace chainrule;

/// What trains a net, whatever its type.
struct training {
  virtual ~training() = default;
  virtual double train(int epochs) = 0;
  virtual double accuracy() = 0;
};

template <class Network, class Loss>
class training_of final : public training {
 public:
  training_of(Network made, const Loss& loss, const setting& s, const mnist_data& data)
      : net_(std::move(made)),
        images_(net_.backend(), data.train),
        unseen_(net_.backend(), data.test),
        trainer_(net_, loss, sgd{static_cast<double>(s.net.rate)}),
        batch_(s.net.batch) {}

  double train(int epochs) override {
    return trainer_.fit(images_, {.epochs = epochs, .batch = batch_, .seed = order_seed})
        .epochs.back()
        .training.loss;
  }
  double accuracy() override { return trainer_.evaluate(unseen_).accuracy; }

 private:
  Network net_;
  dataset<cpu> images_, unseen_;
  trainer<cpu> trainer_;
  index_t batch_;
};

/// Net T with its extents in its type, and the loop over epochs that a program writes for it.
class static_training final : public training {
 public:
  static_training(const setting& s, const mnist_data& data)
      : train_(data.train),
        unseen_(data.test),
        sampler_(train_.count, order_seed),
        order_(static_cast<std::size_t>(train_.count)),
        trainer_(net_, quadratic_cost{}, sgd{static_cast<double>(s.net.rate)}),
        batch_(static_cast<std::size_t>(s.net.batch)) {
    net_.initialize(0);
  }

  double train(int epochs) override {
    double loss = 0;
    for (int i = 0; i < epochs; ++i) {
      sampler_.shuffle(epoch_++, order_);
      loss = 0;
      for (std::size_t first = 0; first < order_.size(); first += batch_) {
        const std::size_t count = std::min(batch_, order_.size() - first);
        loss += static_cast<double>(count) * trainer_.step(train_.inputs(), train_.labels(),
                                                           std::span(order_).subspan(first, count));
      }
    }
    return loss / static_cast<double>(order_.size());
  }
  double accuracy() override {
    std::vector<float> y(static_cast<std::size_t>(2 * unseen_.count));
    net_.predict(unseen_.inputs(), matrix_view<float>(y.data(), unseen_.count, 2));
    index_t right = 0;
    for (std::size_t i = 0; i < y.size() / 2; ++i)
      right += (y[2 * i + 1] > y[2 * i] ? 1.0F : 0.0F) == unseen_.classes[i];
    return static_cast<double>(right) / static_cast<double>(unseen_.count);
  }

 private:
  struct numbers {
    explicit numbers(const labelled_images& from)
        : count(static_cast<index_t>(from.labels.size())),
          classes(from.labels.begin(), from.labels.end()) {
      for (const std::uint8_t p : from.pixels) values.push_back(static_cast<float>(p) / 255.0F);
    }
    [[nodiscard]] matrix_view<const float> inputs() const { return {values.data(), count, 10}; }
    [[nodiscard]] matrix_view<const float> labels() const { return {classes.data(), count, 1}; }
    index_t count;
    std::vector<float> values, classes;
  };

  static_network<float, dense<10, 3, fn::sigmoid>, dense<3, 2, fn::sigmoid>> net_;
  numbers train_, unseen_;
  sampler sampler_;
  std::vector<std::int32_t> order_;
  static_trainer<decltype(net_), quadratic_cost, chained<sgd>> trainer_;
  std::size_t batch_;
  std::uint64_t epoch_ = 0;
};

int run(const setting& s) {
  mnist_data data = load_mnist(s.data);
  data.train.classes = data.test.classes = s.net.extents.back();
  const cpu be{s.threads};
  std::unique_ptr<training> t;
  const auto use = [&]<class Network, class Loss>(Network net, const Loss& loss) {
    t = std::make_unique<training_of<Network, Loss>>(std::move(net), loss, s, data);
  };
  if (s.has("--extents-in-type"))
    t = std::make_unique<static_training>(s, data);
  else
    with_network(s.net, be, use);
  const std::string version = detail::concat(CHAINRULE_VERSION, ", ", be.instruction_set());
  return serve(
      version, [&](int epochs) { return t->train(epochs); }, "accuracy",
      [&] { return t->accuracy(); }, true);
}

}  // namespace

int main(int argc, char** argv) { return contend(argc, argv, run); }
