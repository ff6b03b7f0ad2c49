/// \file
/// `data_loader<B>`: the batches of an epoch, one after another, in the backend's memory.
///
///     data_loader<cpu> loader(be, train, {.batch = 64, .seed = 7});
///     for (std::uint64_t epoch = 0; epoch < 10; ++epoch)
///       for (loader.begin_epoch(epoch); loader.next();) {
///         loader.load();
///         ...                          // loader.inputs(), loader.targets(): loader.size() rows
///       }
///
/// Each epoch sees every sample exactly once, in an order that seed and epoch determine. Inputs in
/// the backend's memory are gathered there; those that are streamed or augmented are gathered by
/// the host and sent, while the backend computes. The data set must outlive its use.
#ifndef CHAINRULE_TRAIN_DATA_LOADER_HPP
#define CHAINRULE_TRAIN_DATA_LOADER_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/data/sampler.hpp"
#include "chainrule/layers/pass.hpp"
#include "chainrule/train/dataset.hpp"

namespace chainrule {

/// Rows of a batch.
struct row_range {
  /// First row, from 0 on.
  index_t first = 0;
  index_t count = 0;
};

/// Supplies a custom sample order for each epoch. See also train/balanced_order.hpp.
class epoch_order {
 public:
  epoch_order() = default;
  epoch_order(const epoch_order&) = delete;
  epoch_order& operator=(const epoch_order&) = delete;
  virtual ~epoch_order() = default;

  /// The order of the next epoch: assigns each of 0, ..., order.size() - 1 exactly once.
  virtual void draw(std::span<std::int32_t> order) = 0;
  /// Whether an order may name some samples more than once, and others not at all.
  [[nodiscard]] virtual bool may_repeat() const { return false; }
};

struct loader_options {
  index_t batch = 64;
  std::uint64_t seed = 0;         // of the orders
  bool shuffle = true;            // off: samples come in their own order
  bool merge_last_batch = false;  // samples that fill no batch join the last full one
  epoch_order* order = nullptr;   // draws the orders in the seed's place
  augmentation augment{};         // of images; drawn by the seed
};

namespace detail {

/// Assigns an order that a user's code draws. Throws value_error unless it names each sample
/// exactly once, or names samples if it may repeat them.
inline void draw_order(epoch_order& from, std::span<std::int32_t> order) {
  plain_vector<bool> seen(order.size());
  from.draw(order);
  for (const std::int32_t sample : order) {
    if (sample < 0 || static_cast<std::size_t>(sample) >= order.size())
      detail::fail<value_error>("the order of an epoch names sample ", sample, ", expected 0 to ",
                                order.size() - 1);
    if (seen[static_cast<std::size_t>(sample)] && !from.may_repeat())
      detail::fail<value_error>("the order of an epoch names sample ", sample,
                                " twice; it must name each exactly once");
    seen[static_cast<std::size_t>(sample)] = true;
  }
}

/// Makes `t` a tensor of rows × cols unless it is one. What it held is freed first, since there may
/// not be memory for both.
template <backend B>
void require_size(const B& be, tensor<B>& t, index_t rows, index_t cols) {
  if (t.rows() == rows && t.cols() == cols) return;
  t = {};
  t = tensor<B>(be, rows, cols);
}

}  // namespace detail

template <backend B>
class data_loader {
  using indices_view = typename B::template view<std::int32_t>;
  using order_t = detail::plain_vector<std::int32_t>;

 public:
  /// A loader without data; `reset` gives it some.
  explicit data_loader(const B& be) : be_(be) {}
  data_loader(data_loader&&) noexcept = default;
  data_loader& operator=(data_loader&&) noexcept = default;
  // Not inlined, and with a body, since g++ warns of it without.
  [[gnu::noinline]] ~data_loader() {}  // NOLINT
  /// A loader of this data, which must outlive it. Throws as `reset` does.
  data_loader(const B& be, const dataset<B>& data, const loader_options& options) : be_(be) {
    reset(data, options);
  }

