/// \file
/// chainrule as a contender (contender.hpp). --extents-in-type: net T with its extents in its type.

#include <memory>

#include "../nets.hpp"
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

int run(const setting& s) {
  mnist_data data = load_mnist(s.data);
  data.train.classes = data.test.classes = s.net.extents.back();
  const cpu be{s.threads};
  std::unique_ptr<training> t;
  const auto use = [&]<class Network, class Loss>(Network net, const Loss& loss) {
    t = std::make_unique<training_of<Network, Loss>>(std::move(net), loss, s, data);
  };
  if (s.has("--extents-in-type"))
    use(network{be, dense<10, 3, fn::sigmoid>{}, dense<3, 2, fn::sigmoid>{}}, quadratic_cost{});
  else
    with_network(s.net, be, use);
  const std::string version = detail::concat(CHAINRULE_VERSION, ", ", be.instruction_set());
  return serve(
      version, [&](int epochs) { return t->train(epochs); }, "accuracy",
      [&] { return t->accuracy(); }, true);
}

}  // namespace

int main(int argc, char** argv) { return contend(argc, argv, run); }
