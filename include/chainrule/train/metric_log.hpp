/// \file
/// `metric_log<B>`: the loss and the metrics of each sample of an epoch, in the backend's memory.
#ifndef CHAINRULE_TRAIN_METRIC_LOG_HPP
#define CHAINRULE_TRAIN_METRIC_LOG_HPP

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/metrics/metric.hpp"
#include "chainrule/train/data_loader.hpp"

namespace chainrule {

template <backend B>
class metric_log {
 public:
  metric_log() = default;
  /// For epochs of `samples`. With `batch`, the numbers of a batch of at most so many samples are
  /// first written side by side and then copied by `place`, at a place that the backend counts.
  [[gnu::noinline]] metric_log(const B& be, const detail::plain_vector<any_metric<B>>& metrics,
                               index_t samples, index_t batch = 0)
      : be_(be), metrics_(metrics), samples_(samples), batch_capacity_(batch) {
    first_column_.push_back(0);
    first_column_.push_back(1);  // the loss has one
    for (const any_metric<B>& m : metrics_) {
      if (m.is_accuracy()) accuracy_ = first_column_.size() - 1;
      first_column_.push_back(first_column_.back() + m.columns());
    }
    const index_t columns = first_column_.back();
    all_ = tensor<B>(be, 1, detail::elements_of(samples, columns));
    if (batch > 0) batch_ = tensor<B>(be, 1, detail::elements_of(batch, columns));
  }

  /// Where the losses of rows r of the batch that begins at sample `first` are assigned: n × 1.
  [[nodiscard]] matrix<B> losses(index_t first, row_range r) { return section(0, first, r); }
  /// Where the accuracy of these rows is assigned, n × 1; empty if it is not measured.
  [[nodiscard]] matrix<B> hits(index_t first, row_range r) {
    return has_accuracy() ? section(accuracy_, first, r) : matrix<B>{};
  }
  /// Whether the accuracy is measured.
  [[nodiscard]] bool has_accuracy() const { return accuracy_ > 0; }
  /// Whether there is nothing but the loss and, if it is measured, the accuracy.
  [[nodiscard]] bool is_basic() const { return metrics_.size() == (has_accuracy() ? 1U : 0U); }
  /// Where the numbers of these rows of the epoch's first batch belong: the losses for i = 0, else
  /// those of metric i - 1.
  [[nodiscard]] matrix<B> placed(std::size_t i, row_range r) {
    return {all_.view().data() + (first_column_[i] * samples_ + r.first * columns(i)), r.count,
            columns(i)};
  }
  /// Assigns the metrics of these rows, but for the accuracy if that was done.
  void measure(index_t first, row_range r, const metric_input<B>& in, bool has_accuracy = false) {
    for (std::size_t i = 0; i < metrics_.size(); ++i)
      if (!has_accuracy || i + 1 != accuracy_) metrics_[i](*be_, in, section(i + 1, first, r));
  }
  /// Copies the numbers of a batch of n samples to their place among those of all samples: the
  /// backend's counter times the samples of a full batch. The host takes no part in it.
  template <class Counter>
  void place(const Counter& count, index_t n, index_t full_batch) {
    const auto sections = static_cast<index_t>(metrics_.size()) + 1;
    if (first_column_.back() == sections)  // of one column each
      return be_->copy_at(matrix<B>(all_.view().data(), sections, samples_),
                          const_matrix<B>(batch_.view().data(), sections, n, batch_capacity_),
                          count, full_batch);
    for_each_section(n, [&](matrix<B> to, const_matrix<B> from, index_t k) {
      be_->copy_at(to, from, count, k * full_batch);
    });
  }
  /// Copies the numbers of a batch of n samples, which begins at sample `first`, to their place.
  void place_at(index_t first, index_t n) {
    for_each_section(n, [&](matrix<B> to, const_matrix<B> from, index_t k) {
      be_->copy(to.block(0, k * first, 1, from.cols()), from);
    });
  }
  /// The numbers of a batch, or of all samples without one, as one row.
  [[nodiscard]] matrix<B> row() { return batch_capacity_ > 0 ? batch_.view() : all_.view(); }

