/// \file
/// The contract of a layer, and `any_layer<B>`, which holds any layer over backend B.
///
/// A layer is a small copyable value with five members. The network copies it and binds the copy
/// once; the passes are then const.
///
///     struct scale {
///       static constexpr const char* name = "scale";
///       shape bind(plan& p, shape in) {               // declares; returns the shape of the output
///         w_ = p.weight("weight", {1, in.last()}, init::constant(1));
///         return in;
///       }
///       template <backend B>                          // assigns y from x
///       void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
///         p.backend().map(fn::multiplies{}, y, x, p.value(w_));
///       }
///       template <backend B>                          // accumulates gradients, assigns dx
///       void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
///                     matrix<B> dx) const;
///       void describe(archive&) const {}              // extents and constants
///       parameter_id w_;
///     };
///
/// Shapes: x and dx are n × in.size(), y and dy are n × out.size(). Rows lie without gaps, except
/// in the x and dx that the caller of a network gives it. An empty dx is not computed. In backward,
/// x and y are those of the forward pass. A layer that reads the network's input as indices
/// (plan::input_indices) gets an empty x and asks the pass for the indices.
///
/// A layer may state extents in its type (`static_inputs`, `static_outputs`: features on the last
/// axis, `dynamic` if unknown; `keeps_features` if it returns as many as it takes), which a network
/// of listed layers compares at compile time.
///
/// See also layers/plan.hpp (what bind may declare), layers/pass.hpp (what the passes get).
#ifndef CHAINRULE_LAYERS_LAYER_HPP
#define CHAINRULE_LAYERS_LAYER_HPP

#include <concepts>
#include <utility>

#include "chainrule/core/holders.hpp"
#include "chainrule/layers/description.hpp"
#include "chainrule/layers/pass.hpp"
#include "chainrule/layers/plan.hpp"

namespace chainrule {

/// Anything with the five members over backend B.
template <class L, class B>
concept layer = std::copy_constructible<L> &&
    requires(L& l, const L& bound, plan& declared, pass<B>& p, archive& a, shape s,
             const_matrix<B> in, matrix<B> out) {
  { l.bind(declared, s) } -> std::same_as<shape>;
  bound.forward(p, in, out);
  bound.backward(p, in, in, in, out);
  bound.describe(a);
  name_of_layer(bound);
};

/// A matrix without gaps seen with another number of columns: the last axis of samples as rows.
/// Throws shape_error if there are gaps or the elements do not fill whole rows.
template <class T, class P>
[[nodiscard]] matrix_view<T, P> with_columns(const matrix_view<T, P>& m, index_t cols) {
  if (m.cols() == cols) return m;
  if (!m.contiguous() || cols < 1 || m.size() % cols != 0)
    detail::fail<shape_error>("a matrix of ", to_string(m.shape()), " with a stride of ",
                              m.stride(), " cannot be seen with ", cols, " columns");
  return {m.data(), m.size() / cols, cols};
}

/// The functor by which the layer's backward pass begins, if it is only that: see dense. A layer
/// that has it has a backward pass with a link; one that derives from it and has another backward
/// pass, without a link, has neither.
template <backend B, class Layer>
[[nodiscard]] typename backward_link<B>::functor begin_of_backward(const Layer& l) {
  constexpr bool takes_links =
      requires(pass<B> & p, const_matrix<B> in, matrix<B> dx, backward_link<B> & link) {
    l.backward(p, in, in, in, dx, link);
  };
  if constexpr (tracing_backend<B> && takes_links) {
    if constexpr (requires { l.template begin_of_backward<B>(); })
      return l.template begin_of_backward<B>();
    else if constexpr (requires { l.begin_of_backward(); })
      if constexpr (B::traced_functor::template holds<decltype(l.begin_of_backward())>)
        return typename B::traced_functor(l.begin_of_backward());
  }
  return {};
}
/// The backward pass of a layer in a chain, by what it has for that or else by itself.
template <backend B, class Layer>
void backward_in_chain(const Layer& l, pass<B>& p, const const_matrix<B>& x,
                       const const_matrix<B>& y, const const_matrix<B>& dy, const matrix<B>& dx,
                       backward_link<B>& link) {
  if constexpr (requires { l.backward(p, x, y, dy, dx, link); })
    l.backward(p, x, y, dy, dx, link);
  else
    l.backward(p, x, y, dy, dx);
}

/// Adds the forward pass of one sample, into y, to the pass's plan: by `plan_row` of the layer that
/// names itself as `row_layer`. False if it has none, as one that derives from it.
template <backend B, class Layer>
[[nodiscard]] bool plan_row([[maybe_unused]] const Layer& l, [[maybe_unused]] pass<B>& p,
                            [[maybe_unused]] const matrix<B>& y) {
  if constexpr (row_backend<B> &&
                requires { requires std::same_as<typename Layer::row_layer, Layer>; })
    return l.plan_row(p, y);
  else
    return false;
}

class input;

/// Any layer over backend B; itself a layer. A copy holds a copy of the layer.
template <backend B>
class any_layer {
 public:
  /// Holds a copy of the layer.
  template <class L>
  requires(!std::same_as<L, any_layer>)
      any_layer(const L& l)  // NOLINT: implicit, so that lists of layers read well
      : held_(new holder<L>(l)) {}
  /// Copies the layer that is held.
  any_layer(const any_layer& other) : held_(other.held().clone()) {}
  any_layer(any_layer&&) noexcept = default;
  /// Replaces the held layer by a copy of the other, or by the other itself if it is moved.
  any_layer& operator=(any_layer other) noexcept {
    held_ = std::move(other.held_);
    return *this;
  }
  ~any_layer() = default;

