/// \file
/// dlib's networks as a contender (contender.hpp): batches are gathered straight into its tensor,
/// and its loop, solver and losses do the rest. Its threads are those of the BLAS that it uses.

#include <dlib/dnn.h>
#include <dlib/revision.h>

#include <functional>

#include "contender.hpp"

namespace {

using image = dlib::matrix<unsigned char>;
using input = dlib::input<image>;
using net_a_type =
    dlib::loss_mean_squared_multioutput<dlib::sig<dlib::fc<10, dlib::sig<dlib::fc<32, input>>>>>;
using net_b_type = dlib::loss_multiclass_log<dlib::fc<10, dlib::relu<dlib::fc<128, input>>>>;
using net_c_type = dlib::loss_multiclass_log<
    dlib::fc<10, dlib::relu<dlib::fc<512, dlib::relu<dlib::fc<512, input>>>>>>;
using net_d_type = dlib::loss_multiclass_log<
    dlib::fc<10, dlib::relu<dlib::fc<2048, dlib::relu<dlib::fc<2048, input>>>>>>;

template <class Net>
int train(const setting& s) {
  constexpr bool classes = std::is_same_v<typename Net::training_label_type, unsigned long>;
  const samples images = read_samples(s.data, "train");
  const samples unseen = read_samples(s.data, "t10k");
  Net net;
  std::vector<dlib::sgd> solvers(Net::num_computational_layers, dlib::sgd(0, 0));
  epoch_orders orders(images.count);
  std::vector<typename Net::training_label_type> labels;
  dlib::resizable_tensor x;
  // It wants to have made a tensor itself before it takes any.
  const image blank = dlib::zeros_matrix<unsigned char>(1, images.features);
  net.to_tensor(&blank, &blank + 1, x);

  const auto gather = [&](const samples& from, const std::int32_t* order, int n) {
    x.set_size(n, 1, 1, from.features);
    float* to = x.host_write_only();
    labels.clear();
    for (int j = 0; j < n; ++j) {
      from.convert(order[j], to + static_cast<std::ptrdiff_t>(j) * from.features);
      const auto label = from.labels[static_cast<std::size_t>(order[j])];
      if constexpr (classes) {
        labels.push_back(label);
      } else {
        typename Net::training_label_type t(10, 1);
        t = 0;
        t(label) = 1;
        labels.push_back(t);
      }
    }
  };

  return serve(
      std::to_string(DLIB_MAJOR_VERSION) + "." + std::to_string(DLIB_MINOR_VERSION),
      [&](int epochs) {
        double loss = 0;
        for (int e = 0; e < epochs; ++e) {
          const auto& order = orders.next();
          loss = 0;
          for (int first = 0; first < images.count; first += s.net.batch) {
            const int n = std::min(s.net.batch, images.count - first);
            gather(images, order.data() + first, n);
            loss += n * net.compute_parameter_gradients(x, labels.begin());
            net.update_parameters(solvers, static_cast<double>(s.net.rate));
          }
          loss /= images.count;
        }
        return loss;
      },
      "accuracy",
      [&] {
        std::vector<std::int32_t> order(static_cast<std::size_t>(unseen.count));
        for (int i = 0; i < unseen.count; ++i) order[static_cast<std::size_t>(i)] = i;
        gather(unseen, order.data(), unseen.count);
        const dlib::tensor& y = net.subnet().forward(x);
        const float* row = y.host();
        int right = 0;
        for (int i = 0; i < unseen.count; ++i, row += 10)
          right +=
              std::max_element(row, row + 10) - row == unseen.labels[static_cast<std::size_t>(i)];
        return static_cast<double>(right) / unseen.count;
      });
}

int run(const setting& s) {
  if (s.net_name == "A") return train<net_a_type>(s);
  if (s.net_name == "B") return train<net_b_type>(s);
  if (s.net_name == "C") return train<net_c_type>(s);
  if (s.net_name == "D") return train<net_d_type>(s);
  throw std::runtime_error("there is no net " + s.net_name + " for dlib");
}

}  // namespace

int main(int argc, char** argv) { return contend(argc, argv, run); }