  /// Takes other data or options, for an epoch that is begun at sample number `done` and for whole
  /// ones. Buffers that fit are kept. Throws value_error if the batch is below 1 or the data cannot
  /// be augmented as the options say, out_of_memory.
  [[gnu::noinline]] void reset(const dataset<B>& data, const loader_options& options,
                               index_t done = 0) {
    if (options.batch < 1)
      detail::fail<value_error>("batches need at least 1 sample, got ", options.batch);
    detail::image_augmenter augmenter;
    if (!options.augment.is_none())
      augmenter =
          options.augment.code()().augmenter(options.augment, data.sample_shape(), options.seed);
    if (!augmenter.is_none() && (data.has_indices() || !data.is_on_host()))
      detail::fail<value_error>(
          data.has_indices()
              ? "augmentation changes images, the inputs of this data set are indices"
              : "augmentation is done by the host, the inputs of this data set lie "
                "in the memory of "
                "the device; make it with {.inputs = residence::streamed}");
    data_ = nullptr;
    options_ = options;
    augmenter_ = augmenter;
    if (options_.batch > data.count()) options_.batch = std::max<index_t>(data.count(), 1);
    const index_t most =
        options_.batch + std::max(merged_in(data.count()), merged_in(data.count() - done));
    const index_t features = data.features();
    if (capacity_ != most || features_ != features) host_batches_ = {};
    detail::require_size(be_, inputs_, most, data.has_indices() ? 0 : features);
    if (const index_t size = data.has_indices() ? detail::elements_of(most, features) : 0;
        indices_.size() != size) {
      indices_ = {};
      if (size > 0) indices_ = be_.template allocate<std::int32_t>(size);
    }
    capacity_ = most;
    features_ = features;
    detail::require_size(be_, targets_, most, data.target_cols());
    if (data.is_weighted()) detail::require_size(be_, weights_, most, 1);
    if (static_cast<index_t>(host_order_.size()) != data.count()) {
      order_ = {};
      host_order_ = detail::host_vector<std::int32_t, order_t>(data.count());
      order_ = be_.template allocate<std::int32_t>(data.count());
    }
    const bool is_prepared_by_host = !data.is_resident() || !augmenter_.is_none();
    const auto maker = data.maker_of_host_batches();
    if (is_prepared_by_host && !(host_batches_ && maker == maker_)) {
      host_batches_ = maker(be_, most, features);
      maker_ = maker;
    }
    data_ = &data;
    samples_ = first_ = size_ = 0;
  }

  /// The samples of a full batch.
  [[nodiscard]] index_t batch() const { return options_.batch; }
  /// The samples of the largest batch.
  [[nodiscard]] index_t capacity() const { return capacity_; }
  /// The batches of an epoch over `samples`.
  [[nodiscard]] index_t batches(index_t samples) const {
    return batch_range(samples - merged_in(samples), options_.batch).size();
  }

  /// Goes to the beginning of an epoch, or to sample number `done` of it. Throws value_error if a
  /// user's order is not one.
  void begin_epoch(std::uint64_t epoch, index_t done = 0) {
    if (done < 0 || done > data_->count())
      detail::fail<value_error>("an epoch over ", data_->count(),
                                " samples cannot begin at sample ", done);
    if (options_.order != nullptr)
      detail::draw_order(*options_.order, host_order_);
    else if (options_.shuffle)
      sampler(data_->count(), options_.seed).shuffle(epoch, host_order_);
    else
      for (std::size_t i = 0; i < host_order_.size(); ++i)
        host_order_[i] = static_cast<std::int32_t>(i);
    if (done > 0) {
      const order_t drawn = host_order_;
      const auto from = static_cast<std::size_t>(done);
      for (std::size_t i = 0; i < drawn.size(); ++i)
        host_order_[i] = drawn[i < drawn.size() - from ? i + from : i + from - drawn.size()];
    }
    for (std::int32_t& sample : host_order_) sample = data_->row_of(sample);
    be_.upload(order_.view(),
               matrix_view<const std::int32_t>(host_order_.data(), 1, data_->count()));
    samples_ = data_->count() - done;
    epoch_ = epoch;
    first_ = size_ = 0;
  }
  /// Goes to the next batch of the epoch; false if there is none.
  bool next() {
    first_ += size_;
    const index_t left = samples_ - first_;
    size_ = left <= options_.batch + merged_in(samples_) ? left : options_.batch;
    return size_ > 0;
  }

  /// The samples of this batch and of up to `batches` - 1 that follow it in the epoch.
  [[nodiscard]] index_t samples_of(index_t batches) const {
    const index_t left = this->batches(samples_) - first_ / options_.batch;
    return batches >= left ? samples_ - first_ : batches * options_.batch;
  }
  /// The rows of the data set in the order of this epoch.
  [[nodiscard]] std::span<const std::int32_t> order() const { return host_order_; }
  /// The samples of this epoch; of an epoch that was begun within, those that were left.
  [[nodiscard]] index_t samples() const { return samples_; }
  /// The place of the batch in the epoch, and its samples.
  [[nodiscard]] index_t first() const { return first_; }
  /// Number of samples of the batch.
  [[nodiscard]] index_t size() const { return size_; }
  /// Whether the batch is the last one of the epoch.
  [[nodiscard]] bool is_last() const { return first_ + size_ == samples_; }
  /// Whether the host takes no part in loading, so that it can be captured.
  [[nodiscard]] bool is_resident() const { return data_->is_resident() && augmenter_.is_none(); }
  /// Whether rows that do not overlap may be loaded at the same time.
  [[nodiscard]] bool can_load_parts() const { return is_resident() || !dataset<B>::can_stream; }