  [[nodiscard]] const char* name() const { return held().name(); }
  /// Whether it is an `input`, which states a shape and computes nothing.
  [[nodiscard]] bool is_input() const { return held().is_input(); }
  [[nodiscard]] shape bind(plan& p, const shape& in) { return held().bind(p, in); }
  // By reference: a view is copied through memory where it is an argument of a virtual function.
  void forward(pass<B>& p, const const_matrix<B>& x, const matrix<B>& y) const {
    held_->forward(p, x, y);
  }
  void backward(pass<B>& p, const const_matrix<B>& x, const const_matrix<B>& y,
                const const_matrix<B>& dy, const matrix<B>& dx) const {
    backward_link<B> alone;
    held_->backward(p, x, y, dy, dx, alone);
  }
  void backward(pass<B>& p, const const_matrix<B>& x, const const_matrix<B>& y,
                const const_matrix<B>& dy, const matrix<B>& dx, backward_link<B>& link) const {
    held_->backward(p, x, y, dy, dx, link);
  }
  /// The functor by which the layer's backward pass begins, if it is only that.
  template <std::same_as<B>>
  [[nodiscard]] typename backward_link<B>::functor begin_of_backward() const {
    return held_->begin_of_backward();
  }
  using row_layer = any_layer;
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    return held_->plan_row(p, y);
  }
  void describe(archive& a) const { held().describe(a); }

 private:
  struct interface;
  /// Throws value_error if the layer was moved from.
  [[nodiscard]] interface& held() const {
    if (!held_)
      detail::fail<value_error>("this layer was moved from; use the one that it was moved to");
    return *held_;
  }

  struct interface {
    virtual ~interface() = default;
    [[nodiscard]] virtual const char* name() const = 0;
    [[nodiscard]] virtual bool is_input() const = 0;
    [[nodiscard]] virtual interface* clone() const = 0;
    [[nodiscard]] virtual shape bind(plan&, const shape&) = 0;
    virtual void forward(pass<B>&, const const_matrix<B>&, const matrix<B>&) const = 0;
    virtual void backward(pass<B>&, const const_matrix<B>&, const const_matrix<B>&,
                          const const_matrix<B>&, const matrix<B>&, backward_link<B>&) const = 0;
    [[nodiscard]] virtual typename backward_link<B>::functor begin_of_backward() const = 0;
    [[nodiscard]] virtual bool plan_row(pass<B>&, const matrix<B>&) const = 0;
    virtual void describe(archive&) const = 0;
  };
  template <class L>
  struct holder final : interface {
    static_assert(layer<L, B>,
                  "chainrule: this is not a layer; a layer has the members name, bind, forward, "
                  "backward and describe (layers/layer.hpp)");
    explicit holder(const L& l) : held(l) {}
    [[nodiscard]] const char* name() const override { return name_of_layer(held); }
    [[nodiscard]] bool is_input() const override { return std::same_as<L, input>; }
    [[nodiscard]] interface* clone() const override { return new holder(held); }
    [[nodiscard]] shape bind(plan& p, const shape& in) override { return held.bind(p, in); }
    void forward(pass<B>& p, const const_matrix<B>& x, const matrix<B>& y) const override {
      held.forward(p, x, y);
    }
    void backward(pass<B>& p, const const_matrix<B>& x, const const_matrix<B>& y,
                  const const_matrix<B>& dy, const matrix<B>& dx,
                  backward_link<B>& link) const override {
      backward_in_chain(held, p, x, y, dy, dx, link);
    }
    [[nodiscard]] typename backward_link<B>::functor begin_of_backward() const override {
      return chainrule::begin_of_backward<B>(held);
    }
    [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const override {
      return chainrule::plan_row(held, p, y);
    }
    void describe(archive& a) const override { held.describe(a); }
    L held;
  };

  detail::unique<interface> held_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_LAYER_HPP
