/// \file
/// Blocks: layers made of layers.
///
///     sequence{dense{64, relu{}}, dense{64}}      // one after another
///     residual{dense{64, relu{}}, dense{64}}      // y = x + f(x)
///     residual{dense{64, relu{}}, dense{32}}.projection(dense{32})  // y = p(x) + f(x)
///     concat{dense{32}, dense{32, relu{}}}        // outputs side by side on the last axis
///     repeat{3, residual{dense{64, relu{}}}}      // three blocks with parameters of their own
///
///     sequence{layers}                            // a std::vector of layers, at run time
///
/// A block is used wherever a layer is, blocks included. Its layers are numbered within it: the
/// second of a block that is layer 3 has the parameters "3.1.weight" and "3.1.bias".
#ifndef CHAINRULE_LAYERS_SEQUENCE_HPP
#define CHAINRULE_LAYERS_SEQUENCE_HPP

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "chainrule/layers/chain.hpp"

namespace chainrule {

namespace detail {

/// Whether each layer takes what the one before it gives, as far as the types state extents.
struct extent_check {
  index_t features = dynamic;
  bool agree = true;

  template <class Layer>
  consteval void next() {
    index_t inputs = dynamic;
    index_t outputs = dynamic;
    bool keeps = false;
    if constexpr (requires { Layer::static_inputs; }) inputs = Layer::static_inputs;
    if constexpr (requires { Layer::static_outputs; }) outputs = Layer::static_outputs;
    if constexpr (requires { Layer::keeps_features; }) keeps = Layer::keeps_features;
    if (features != dynamic && inputs != dynamic && features != inputs) agree = false;
    if (!keeps) features = outputs;
  }
};
template <class... Layers>
[[nodiscard]] consteval bool extents_agree() {
  extent_check check;
  (check.template next<Layers>(), ...);
  return check.agree;
}

/// The layers of a block, listed in the program or, as the only one of Layers, in a vector.
template <class... Layers>
class layer_list {
  static_assert(sizeof...(Layers) > 0, "chainrule: a block needs at least one layer");

 public:
  constexpr explicit layer_list(const Layers&... layers) : layers_(layers...) {}

  /// Calls f(layer) for each, in order.
  template <class F>
  void each(const F& f) {
    std::apply([&](Layers&... layers) { (f(layers), ...); }, layers_);
  }
  template <class F>
  void each(const F& f) const {
    std::apply([&](const Layers&... layers) { (f(layers), ...); }, layers_);
  }
  /// Calls f(layer) for layer i.
  template <class F>
  void visit(index_t i, const F& f) const {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (static_cast<void>(static_cast<index_t>(I) == i ? (f(std::get<I>(layers_)), 0) : 0), ...);
    }
    (std::make_index_sequence<sizeof...(Layers)>{});
  }

 private:
  std::tuple<Layers...> layers_;
};

template <class Layer>
class layer_list<std::vector<Layer>> {
 public:
  /// Throws value_error if there are none.
  explicit layer_list(std::vector<Layer> layers) : layers_(std::move(layers)) {
    if (layers_.empty()) detail::fail<value_error>("a block needs at least one layer");
  }
  template <class F>
  void each(const F& f) {
    for (Layer& l : layers_) f(l);
  }
  template <class F>
  void each(const F& f) const {
    for (const Layer& l : layers_) f(l);
  }
  template <class F>
  void visit(index_t i, const F& f) const {
    f(layers_[static_cast<std::size_t>(i)]);
  }

 private:
  std::vector<Layer> layers_;
};

}  // namespace detail

/// Layers one after another.
template <class... Layers>
class sequence {
  static_assert(detail::extents_agree<Layers...>(),
                "chainrule: a layer expects another number of features than the layer before it "
                "produces; compare the extents in the types of neighbouring layers");

 public:
  static constexpr const char* name = "sequence";

