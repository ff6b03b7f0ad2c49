/// \file
/// `gradient_statistics`: how large gradients and updates are, parameter by parameter.
///
///     gradient_statistics show{t};                       // prints a table after each epoch
///     t.fit(train, {.callbacks = {&show}});
///     for (const parameter_statistics& p : show.parameters()) std::printf("%g\n", p.norm);
///
/// See also network/gradient_norms.hpp (of layers), network/dead_units.hpp.
#ifndef CHAINRULE_TRAIN_GRADIENT_STATISTICS_HPP
#define CHAINRULE_TRAIN_GRADIENT_STATISTICS_HPP

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/core/text.hpp"
#include "chainrule/network/dead_units.hpp"
#include "chainrule/network/gradient_norms.hpp"
#include "chainrule/train/trainer.hpp"

namespace chainrule {

/// The gradient of one parameter, and the last update of its values.
struct parameter_statistics {
  std::string name;  // "0.weight"
  /// Number of elements of the parameter.
  index_t elements = 0;
  double norm = 0;     // Euclidean
  double mean = 0;     // of the elements
  double largest = 0;  // absolute value
  double zeros = 0;    // the share of elements that are 0
  /// The norm of the update over that of the values before it; infinite or NaN where the values
  /// were 0, NaN where the update was not observed.
  double update_ratio = std::numeric_limits<double>::quiet_NaN();
};

/// Statistics of `gradients`, without the update ratio. Waits for the backend. Throws shape_error
/// if `gradients` is not of this network.
template <backend B>
[[nodiscard]] std::vector<parameter_statistics> measure_gradients(const network<B>& net,
                                                                  const arena<B>& gradients) {
  net.require_gradients(gradients);
  const B& be = net.backend();
  const auto& list = net.parameter_list();
  std::vector<parameter_statistics> lines;
  if (list.empty()) return lines;
  const std::vector<detail::magnitude> sizes = detail::magnitudes(net, gradients);
  tensor<B> sums(be, 2, static_cast<index_t>(list.size()));  // of the elements, of their zeros
  for (std::size_t i = 0; i < list.size(); ++i) {
    const const_matrix<B> g = gradients[list[i].place];
    const auto out = [&](index_t row) {
      return sums.view().block(row, static_cast<index_t>(i), 1, 1);
    };
    be.reduce(reduction::sum{}, out(0), fn::identity{}, g);
    be.reduce(reduction::sum{}, out(1), detail::is_zero{}, g);
  }
  const std::vector<scalar_t<B>> host = to_host(be, const_matrix<B>(sums.view()));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const index_t elements = list[i].place.rows * list[i].place.cols;
    const auto n = static_cast<double>(elements);
    lines.push_back({list[i].name, elements, sizes[i].norm, static_cast<double>(host[i]) / n,
                     sizes[i].largest, static_cast<double>(host[list.size() + i]) / n});
  }
  return lines;
}

/// A table with a line per parameter.
[[nodiscard]] inline std::string to_string(const std::vector<parameter_statistics>& lines) {
  std::size_t widest = 9;
  for (const parameter_statistics& p : lines) widest = std::max(widest, p.name.size());
  std::string table = detail::padded_right("gradients", widest) +
                      "        norm        mean     largest   zeros  update/value\n";
  for (const parameter_statistics& p : lines)
    table += detail::padded_right(p.name, widest) +
             detail::format("  %10.3g  %10.3g  %10.3g  %5.1f%%  %12.3g\n", p.norm, p.mean,
                            p.largest, 100 * p.zeros, p.update_ratio);
  return table;
}

/// Measures the gradients of the last batch of each epoch, as the loss gave them to the optimizer,
/// and its update. Keeps a copy of the parameters in the backend's memory, made at the beginning of
/// an epoch and before its last step; measures, with a few reductions per parameter, at the end.
/// What other callbacks do to the parameters counts as part of the update. An epoch that is stopped
/// early may have no update ratio.
template <backend B>
class gradient_statistics final : public callback {
 public:
  /// `t` must outlive the callback. Tables are written to `out` unless it is null.
  explicit gradient_statistics(const trainer<B>& t, std::FILE* out = stdout)
      : trainer_(&t), before_(t.net().backend(), t.net().parameters().plan()), out_(out) {}

  /// The statistics of the last epoch.
  [[nodiscard]] const std::vector<parameter_statistics>& parameters() const { return lines_; }

  [[nodiscard]] bool is_for_first_rank() const override { return true; }
  void on_epoch_begin(int) override { copy_parameters(); }
  void on_batch_end(const batch_record& r) override {
    // The last batch may be a short one, or be merged with one.
    const index_t left = r.samples - r.samples_done;
    if (left > 0 && left < 2 * r.size) copy_parameters();
  }
  void on_epoch_end(const epoch_record&) override {
    const network<B>& net = trainer_->net();
    lines_ = measure_gradients(net, trainer_->gradients());
    if (trainer_->steps() == step_ + 1 && !lines_.empty()) {
      const std::vector<detail::magnitude> values = detail::magnitudes(net, before_);
      net.backend().map(fn::minus{}, before_.all(), net.parameters().all(),
                        const_matrix<B>(before_.all()));
      const std::vector<detail::magnitude> updates = detail::magnitudes(net, before_);
      for (std::size_t i = 0; i < lines_.size(); ++i)
        lines_[i].update_ratio = updates[i].norm / values[i].norm;
    }
    if (out_ == nullptr) return;
    std::fputs(to_string(lines_).c_str(), out_);
    std::fflush(out_);
  }

 private:
  void copy_parameters() {
    const network<B>& net = trainer_->net();
    if (before_.all().empty()) return;
    net.backend().copy(before_.all(), net.parameters().all());
    step_ = trainer_->steps();
  }

  const trainer<B>* trainer_;
  arena<B> before_;  // the parameters after step_ updates
  std::int64_t step_ = 0;
  std::FILE* out_;
  std::vector<parameter_statistics> lines_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_GRADIENT_STATISTICS_HPP
