/// \file
/// `rank_group<B>`: the processes ("ranks") that train one network together, as `fit` sees them.
///
/// A batch is cut into micro-batches whose gradients are added in a binary tree. Each rank takes a
/// subtree; the sums of ranks are the upper part of the same tree. So the bits of a training do not
/// depend on the number of ranks, only on the number of micro-batches (fit_options::micro_batches).
/// Programs get a group from `run_ranks` (train/mpi.hpp), or make one of a communicator
/// (train/communicator.hpp).
#ifndef CHAINRULE_TRAIN_RANK_GROUP_HPP
#define CHAINRULE_TRAIN_RANK_GROUP_HPP

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/train/data_loader.hpp"

namespace chainrule {

/// What must be equal on all ranks before they train together.
template <backend B>
struct fit_agreement {
  const network<B>* net = nullptr;
  const any_optimizer<B>* optimizer = nullptr;
  const dataset<B>* data = nullptr;
  const dataset<B>* validation = nullptr;  // may be null
  std::string loss{};                      // its name
  std::string options{};                   // in words: a rank that differs is shown both
  std::string progress{};                  // of the training so far
};

template <backend B>
class rank_group {
 public:
  rank_group() = default;
  rank_group(const rank_group&) = delete;
  rank_group& operator=(const rank_group&) = delete;
  virtual ~rank_group() = default;

  /// The number of this process: 0, ..., size() - 1.
  [[nodiscard]] virtual int rank() const = 0;
  /// The number of processes.
  [[nodiscard]] virtual int size() const = 0;
  /// Whether this is the rank that prints, logs and saves.
  [[nodiscard]] bool is_first() const { return rank() == 0; }

  // What follows is called by all ranks, in the same order. All of it throws communication_error if
  // a rank does not answer.

  /// Throws value_error, on every rank, unless all ranks have the same network, data and options;
  /// it says which rank differs in what.
  virtual void require_agreement(const fit_agreement<B>& mine) = 0;
  /// Throws value_error, on every rank, unless all give the same numbers; `what` names them.
  virtual void require_equal(std::string_view what, std::span<const std::int32_t> numbers) = 0;
  /// Whether a rank says so.
  [[nodiscard]] virtual bool any(bool mine) = 0;
  /// The text of the lowest rank whose text is not empty; empty if all are.
  [[nodiscard]] virtual std::string first_text(std::string_view mine) = 0;

  /// Assigns to `row` (1 × n) the sum of the rows of the first `count` ranks, added in a binary
  /// tree: neighbours at distance 1, then 2, then 4. Rows of other ranks are not read.
  virtual void sum(const B& be, matrix<B> row, int count) = 0;
  /// The same sum, of which only the elements of piece(n) are assigned; others may be overwritten.
  virtual void sum_piece(const B& be, matrix<B> row, int count) = 0;
  /// Assigns to the elements of each rank's piece those of that rank.
  virtual void gather_pieces(const B& be, matrix<B> row) = 0;
  /// This rank's piece of a row of n elements. The pieces of all ranks are the row.
  [[nodiscard]] virtual row_range piece(index_t n) const = 0;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_RANK_GROUP_HPP