  /// Runs copies of these layers one after another.
  constexpr explicit sequence(const Layers&... layers) : layers_(layers...) {}

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    chain_ = {};
    layers_.each(
        [&](auto& layer) { chain_.bind_next(p, std::to_string(chain_.size()), layer, in); });
    chain_.finish(p, false);
    return chain_.output_shape(chain_.size() - 1);
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    chain_.forward(p, x, y, visitor());
  }
  using row_layer = sequence;
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    return chain_.plan_row(p, y, visitor());
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    chain_.backward(p, x, y, dy, dx, visitor());
  }
  void describe(archive& a) const {
    layers_.each([&](const auto& layer) { a.child(layer); });
  }

 private:
  [[nodiscard]] auto visitor() const {
    return [this](index_t i, const auto& f) { layers_.visit(i, f); };
  }

  detail::layer_list<Layers...> layers_;
  layer_chain chain_;
};

/// y = p(x) + f(x), where f is a sequence of layers and the projection p is a layer that returns
/// samples of the same shape; the parameters of p are those of a layer "projection". Source: K. He
/// et al., CVPR 2016, eq. 2.
template <class Projection, class... Layers>
class projected_residual {
 public:
  static constexpr const char* name = "projected_residual";

  /// y = p(x) + f(x), for copies of both.
  constexpr projected_residual(const Projection& p, const sequence<Layers...>& f)
      : projection_(p), inner_(f) {}

  /// Throws shape_error if p and f return samples of different shapes.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    const shape out = inner_.bind(p, x);
    p.set_scratch_in_dy({});  // dy is read twice
    const shape projected = p.child("projection", projection_, x);
    if (projected != out)
      detail::fail<shape_error>(p.layer(), ": the layers of a residual block return samples of ",
                                to_string(out), ", its projection samples of ",
                                to_string(projected), "; they must be of one shape");
    f_ = p.intermediate(out.size());
    p_ = p.intermediate(out.size());
    dx_ = p.scratch(x.size());
    return out;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    inner_.forward(p, x, p.saved(f_));
    projection_.forward(p, x, p.saved(p_));
    p.backend().map(fn::plus{}, y, p.saved(p_), p.saved(f_));
  }
  using row_layer = projected_residual;
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    row_chain_t<B>& row = p.row();
    const auto x = row.last();
    if (!inner_.plan_row(p, p.saved(f_))) return false;
    const auto f = row.last();
    row.continue_from(x);
    return chainrule::plan_row(projection_, p, p.saved(p_)) &&
           row.map(fn::plus{}, y.cols(), y.data(), row.last(), f);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    inner_.backward(p, x, const_matrix<B>(p.saved(f_)), dy, dx);
    const matrix<B> more = dx.empty() ? dx : p.scratch(dx_);
    projection_.backward(p, x, const_matrix<B>(p.saved(p_)), dy, more);
    if (!dx.empty()) p.backend().map(fn::plus{}, dx, const_matrix<B>(dx), more);
  }
  void describe(archive& a) const {
    inner_.describe(a);
    a.child(projection_);
  }

 private:
  Projection projection_;
  sequence<Layers...> inner_;
  saved_id f_, p_;
  scratch_id dx_;
};

/// y = x + f(x), where f is a sequence of layers that returns samples of the shape it takes.
/// Source: K. He et al., CVPR 2016, eq. 1.
template <class... Layers>
class residual {
 public:
  static constexpr const char* name = "residual";
  static constexpr bool keeps_features = true;

  /// y = x + f(x), where f runs copies of these layers one after another.
  constexpr explicit residual(const Layers&... layers) : inner_(layers...) {}

  /// y = layer(x) + f(x), for an f that changes the shape.
  template <class Layer>
  [[nodiscard]] constexpr auto projection(const Layer& layer) const {
    return projected_residual<Layer, Layers...>(layer, inner_);
  }

  /// Throws shape_error if f changes the shape.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    const shape out = inner_.bind(p, x);
    p.set_scratch_in_dy({});  // dy is read twice
    if (out != x)
      detail::fail<shape_error>(p.layer(),
                                ": the layers of a residual block must return "
                                "samples of the shape they take, ",
                                to_string(x), ", but return ", to_string(out),
                                "; give the block a projection(layer) to that shape");
    f_ = p.intermediate(x.size());
    return out;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const matrix<B> f = p.saved(f_);
    inner_.forward(p, x, f);
    p.backend().map(fn::plus{}, y, x, const_matrix<B>(f));
  }
  using row_layer = residual;
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    const auto x = p.row().last();
    return inner_.plan_row(p, p.saved(f_)) &&
           p.row().map(fn::plus{}, y.cols(), y.data(), x, p.row().last());
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    inner_.backward(p, x, const_matrix<B>(p.saved(f_)), dy, dx);
    if (!dx.empty()) p.backend().map(fn::plus{}, dx, const_matrix<B>(dx), dy);
  }
  void describe(archive& a) const { inner_.describe(a); }

 private:
  sequence<Layers...> inner_;
  saved_id f_;
};

