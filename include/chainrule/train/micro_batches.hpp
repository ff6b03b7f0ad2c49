/// \file
/// `micro_batches<B>`: passes and gradients of the parts that a batch is cut into.
///
/// Threads that share each operation of a small network spend more time on synchronization than on
/// work. Where layers and loss treat each sample for itself, a batch is therefore cut by rows, and
/// one thread runs forward, loss and backward of a micro-batch; threads meet twice in a step. The
/// rows of a micro-batch also stay in the cache of the core that works on them, so that cutting
/// pays on one thread too. The number of micro-batches follows from shapes, never from the number
/// of threads, and their gradients are added in a fixed tree: so bits do not depend on threads.
#ifndef CHAINRULE_TRAIN_MICRO_BATCHES_HPP
#define CHAINRULE_TRAIN_MICRO_BATCHES_HPP

#include <algorithm>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/losses/loss.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/data_loader.hpp"

namespace chainrule {

/// The number of micro-batches of a batch of `rows` samples, for a network of `parameters` numbers.
[[nodiscard]] constexpr index_t micro_batch_count(index_t rows, index_t parameters) {
  // All gradients are written, read and added: they should fit in half of a second-level cache of
  // 1 MiB. A network with more parameters has products that are worth a synchronization each.
  constexpr index_t most_gradients = 1 << 17;
  // Products of fewer rows are slow.
  constexpr index_t least_rows = 32;
  // Multiplications of a forward pass that are worth a synchronization: some 10 us with backward.
  constexpr index_t least_work = 1 << 18;
  // Each gradient costs a pass over memory, whichever thread computes it.
  constexpr index_t most = 4;
  if (parameters == 0 || parameters > most_gradients) return 1;
  index_t count = rows / least_rows;
  for (const index_t limit : {most_gradients / parameters, rows * parameters / least_work, most})
    count = count < limit ? count : limit;
  return count < 1 ? 1 : count;
}

namespace detail {
/// The sum of four numbers, in pairs.
struct add_in_pairs {
  constexpr auto operator()(const auto& a, const auto& b, const auto& c, const auto& d) const {
    return (a + b) + (c + d);
  }
};

/// Adds rows g(1), ..., g(count - 1) to g(0) in a binary tree: neighbours at distance 1, then 2,
/// then 4. All rows may be overwritten.
template <class B, class Row>
void add_rows(const B& be, index_t count, const Row& g) {
  for (index_t d = 1; d < count; d *= 2) {
    if (count % (4 * d) == 0) {  // two levels of the tree in one pass over memory
      for (index_t i = 0; i < count; i += 4 * d)
        be.map(add_in_pairs{}, g(i), g(i), g(i + d), g(i + 2 * d), g(i + 3 * d));
      d *= 2;
    } else {
      for (index_t i = 0; i + d < count; i += 2 * d) be.map(fn::plus{}, g(i), g(i), g(i + d));
    }
  }
}
}  // namespace detail

template <backend B>
class micro_batches {
 public:
  /// Allocates the sum of the gradients; `prepare` makes room for the parts.
  explicit micro_batches(const network<B>& net) : total_(net.make_gradients()) {}

  /// Makes room for batches of up to `capacity` samples, cut into at most `count`, of which this
  /// process takes the share of `rank` among `ranks`. If it throws there is room for none: what was
  /// there is freed first, since there may not be memory for both.
  [[gnu::cold]] void prepare(const network<B>& net, index_t capacity, index_t count,
                             index_t rank = 0, index_t ranks = 1) {
    const bool is_made = capacity == capacity_ && count == most_ && ranks == ranks_;
    rank_ = rank;
    ranks_ = ranks;
    most_ = count;
    divide(count);
    if (is_made) return;
    capacity_ = 0;
    parts_.clear();
    const index_t rows = (capacity + count - 1) / count;
    for (index_t i = 0; i < share_ && i < count; ++i)
      parts_.push_back(detail::unique<part>(
          new part{net.make_pass(rows, true), loss_scratch<B>(net.backend(), rows, net.outputs()),
                   i == 0 ? arena<B>{} : net.make_gradients()}));
    capacity_ = capacity;
  }

  /// Divides up to `count` micro-batches among the ranks: until the next call, each has as many, a
  /// power of two, that lie side by side. Their sum is then a subtree of that of all.
  void divide(index_t count) {
    share_ = 1;
    while (share_ * ranks_ < count) share_ *= 2;
  }
  /// The micro-batches of this rank, of `count` in all.
  [[nodiscard]] row_range own(index_t count) const {
    const index_t first = std::min(rank_ * share_, count);
    return {first, std::min(share_, count - first)};
  }
  /// The ranks that have micro-batches, of `count` in all: the first ones.
  [[nodiscard]] int busy_ranks(index_t count) const {
    return static_cast<int>((count + share_ - 1) / share_);
  }

  /// The number of micro-batches of the largest batch.
  [[nodiscard]] index_t most() const { return most_; }
  /// The micro-batches of a batch of `rows` samples: in proportion to a batch of full size.
  [[nodiscard]] index_t count(index_t rows) const {
    return (rows * most_ + capacity_ - 1) / capacity_;
  }
  /// The rows of micro-batch i of `count`: micro-batches differ by one row at most.
  [[nodiscard]] static constexpr row_range rows_of(index_t i, index_t count, index_t rows) {
    const index_t first = rows * i / count;
    return {first, rows * (i + 1) / count - first};
  }

  /// Pass of micro-batch i, one of own().
  [[nodiscard]] pass<B>& memory(index_t i) { return part_of(i).memory; }
  /// Memory of the loss for micro-batch i.
  [[nodiscard]] loss_scratch<B>& scratch(index_t i) { return part_of(i).scratch; }
  [[nodiscard]] arena<B>& gradients(index_t i) {
    part& p = part_of(i);
    return &p == parts_.front().get() ? total_ : p.gradients;
  }

  /// Adds elements [first, first + size) of the gradients of this rank's micro-batches, of `count`
  /// in all, in a binary tree: see detail::add_rows. total() has the sum, the gradients of the
  /// others are overwritten.
  void add_gradients(const B& be, index_t count, index_t first, index_t size) {
    const row_range mine = own(count);
    detail::add_rows(
        be, mine.count, [&](index_t i) __attribute__((noinline)) {
          return matrix<B>(gradients(mine.first + i).all().block(0, first, 1, size));
        });
  }
  /// The gradients of the batch, once they are added. All 0 before there was one.
  [[nodiscard]] arena<B>& total() { return total_; }
  /// Sum of the parts' gradients.
  [[nodiscard]] const arena<B>& total() const { return total_; }

 private:
  struct part {
    pass<B> memory;
    loss_scratch<B> scratch;
    arena<B> gradients;  // of the first they are total_
  };

  [[nodiscard]] part& part_of(index_t i) {
    return *parts_[static_cast<std::size_t>(i - rank_ * share_)];
  }

  index_t capacity_ = 0;
  index_t most_ = 0;
  index_t rank_ = 0, ranks_ = 1;
  index_t share_ = 1;                                 // micro-batches of a rank
  detail::plain_vector<detail::unique<part>> parts_;  // of this rank
  arena<B> total_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_MICRO_BATCHES_HPP