  /// Loss and metrics of samples [first, first + count) of the epoch: means, added up in double.
  /// Reads the backend's memory.
  [[nodiscard]] metrics measured(index_t first, index_t count) const {
    metrics m;
    if (count == 0) return m;
    std::vector<scalar_t<B>> host;  // all of it at once where all of it is needed
    if (count == samples_) host = to_host(*be_, const_matrix<B>(all_.view()));
    for (std::size_t i = 0; i < metrics_.size() + 1; ++i) {
      const index_t k = columns(i);
      index_t from = first_column_[i] * samples_;
      if (count != samples_) {
        host = to_host(*be_, const_matrix<B>(all_.view()).block(0, from + first * k, 1, count * k));
        from = 0;
      }
      detail::plain_vector<double> means(static_cast<std::size_t>(k));
      for (index_t c = 0; c < k; ++c) {
        double sum = 0;
        for (index_t e = c; e < count * k; e += k)
          sum += static_cast<double>(host[static_cast<std::size_t>(from + e)]);
        means[static_cast<std::size_t>(c)] = sum / static_cast<double>(count);
      }
      if (i == 0) {
        m.loss = means.front();
        continue;
      }
      const any_metric<B>& metric = metrics_[i - 1];
      m.values.push_back(
          {metric.name(), metric.result({means.data(), means.size()}), metric.lower_is_better()});
      if (metric.name() == accuracy::name) m.accuracy = m.values.back().value;
    }
    return m;
  }

  /// The mean loss of samples [first, first + count) of the epoch, with the bits of measured().
  /// Reads the backend's memory and allocates nothing.
  [[nodiscard]] double mean_loss(index_t first, index_t count) const {
    std::array<scalar_t<B>, 512> host;
    const const_matrix<B> all = all_.view();
    double sum = 0;
    for (index_t i = 0; i < count;) {
      const index_t n = std::min(count - i, static_cast<index_t>(host.size()));
      be_->download(matrix_view<scalar_t<B>>(host.data(), 1, n), all.block(0, first + i, 1, n));
      be_->synchronize();
      for (const scalar_t<B> x : std::span(host.data(), static_cast<std::size_t>(n)))
        sum += static_cast<double>(x);
      i += n;
    }
    return sum / static_cast<double>(count);
  }

 private:
  [[nodiscard]] index_t columns(std::size_t i) const {
    return first_column_[i + 1] - first_column_[i];
  }
  /// f(numbers of all samples, those of a batch of n, numbers of a sample) for the loss and each
  /// metric; both as rows.
  template <class F>
  void for_each_section(index_t n, const F& f) {
    for (std::size_t i = 0; i < metrics_.size() + 1; ++i) {
      const index_t k = columns(i);
      f(all_.view().block(0, first_column_[i] * samples_, 1, k * samples_),
        const_matrix<B>(batch_.view()).block(0, first_column_[i] * batch_capacity_, 1, k * n), k);
    }
  }
  [[nodiscard, gnu::noinline]] matrix<B> section(std::size_t i, index_t first, row_range r) {
    const index_t k = columns(i);
    const bool by_batch = batch_capacity_ > 0;
    const index_t row = by_batch ? r.first : first + r.first;
    const index_t begin = first_column_[i] * (by_batch ? batch_capacity_ : samples_);
    tensor<B>& in = by_batch ? batch_ : all_;
    return {in.view().block(0, begin + row * k, 1, r.count * k).data(), r.count, k};
  }

  detail::maybe<B> be_;  // none before there is data: making a backend would open its device
  detail::plain_vector<any_metric<B>> metrics_;
  std::size_t accuracy_ = 0;  // the section of the accuracy, 0 without one
  index_t samples_ = 0;
  index_t batch_capacity_ = 0;
  // The first columns of the loss and of each metric, and the number of columns.
  detail::plain_vector<index_t> first_column_;
  tensor<B> all_;    // the columns of the loss for all samples, those of a metric
  tensor<B> batch_;  // as all_, for the samples of a batch
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_METRIC_LOG_HPP
