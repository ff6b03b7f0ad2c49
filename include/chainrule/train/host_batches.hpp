/// \file
/// Batches whose inputs the host gathers, because they are streamed or augmented: see
/// train/data_loader.hpp.
#ifndef CHAINRULE_TRAIN_HOST_BATCHES_HPP
#define CHAINRULE_TRAIN_HOST_BATCHES_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/data/augmentation.hpp"
#include "chainrule/memory/staging.hpp"
#include "chainrule/train/dataset.hpp"

namespace chainrule::detail {

/// Batches that the host gathers, whatever the type of the inputs.
template <backend B>
class host_batches {
 public:
  host_batches() = default;
  host_batches(const host_batches&) = delete;
  host_batches& operator=(const host_batches&) = delete;
  virtual ~host_batches() = default;

  /// Assigns the samples of those numbers to x, or to `i` where they are indices, changed as
  /// `augmenter` draws. They are the rows of the batch from row `first` on. Throws value_error if a
  /// number is no sample's.
  virtual void load(const dataset<B>& data, std::span<const std::int32_t> numbers, index_t first,
                    const image_augmenter& augmenter, std::uint64_t epoch, matrix<B> x,
                    typename B::template view<std::int32_t> i) = 0;
};

/// They are sent from two staging areas in turn, so that the host can gather the next batch while
/// the backend computes; where the memory is the host's, they are read in place.
template <backend B, class T>
class host_batches_of final : public host_batches<B> {
 public:
  host_batches_of(const B& be, index_t capacity, index_t features)
      : be_(be), rows_(be.template allocate<std::int32_t>(capacity)) {
    auto numbers = host_vector<std::int32_t, plain_vector<std::int32_t>>(capacity);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i);
    be_.upload(rows_.view(), matrix_view<const std::int32_t>(numbers.data(), 1, capacity));
    const index_t size = elements_of(capacity, features);
    if constexpr (dataset<B>::can_stream)
      for (auto& s : memory_) s = std::make_unique<staging>(be_, size);
    else
      memory_ = host_vector<T, plain_vector<T>>(size);
  }

  void load(const dataset<B>& data, std::span<const std::int32_t> numbers, index_t first,
            const image_augmenter& augmenter, std::uint64_t epoch, matrix<B> x,
            typename B::template view<std::int32_t> i) override {
    const matrix_view<const T> inputs = data.template host_inputs<T>();
    for (const std::int32_t number : numbers)
      if (number < 0 || number >= inputs.rows())
        fail<value_error>("a batch names sample ", number, ", expected 0 to ", inputs.rows() - 1);
    const auto count = static_cast<index_t>(numbers.size());
    if constexpr (dataset<B>::can_stream) {
      staging& s = *memory_[turn_];
      turn_ = 1 - turn_;
      copy(inputs, numbers, augmenter, epoch, s.data());
      gather(data, s.send(count, inputs.cols()), x, i);
      s.done();
    } else {
      T* const to = memory_.data() + first * inputs.cols();
      copy(inputs, numbers, augmenter, epoch, to);
      gather(data, matrix_view<const T>(to, count, inputs.cols()), x, i);
    }
  }

 private:
  static constexpr bool is_index = std::same_as<T, std::int32_t>;
  using staging = chainrule::staging_of<B, T>;

  /// Copies the samples to `to`, one after another.
  void copy(matrix_view<const T> inputs, std::span<const std::int32_t> numbers,
            const image_augmenter& augmenter, std::uint64_t epoch, T* to) const {
    const auto sample = [&](index_t i) {
      const std::int32_t number = numbers[static_cast<std::size_t>(i)];
      const T* const from = inputs.data() + number * inputs.stride();
      T* const there = to + i * inputs.cols();
      if (is_index || augmenter.is_none())  // only images are changed
        std::memcpy(there, from, static_cast<std::size_t>(inputs.cols()) * sizeof(T));
      else if constexpr (!is_index)
        augmenter.change(epoch, number, from, there);
    };
    const auto count = static_cast<index_t>(numbers.size());
    if constexpr (parallel_backend<B>) {
      constexpr index_t at_once = 8;  // some microseconds of work
      be_.parallel_for((count + at_once - 1) / at_once, [&](index_t piece) {
        const index_t last = std::min(count, (piece + 1) * at_once);
        for (index_t i = piece * at_once; i < last; ++i) sample(i);
      });
    } else {
      for (index_t i = 0; i < count; ++i) sample(i);
    }
  }

  /// Assigns all rows to x or i, as the data set's inputs are scaled.
  void gather(const dataset<B>& data, typename B::template view<const T> all, matrix<B> x,
              typename B::template view<std::int32_t> i) const {
    const auto rows = rows_.view().block(0, 0, 1, all.rows());
    if constexpr (is_index)
      be_.gather(i, all, rows);
    else
      data.template gather_scaled<T>(rows, all, x);
  }

  B be_;
  typename B::template storage<std::int32_t> rows_;  // 0, 1, 2, ...: a batch lies in its order
  std::conditional_t<dataset<B>::can_stream, std::array<std::unique_ptr<staging>, 2>,
                     plain_vector<T>>
      memory_;
  std::size_t turn_ = 0;
};

template <backend B, class T>
unique<host_batches<B>> make_host_batches(const B& be, index_t capacity, index_t features) {
  return unique<host_batches<B>>(new host_batches_of<B, T>(be, capacity, features));
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_TRAIN_HOST_BATCHES_HPP
