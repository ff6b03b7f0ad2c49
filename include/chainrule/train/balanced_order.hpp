/// \file
/// `balanced_order`: epochs in which every class occurs equally often.
///
///     balanced_order balanced(labels, /*seed*/ 7);
///     t.fit(train, {.order = &balanced});
#ifndef CHAINRULE_TRAIN_BALANCED_ORDER_HPP
#define CHAINRULE_TRAIN_BALANCED_ORDER_HPP

#include <algorithm>
#include <map>
#include <vector>

#include "chainrule/train/data_loader.hpp"

namespace chainrule {

/// Draws as many samples of each class, to within one, that occurs among the labels. An epoch has
/// as many samples as the data; those of rare classes are repeated, and each class goes through all
/// of its samples before it repeats one, also from epoch to epoch.
class balanced_order final : public epoch_order {
 public:
  /// One label per sample of the data that is trained on, in its order. Throws value_error if there
  /// are none.
  explicit balanced_order(std::span<const int> labels, std::uint64_t seed = 0)
      : seed_(seed), count_(labels.size()) {
    if (labels.empty()) throw value_error("there are no labels to balance");
    std::map<int, std::vector<std::int32_t>> by_label;
    for (std::size_t i = 0; i < labels.size(); ++i)
      by_label[labels[i]].push_back(static_cast<std::int32_t>(i));
    for (auto& [label, samples] : by_label) classes_.push_back({std::move(samples), 0});
  }

  [[nodiscard]] bool may_repeat() const override { return true; }

  /// Throws shape_error if there are not as many samples as labels.
  void draw(std::span<std::int32_t> order) override {
    if (order.size() != count_)
      throw shape_error(detail::concat("a balanced order of ", count_, " labels does not suit ",
                                       order.size(), " samples"));
    const std::uint64_t stream = detail::stream_of(detail::data_stream::balance, epochs_++);
    // Which classes have one sample more changes from epoch to epoch.
    detail::random_order(random_stream{seed_, stream}, order);
    random_stream random{seed_, stream, std::uint64_t{1} << 32};  // none of the draws before
    for (std::int32_t& place : order) {
      members& c = classes_[(static_cast<std::size_t>(place) + epochs_) % classes_.size()];
      if (c.next == 0)
        for (std::size_t i = c.samples.size(); i > 1; --i)
          std::swap(c.samples[i - 1], c.samples[random.below(static_cast<std::uint32_t>(i))]);
      place = c.samples[c.next];
      c.next = (c.next + 1) % c.samples.size();
    }
  }

 private:
  struct members {
    std::vector<std::int32_t> samples;
    std::size_t next = 0;  // of `samples`, in the order of the last shuffle
  };

  std::uint64_t seed_;
  std::size_t count_;
  std::uint64_t epochs_ = 0;
  std::vector<members> classes_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_BALANCED_ORDER_HPP
