/// \file
/// `product_updates<B>`: updates large weights in the products that compute their gradients, which
/// are then neither written nor read, and the other parameters after the backward pass. The bits
/// are those of one update of all.
#ifndef CHAINRULE_OPTIM_PRODUCT_UPDATES_HPP
#define CHAINRULE_OPTIM_PRODUCT_UPDATES_HPP

#include <utility>

#include "chainrule/core/plain_vector.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"

namespace chainrule {

template <backend B>
class product_updates final : public weight_updates<B> {
 public:
  /// For steps of this network by this optimizer, which must outlive the object.
  [[gnu::cold]] void prepare(network<B>& net, any_optimizer<B>& optimizer) {
    net_ = &net;
    optimizer_ = &optimizer;
    const auto& all = net.declared().parameters();
    done_.reserve(all.size());
    has_large_ = false;
    // update_by_product would do nothing; the gradients of shared weights are several products.
    if (!optimizer.all_state().empty() || net.declared().shares_parameters()) return;
    for (const parameter& p : all) has_large_ = has_large_ || p.place.rows * p.place.cols >= least;
  }
  /// Whether there may be weights to update in products.
  [[nodiscard]] bool has_large() const { return has_large_; }

  /// Begins a step. Call it after the optimizer's begin_step().
  void begin() { done_.clear(); }
  /// Updates the weights from element `first` of the arenas on, whose gradient is dw = a b, which
  /// is not assigned; false, and nothing done, if they are few or the optimizer cannot.
  [[nodiscard]] bool update(index_t first, matrix<B> dw, const gemm_operand<const_matrix<B>>& a,
                            const gemm_operand<const_matrix<B>>& b) override {
    if (dw.size() < least || !optimizer_->update_by_product(net_->parameters(), first, dw, a, b))
      return false;
    done_.push_back({first, dw.size()});
    return true;
  }
  /// Updates the parameters that were not, by these gradients.
  void finish(const arena<B>& gradients) {
    const index_t all = gradients.all().cols();
    for (index_t at = 0; at < all;) {
      std::pair<index_t, index_t> next{all, 0};
      for (const auto& d : done_)
        if (d.first >= at && d.first < next.first) next = d;
      if (at < next.first)
        optimizer_->update_range(net_->parameters(), gradients, at, next.first - at);
      at = next.first + next.second;
    }
  }

 private:
  // Smaller gradients are still in the cache when the update of all others reads them.
  static constexpr index_t least = 1 << 14;

  network<B>* net_ = nullptr;
  any_optimizer<B>* optimizer_ = nullptr;
  detail::plain_vector<std::pair<index_t, index_t>> done_;  // first element and size
  bool has_large_ = false;
};

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_PRODUCT_UPDATES_HPP
