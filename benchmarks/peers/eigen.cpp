/// \file
/// A loop in plain Eigen as a contender (contender.hpp): plain_eigen.hpp, or for net T and
/// --extents-in-type fixed_eigen.hpp. Its threads are Eigen's, which divide each product.

#include <memory>

#include "../fixed_eigen.hpp"
#include "../nets.hpp"
#include "../plain_eigen.hpp"
#include "contender.hpp"

namespace {

/// The net with the first weights of the library's: in x out by rows are out x in by columns.
plain_eigen first_net(const net_shape& s) {
  plain_eigen net(s.extents, s.hidden, s.loss, s.batch, s.rate);
  with_network(s, chainrule::cpu{1}, [&](const auto& made, const auto&) {
    for (std::size_t i = 0; i < net.layers().size(); ++i) {
      auto& l = net.layers()[i];
      const auto values = made.values(chainrule::detail::concat(i, ".weight"));
      l.w = Eigen::Map<const Eigen::MatrixXf>(values.data(), l.w.rows(), l.w.cols());
    }
  });
  return net;
}

template <class Net>
int train_and_serve(const setting& s, Net& net) {
  const samples images = read_samples(s.data, "train");
  const samples unseen = read_samples(s.data, "t10k");
  const chainrule::sampler sampler(images.count, order_seed);
  std::vector<std::int32_t> order(static_cast<std::size_t>(images.count));
  std::uint64_t epoch = 0;
  using chainrule::detail::concat;
  return serve(
      concat(EIGEN_WORLD_VERSION, ".", EIGEN_MAJOR_VERSION, ".", EIGEN_MINOR_VERSION, ", ",
             Eigen::SimdInstructionSetsInUse()),
      [&](int epochs) {
        for (int i = 0; i < epochs; ++i) {
          sampler.shuffle(epoch++, order);
          net.epoch(images.pixels, images.labels, order);
        }
        return net.loss();
      },
      "accuracy", [&] { return net.accuracy_on(unseen.pixels, unseen.labels); }, true);
}

int run(const setting& s) {
  Eigen::setNbThreads(s.threads);
  plain_eigen net = first_net(s.net);
  if (!s.has("--extents-in-type")) return train_and_serve(s, net);
  fixed_eigen fixed(net.layers()[0].w, net.layers()[1].w, s.net.rate);
  return train_and_serve(s, fixed);
}

}  // namespace

int main(int argc, char** argv) { return contend(argc, argv, run); }
