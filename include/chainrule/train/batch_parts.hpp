/// \file
/// `batch_parts<B>`: what passes over a batch need, once for each part that the batch is cut
/// into.
///
/// A small network does so little in each of its operations that threads which share one spend more
/// time on meeting than on working. So where layers and loss treat each sample for itself, a batch
/// is cut by rows, each part goes through forward, loss and backward on one thread, and the
/// gradients of the parts are added in a fixed order: threads meet twice in a step. A part's rows
/// also stay in the cache of the core that works on them, so parts pay on one thread too. How many
/// there are follows from the shapes alone, never from the number of threads, and so do the bits.
#ifndef CHAINRULE_TRAIN_BATCH_PARTS_HPP
#define CHAINRULE_TRAIN_BATCH_PARTS_HPP

#include <vector>

#include "chainrule/losses/loss.hpp"
#include "chainrule/network/network.hpp"

namespace chainrule {

/// Rows of a batch.
struct row_range {
  index_t first = 0;
  index_t count = 0;
};

/// Of how many parts a batch of `rows` samples is made, for a network of `parameters` numbers.
[[nodiscard]] constexpr index_t parts_of_batch(index_t rows, index_t parameters) {
  // The gradients of all parts are written, read and added: they should stay in a second cache, of
  // 1 MiB. A network with more parameters has products that are worth a meeting each.
  constexpr index_t most_gradients = 1 << 18;
  // Below, the products of a part are too flat to be fast.
  constexpr index_t least_rows = 32;
  // Multiplications of a forward pass that are worth a meeting: some 10 us, backward included.
  constexpr index_t least_work = 1 << 18;
  // Each part's gradient costs a pass over memory, whoever computes it.
  constexpr index_t most_parts = 4;
  if (parameters == 0 || parameters > most_gradients) return 1;
  index_t parts = rows / least_rows;
  const auto limit = [&](index_t most) { parts = parts < most ? parts : most; };
  limit(most_gradients / parameters);
  limit(rows * parameters / least_work);
  limit(most_parts);
  return parts < 1 ? 1 : parts;
}

namespace detail {
/// The sum, first to last.
struct add_all {
  constexpr auto operator()(const auto&... x) const { return (x + ...); }
};
}  // namespace detail

template <backend B>
class batch_parts {
 public:
  explicit batch_parts(const network<B>& net) : total_(net.make_gradients()) {}

  /// Makes room for batches of up to `capacity` samples; `may_cut`: into more than one part. If it
  /// throws there is room for none: what was there is freed first, there may not be memory for
  /// both.
  void prepare(const network<B>& net, index_t capacity, bool may_cut) {
    const index_t parts = may_cut ? parts_of_batch(capacity, net.parameters().all().size()) : 1;
    capacity_ = 0;
    parts_.clear();
    rows_ = (capacity + parts - 1) / parts;
    for (index_t i = 0; i < parts; ++i)
      parts_.push_back({net.make_pass(rows_, true),
                        loss_scratch<B>(net.backend(), rows_, net.outputs()),
                        i == 0 ? arena<B>{} : net.make_gradients()});
    capacity_ = capacity;
  }

  [[nodiscard]] index_t capacity() const { return capacity_; }
  /// The parts of a batch of `rows` samples.
  [[nodiscard]] index_t number(index_t rows) const { return (rows + rows_ - 1) / rows_; }
  /// The rows of part i of so many of a batch: parts differ by one row at most.
  [[nodiscard]] static constexpr row_range rows_of(index_t i, index_t parts, index_t rows) {
    const index_t first = rows * i / parts;
    return {first, rows * (i + 1) / parts - first};
  }

  [[nodiscard]] pass<B>& memory(index_t i) { return parts_[at(i)].memory; }
  [[nodiscard]] loss_scratch<B>& scratch(index_t i) { return parts_[at(i)].scratch; }
  [[nodiscard]] arena<B>& gradients(index_t i) { return i == 0 ? total_ : parts_[at(i)].gradients; }

  /// Adds elements [first, first + count) of the gradients of so many parts to those of the first
  /// part, in their order.
  void add_gradients(const B& be, index_t parts, index_t first, index_t count) {
    const auto g = [&](index_t i) { return gradients(i).all().block(0, first, 1, count); };
    const matrix<B> total = g(0);
    index_t i = 1;
    for (; i + 2 < parts; i += 3) be.map(detail::add_all{}, total, total, g(i), g(i + 1), g(i + 2));
    for (; i < parts; ++i) be.map(detail::add_all{}, total, total, g(i));
  }
  /// The gradients of the batch, once they are added. All 0 before there was one.
  [[nodiscard]] const arena<B>& total() const { return total_; }

 private:
  struct part {
    pass<B> memory;
    loss_scratch<B> scratch;
    arena<B> gradients;  // of the first they are total_
  };

  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

  index_t capacity_ = 0;
  index_t rows_ = 1;  // of a part, at most
  arena<B> total_;
  std::vector<part> parts_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_BATCH_PARTS_HPP