/// The outputs of several layers of one input, side by side on the last axis.
template <class... Layers>
class concat {
 public:
  static constexpr const char* name = "concat";

  /// Joins the outputs of copies of these layers.
  constexpr explicit concat(const Layers&... layers) : layers_(layers...) {}

  /// Throws shape_error if the shapes of the outputs differ beyond their last axis.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = in.is_known() ? in : p.input(in);  // its layers say how they read it
    branches_.clear();
    index_t features = 0;
    const auto bind_one = [&](auto& layer) {
      const shape out = p.child(std::to_string(branches_.size()), layer, x);
      if (out.with_last(1) != (branches_.empty() ? out : branches_[0].out).with_last(1))
        detail::fail<shape_error>(p.layer(), ": outputs of ", to_string(branches_[0].out), " and ",
                                  to_string(out), " cannot be put side by side on the last axis");
      branches_.push_back({out, p.intermediate(out.size()), {}});
      features += out.last();
      detail::require_countable(features);
    };
    layers_.each(bind_one);
    for (branch& b : branches_) b.gradient = p.scratch(b.out.size());
    input_gradient_ = p.scratch(x.size());
    return branches_[0].out.with_last(features);
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    each([&](const auto& layer, const branch& b, index_t first, index_t features) {
      const matrix<B> out = p.saved(b.output);
      layer.forward(p, x, out);
      const index_t n = b.out.last();
      const matrix<B> whole = with_columns(y, features);
      p.backend().copy(whole.block(0, first, whole.rows(), n),
                       const_matrix<B>(with_columns(out, n)));
    });
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    each([&](const auto& layer, const branch& b, index_t first, index_t features) {
      const index_t n = b.out.last();
      const matrix<B> dout = p.scratch(b.gradient);
      const const_matrix<B> whole = with_columns(dy, features);
      p.backend().copy(with_columns(dout, n), whole.block(0, first, whole.rows(), n));
      const bool is_first = first == 0;
      const matrix<B> din = dx.empty() || is_first ? dx : p.scratch(input_gradient_);
      layer.backward(p, x, const_matrix<B>(p.saved(b.output)), const_matrix<B>(dout), din);
      if (!dx.empty() && !is_first)
        p.backend().map(fn::plus{}, dx, const_matrix<B>(dx), const_matrix<B>(din));
    });
  }
  void describe(archive& a) const {
    layers_.each([&](const auto& layer) { a.child(layer); });
  }

 private:
  struct branch {
    shape out;
    saved_id output;
    scratch_id gradient;
  };

  /// f(layer, branch, first feature of its output, features of all) for each layer.
  template <class F>
  void each(const F& f) const {
    index_t features = 0;
    for (const branch& b : branches_) features += b.out.last();
    index_t first = 0;
    std::size_t i = 0;
    layers_.each([&](const auto& layer) {
      f(layer, branches_[i], first, features);
      first += branches_[i++].out.last();
    });
  }

  detail::layer_list<Layers...> layers_;
  std::vector<branch> branches_;
  scratch_id input_gradient_;
};

/// Copies of one layer one after another, each with parameters of its own.
template <class Layer>
class repeat {
 public:
  static constexpr const char* name = "repeat";

  /// Throws value_error unless times is at least 1.
  repeat(index_t times, const Layer& layer) : original_(layer), times_(times) {
    if (times < 1) detail::fail<value_error>("a layer is repeated at least once, got ", times);
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    copies_.emplace(std::vector<Layer>(static_cast<std::size_t>(times_), original_));
    return copies_->bind(p, in);
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    copies_->forward(p, x, y);
  }
  using row_layer = repeat;
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    return copies_->plan_row(p, y);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    copies_->backward(p, x, y, dy, dx);
  }
  void describe(archive& a) const {
    a.extent("times", times_);
    a.child(original_);
  }

 private:
  Layer original_;
  index_t times_;
  std::optional<sequence<std::vector<Layer>>> copies_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_SEQUENCE_HPP
