/// \file
/// `batch_feed<B>`: the batches of an epoch, one after another, and the figures of their samples.
///
///     feed.begin(order, 64);
///     feed.load(data, {0, n});            // the next n samples: feed.inputs({0, n}), ...
///     ...                                 // writes feed.losses({0, n}), feed.correct({0, n})
///     feed.next(n);
///
/// Where the backend can count in its own memory (`has_device_counter`), nothing of this depends on
/// a value of the host's, so a step can be recorded once and replayed, unless the inputs are
/// streamed: those the host sends. Elsewhere the host counts, and parts of a batch may be loaded
/// one by one, also at the same time.
#ifndef CHAINRULE_TRAIN_BATCH_FEED_HPP
#define CHAINRULE_TRAIN_BATCH_FEED_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "chainrule/train/batch_loader.hpp"
#include "chainrule/train/batch_parts.hpp"
#include "chainrule/train/dataset.hpp"

namespace chainrule {

template <backend B>
class batch_feed {
 public:
  batch_feed() = default;
  /// For epochs over as many samples as `data` has, in batches of at most `capacity`.
  batch_feed(const B& be, const dataset<B>& data, index_t capacity)
      : be_(be),
        inputs_(be, capacity, data.features()),
        targets_(be, capacity, data.target_cols()),
        order_(be.template allocate<std::int32_t>(data.count())),
        figures_(be, 2, data.count()),
        loader_(be, data, capacity) {
    if constexpr (has_device_counter<B>) {
      batch_figures_ = tensor<B>(be, 2, capacity);
      be.map(fn::fill{0}, batch_figures_.view());  // `correct` is not always written
      count_ = std::make_unique<counter_t<B>>(be);
    }
  }

  /// Whether the buffers suit epochs over `data` in batches of at most `capacity`.
  [[nodiscard]] bool fits(const dataset<B>& data, index_t capacity) const {
    return inputs_.rows() == capacity && inputs_.cols() == data.features() &&
           targets_.cols() == data.target_cols() && figures_.cols() == data.count() &&
           loader_.suits(data);
  }

  /// Counts the passes from 0 again.
  void restart() {
    if constexpr (has_device_counter<B>) be_->restart(*count_);
  }

  /// Goes to the beginning of an epoch of that order, in batches of `size`. The order must live as
  /// long as the epoch.
  void begin(std::span<const std::int32_t> order, index_t size) {
    be_->upload(order_.view(), matrix_view<const std::int32_t>(order.data(), 1, figures_.cols()));
    host_order_ = order;
    size_ = size;
    first_ = 0;
    if constexpr (has_device_counter<B>) be_->set(*count_, 0);
  }

  /// Gathers these samples of the batch to come; where the backend counts, all of them.
  void load(const dataset<B>& data, row_range r) {
    // Only streamed inputs need the numbers on the host, and only of steps that are not recorded
    // does the host know the place.
    const auto numbers = data.is_resident()
                             ? std::span<const std::int32_t>{}
                             : host_order_.subspan(static_cast<std::size_t>(first_ + r.first),
                                                   static_cast<std::size_t>(r.count));
    if constexpr (has_device_counter<B>)
      loader_.load(data, typename B::counted_rows{order_.view(), *count_, size_}, numbers,
                   inputs(r), targets(r));
    else
      loader_.load(data, order_.view().block(0, first_ + r.first, 1, r.count), numbers, inputs(r),
                   targets(r));
  }
  [[nodiscard]] matrix<B> inputs(row_range r) {
    return inputs_.view().middle_rows(r.first, r.count);
  }
  [[nodiscard]] matrix<B> targets(row_range r) {
    return targets_.view().middle_rows(r.first, r.count);
  }

  /// Where the loss of each of these samples belongs, and whether its answer was correct: one
  /// column each.
  [[nodiscard]] matrix<B> losses(row_range r) { return figures_of_batch(0, r); }
  [[nodiscard]] matrix<B> correct(row_range r) { return figures_of_batch(1, r); }

  /// Keeps the figures of the n samples, and goes on to the next.
  void next(index_t n) {
    if constexpr (has_device_counter<B>) {
      be_->copy_at(figures_.view(), const_matrix<B>(batch_figures_.view()).block(0, 0, 2, n),
                   *count_, size_);
      be_->advance(*count_);
    }
    first_ += n;
  }

  /// The number of the batch, and of the passes since restart(), in the backend's memory.
  [[nodiscard]] const counter_t<B>& count() const { return *count_; }

  /// The losses of the first n samples of the epoch, and whether their answers were correct: 2 × n,
  /// on the host.
  [[nodiscard]] std::vector<scalar_t<B>> figures(index_t n) const {
    return to_host(*be_, figures_.view().block(0, 0, 2, n));
  }

 private:
  [[nodiscard]] matrix<B> figures_of_batch(index_t row, row_range r) {
    if constexpr (has_device_counter<B>)
      return {batch_figures_.view().block(row, r.first, 1, r.count).data(), r.count, 1};
    else
      return {figures_.view().block(row, first_ + r.first, 1, r.count).data(), r.count, 1};
  }

  std::optional<B> be_;         // none before there is data: making a backend would open its device
  tensor<B> inputs_, targets_;  // the batch
  typename B::template storage<std::int32_t> order_;
  tensor<B> figures_;        // of the epoch: losses, and 1 for a correct answer
  tensor<B> batch_figures_;  // of the batch, before they have a place in the epoch
  batch_loader<B> loader_;
  std::unique_ptr<counter_t<B>> count_;
  std::span<const std::int32_t> host_order_;
  index_t size_ = 0;
  index_t first_ = 0;  // the samples before this batch; steps that are replayed do not count them
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_BATCH_FEED_HPP