  /// Gathers the samples of the batch.
  void load() { load({0, size_}); }
  /// Gathers these rows of the batch. See can_load_parts.
  void load(row_range r) { load(r, r.first); }
  /// Gathers these rows of the batch, the inputs into as many rows of inputs() from row `at` on.
  void load(row_range r, index_t at) {
    gather(order_.view().block(0, first_ + r.first, 1, r.count), r, at);
  }
  /// Gathers the batch whose number the backend's counter holds, if it is one of a full size or the
  /// last, and holds the counter. If is_resident(), nothing comes from the host, so that it can be
  /// captured.
  void load(const counter_t<B>& count) requires has_device_counter<B> {
    if (is_resident())
      gather(typename B::counted_rows{order_.view(), count, options_.batch}, {0, size_}, 0);
    else
      be_.hold(count), load();
  }

  /// The batch, or rows of it: inputs of scalars, or of indices, and targets.
  [[nodiscard]] matrix<B> inputs() { return inputs({0, size_}); }
  /// Indices of the batch's samples, a row per sample.
  [[nodiscard]] indices_view indices() { return indices({0, size_}); }
  /// Targets of the batch, a row per sample.
  [[nodiscard]] matrix<B> targets() { return targets({0, size_}); }
  /// Inputs of a range of the batch's rows.
  [[nodiscard]] matrix<B> inputs(row_range r) {
    return inputs_.view().middle_rows(r.first, r.count);
  }
  /// Indices of a range of the batch's rows.
  [[nodiscard]] indices_view indices(row_range r) {
    return {indices_.data() + r.first * features_, r.count, features_};
  }
  /// Targets of a range of the batch's rows.
  [[nodiscard]] matrix<B> targets(row_range r) {
    return targets_.view().middle_rows(r.first, r.count);
  }

  /// Multiplies losses (n × 1) and their gradients (n × any, or nothing) of rows of the batch by
  /// the weights of the samples; nothing if the data set has none.
  void weigh(row_range r, matrix<B> losses, matrix<B> gradients = {}) const {
    if (data_->is_weighted())
      data_->weigh(weights_.view().middle_rows(r.first, r.count), losses, gradients);
  }

  /// Whether the data set's samples have weights.
  [[nodiscard]] bool is_weighted() const { return data_->is_weighted(); }

  /// Inputs of a range of the batch's rows, whichever they are.
  [[nodiscard]] batch_inputs<B> samples(row_range r) {
    if (data_->has_indices()) return {{}, indices(r), true};
    return {inputs(r), {}, false};
  }
  /// f(inputs(r)), or f(indices(r)) of a data set of indices.
  template <class F>
  decltype(auto) visit_inputs(row_range r, const F& f) {
    return data_->has_indices() ? f(indices(r)) : f(inputs(r));
  }

 private:
  /// The samples that join the last full batch of an epoch.
  [[nodiscard]] index_t merged_in(index_t samples) const {
    const bool merges = options_.merge_last_batch && samples > options_.batch;
    return merges ? samples % options_.batch : 0;
  }
  template <class Rows>
  void gather(const Rows& rows, row_range r, index_t at) {
    if (data_->is_weighted())
      data_->gather_weights(rows, weights_.view().middle_rows(r.first, r.count));
    const row_range place{at, r.count};
    const bool has_indices = data_->has_indices();
    const matrix<B> x = has_indices ? matrix<B>{} : inputs(place);
    const indices_view i = has_indices ? indices(place) : indices_view{};
    if (is_resident()) return data_->gather(rows, x, i, targets(r));
    const std::span<const std::int32_t> all(host_order_.data(), host_order_.size());
    const auto numbers =
        all.subspan(static_cast<std::size_t>(first_ + r.first), static_cast<std::size_t>(r.count));
    host_batches_->load(*data_, numbers, r.first, augmenter_, epoch_, x, i);
    data_->gather_targets(rows, targets(r));
  }

  B be_;
  loader_options options_;
  const dataset<B>* data_ = nullptr;
  tensor<B> inputs_, targets_, weights_;                // of the batch
  typename B::template storage<std::int32_t> indices_;  // in the place of inputs_
  index_t capacity_ = 0;
  index_t features_ = 0;
  order_t host_order_;
  typename B::template storage<std::int32_t> order_;
  detail::image_augmenter augmenter_;
  detail::unique<detail::host_batches<B>> host_batches_;  // none if the host takes no part
  detail::unique<detail::host_batches<B>> (*maker_)(const B&, index_t, index_t) = nullptr;
  std::uint64_t epoch_ = 0;
  index_t samples_ = 0;
  index_t first_ = 0;
  index_t size_ = 0;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_DATA_LOADER_HPP
