/// \file
/// Copies of arenas in the backend's memory, which callbacks take and restore.
#ifndef CHAINRULE_TRAIN_SNAPSHOT_HPP
#define CHAINRULE_TRAIN_SNAPSHOT_HPP

#include <span>
#include <utility>
#include <vector>

#include "chainrule/memory/arena.hpp"
#include "chainrule/train/evaluation.hpp"

namespace chainrule::detail {

/// A copy of a network, or of a training, that a callback takes and restores, on any backend.
class snapshot {
 public:
  snapshot() = default;
  snapshot(const snapshot&) = delete;
  snapshot& operator=(const snapshot&) = delete;
  virtual ~snapshot() = default;
  /// Whether a copy was made: none is made of parameters that are not finite.
  virtual bool take() = 0;
  virtual void restore() = 0;
};

/// A copy of the parameters and states of a network, and of further arenas. All of them must
/// outlive it. Allocates in its constructor only.
template <backend B>
class network_snapshot : public snapshot {
 public:
  template <class Net>
  explicit network_snapshot(Net& net, std::span<arena<B>> more = {})
      : be_(net.backend()), parameters_(&net.parameters()), largest_(be_, 1, 1) {
    add(net.parameters());
    add(net.states());
    for (arena<B>& a : more) add(a);
  }
  bool take() override {
    const const_matrix<B> all = std::as_const(*parameters_).all();
    if (!all_finite(be_, all, largest_.view())) return false;
    for (pair& p : pairs_) be_.copy(p.copy.all(), p.original->all());
    return true;
  }
  void restore() override {
    for (pair& p : pairs_) be_.copy(p.original->all(), p.copy.all());
  }

 private:
  struct pair {
    arena<B>* original;
    arena<B> copy;
  };
  void add(arena<B>& a) {
    if (!a.all().empty()) pairs_.push_back({&a, arena<B>(be_, a.plan())});
  }

  B be_;
  arena<B>* parameters_;
  tensor<B> largest_;
  std::vector<pair> pairs_;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_TRAIN_SNAPSHOT_HPP
