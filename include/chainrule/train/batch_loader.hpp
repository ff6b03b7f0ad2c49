/// \file
/// `batch_loader<B>`: batches of a data set into a backend's memory, wherever the set's inputs are.
///
///     batch_loader<B> loader(be, data, 64);
///     loader.load(data, rows, numbers, x, t);   // the same numbers in B's memory and in the
///     host's
///
/// Inputs that are resident are gathered where they are. Those that are streamed are gathered by
/// the host and sent, from two places in turn: while one batch is on its way and the backend
/// computes, the host gathers the next.
#ifndef CHAINRULE_TRAIN_BATCH_LOADER_HPP
#define CHAINRULE_TRAIN_BATCH_LOADER_HPP

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "chainrule/memory/staging.hpp"
#include "chainrule/train/dataset.hpp"

namespace chainrule {

template <backend B>
class batch_loader {
 public:
  batch_loader() = default;
  /// For batches of at most `capacity` samples of `data`.
  batch_loader(const B& be, const dataset<B>& data, index_t capacity) {
    if constexpr (dataset<B>::can_stream)
      if (!data.is_resident()) stream_ = std::make_unique<stream>(be, data, capacity);
  }

  /// Whether it can load `data`, whose features and batches are as those that it was made for.
  [[nodiscard]] bool suits(const dataset<B>& data) const {
    if constexpr (dataset<B>::can_stream)
      if (!data.is_resident()) return stream_ && stream_->suits(data);
    return true;
  }

  /// Assigns samples to x and their targets to t. `rows` are their numbers in the backend's memory,
  /// as in dataset::gather, `numbers` the same on the host; only streamed inputs need them. Throws
  /// value_error if one of those is no sample's, or if x does not hold what the inputs are.
  template <class Rows, class Inputs>
  void load(const dataset<B>& data, const Rows& rows, std::span<const std::int32_t> numbers,
            Inputs x, matrix<B> t) {
    if constexpr (dataset<B>::can_stream)
      if (!data.is_resident()) {
        stream_->load(data, numbers, x);
        data.gather_targets(rows, t);
        return;
      }
    data.gather(rows, x, t);
  }

 private:
  class stream {
   public:
    stream(const B& be, const dataset<B>& data, index_t capacity)
        : be_(be), rows_(be.template allocate<std::int32_t>(capacity)) {
      auto numbers = detail::host_vector<std::int32_t>(capacity);
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i);
      be_.upload(rows_.view(), matrix_view<const std::int32_t>(numbers.data(), 1, capacity));
      const index_t size = detail::elements_of(capacity, data.features());
      data.visit_streamed([&]<class T>(matrix_view<const T>) {
        for (auto& s : places<T>()) s = std::make_unique<staging_of<B, T>>(be_, size);
      });
    }

    [[nodiscard]] bool suits(const dataset<B>& data) {
      bool is_there = false;
      data.visit_streamed(
          [&]<class T>(matrix_view<const T>) { is_there = places<T>().front() != nullptr; });
      return is_there;
    }

    template <class Inputs>
    void load(const dataset<B>& data, std::span<const std::int32_t> numbers, Inputs x) {
      constexpr bool as_indices = std::same_as<typename Inputs::value_type, std::int32_t>;
      data.require_inputs(as_indices);
      data.visit_streamed([&]<class T>(matrix_view<const T> inputs) {
        const auto count = static_cast<index_t>(numbers.size());
        staging_of<B, T>& s = *places<T>()[turn_];
        turn_ = 1 - turn_;
        T* to = s.data();
        for (const std::int32_t number : numbers) {
          if (number < 0 || number >= inputs.rows())
            throw value_error(detail::concat("a batch names sample ", number, ", expected 0 to ",
                                             inputs.rows() - 1));
          std::memcpy(to, inputs.data() + number * inputs.stride(),
                      static_cast<std::size_t>(inputs.cols()) * sizeof(T));
          to += inputs.cols();
        }
        const auto rows = rows_.view().block(0, 0, 1, count);
        if constexpr (as_indices && std::same_as<T, std::int32_t>)
          be_.gather(x, s.send(count, inputs.cols()), rows);
        else if constexpr (!as_indices && !std::same_as<T, std::int32_t>)
          be_.gather(x, s.send(count, inputs.cols()), rows, data.scaling());
        s.done();
      });
    }

   private:
    template <class T>
    using two = std::array<std::unique_ptr<staging_of<B, T>>, 2>;

    template <class T>
    [[nodiscard]] two<T>& places() {
      if constexpr (std::same_as<T, std::uint8_t>)
        return bytes_;
      else if constexpr (std::same_as<T, std::int32_t>)
        return indices_;
      else
        return numbers_;
    }

    B be_;
    typename B::template storage<std::int32_t> rows_;  // 0, 1, 2, ...: a batch is sent in its order
    two<std::uint8_t> bytes_;
    two<std::int32_t> indices_;
    two<scalar_t<B>> numbers_;
    std::size_t turn_ = 0;
  };

  std::unique_ptr<stream> stream_;  // none for inputs that are resident
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_BATCH_LOADER_HPP
