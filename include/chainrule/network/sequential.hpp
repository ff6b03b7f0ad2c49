/// \file
/// `sequential<B>`: a chain of layers that is only known at run time.
///
///     std::vector<layer_spec<cpu>> layers;
///     for (index_t width : widths) { layers.emplace_back(dense{in, width, relu{}}); in = width; }
///     layers.emplace_back(dense{in, 10});
///     sequential<cpu> net{cpu{}, layers};
///
/// The layers are those of `network`, each behind one virtual call per pass. To go on on another
/// backend, make the same layers there and `assign` the parameters.
#ifndef CHAINRULE_NETWORK_SEQUENTIAL_HPP
#define CHAINRULE_NETWORK_SEQUENTIAL_HPP

#include <memory>
#include <vector>

#include "chainrule/network/layer_stack.hpp"

namespace chainrule {

/// Any layer over backend B. A layer itself, by way of a virtual call.
template <backend B>
class any_layer {
 public:
  any_layer() = default;
  any_layer(const any_layer&) = delete;
  any_layer& operator=(const any_layer&) = delete;
  virtual ~any_layer() = default;

  [[nodiscard]] virtual index_t inputs() const = 0;
  [[nodiscard]] virtual index_t outputs() const = 0;
  [[nodiscard]] virtual index_t kept() const = 0;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual bool samples_are_independent() const = 0;
  virtual void forward(const B& be, const arena<B>& parameters, const_matrix<B> x, matrix<B> y,
                       matrix<B> kept, const layer_phase<B>& p) const = 0;
  virtual void backward(const B& be, const arena<B>& parameters, arena<B>& gradients,
                        const_matrix<B> x, const_matrix<B> y, const_matrix<B> kept, matrix<B> dy,
                        matrix<B> dx) const = 0;
};

namespace detail {
template <backend B, layer<B> L>
class erased_layer final : public any_layer<B> {
 public:
  explicit erased_layer(L l) : l_(std::move(l)) {}
  [[nodiscard]] index_t inputs() const override { return l_.inputs(); }
  [[nodiscard]] index_t outputs() const override { return l_.outputs(); }
  [[nodiscard]] index_t kept() const override { return l_.kept(); }
  [[nodiscard]] std::string name() const override { return l_.name(); }
  [[nodiscard]] bool samples_are_independent() const override {
    return chainrule::samples_are_independent(l_);
  }
  void forward(const B& be, const arena<B>& parameters, const_matrix<B> x, matrix<B> y,
               matrix<B> kept, const layer_phase<B>& p) const override {
    l_.forward(be, parameters, x, y, kept, p);
  }
  void backward(const B& be, const arena<B>& parameters, arena<B>& gradients, const_matrix<B> x,
                const_matrix<B> y, const_matrix<B> kept, matrix<B> dy,
                matrix<B> dx) const override {
    l_.backward(be, parameters, gradients, x, y, kept, dy, dx);
  }

 private:
  L l_;
};
}  // namespace detail

/// Any spec, ready to be bound over backend B.
template <backend B>
class layer_spec {
 public:
  template <class Spec>
  requires(!std::same_as<Spec, layer_spec>)
      layer_spec(const Spec& spec)  // NOLINT: implicit, so that lists of specs read well
      : holder_(new holder<Spec>(spec)) {}
  layer_spec(const layer_spec& other) : holder_(other.held().clone()) {}
  layer_spec(layer_spec&&) noexcept = default;
  layer_spec& operator=(layer_spec other) noexcept {
    holder_ = std::move(other.holder_);
    return *this;
  }
  ~layer_spec() = default;

  [[nodiscard]] std::unique_ptr<any_layer<B>> bind_behind(index_t features,
                                                          const std::string& previous,
                                                          parameter_plan& plan) const {
    return held().bind_behind(features, previous, plan);
  }
  /// Throws value_error, as all above do, if it was moved from.
  [[nodiscard]] std::string name() const { return held().name(); }

 private:
  struct concept_ {
    concept_() = default;
    concept_(const concept_&) = delete;
    concept_& operator=(const concept_&) = delete;
    virtual ~concept_() = default;
    [[nodiscard]] virtual std::unique_ptr<any_layer<B>> bind_behind(index_t, const std::string&,
                                                                    parameter_plan&) const = 0;
    [[nodiscard]] virtual std::string name() const = 0;
    [[nodiscard]] virtual concept_* clone() const = 0;
  };
  template <class Spec>
  struct holder final : concept_ {
    explicit holder(const Spec& s) : spec(s) {}
    [[nodiscard]] std::unique_ptr<any_layer<B>> bind_behind(index_t features,
                                                            const std::string& previous,
                                                            parameter_plan& plan) const override {
      auto bound = chainrule::bind_behind<B>(spec, features, previous, plan);
      return std::make_unique<detail::erased_layer<B, decltype(bound)>>(std::move(bound));
    }
    [[nodiscard]] std::string name() const override { return Spec::name; }
    [[nodiscard]] concept_* clone() const override { return new holder(spec); }
    Spec spec;
  };

  [[nodiscard]] const concept_& held() const {
    if (!holder_) throw value_error("this layer was moved from; use the one that it was moved to");
    return *holder_;
  }

  // Plain ownership, copied by cloning: a shared pointer would cost its machinery for every spec.
  std::unique_ptr<const concept_> holder_;
};

template <backend B>
class sequential : public layer_stack<sequential<B>, B> {
  using base = layer_stack<sequential, B>;

 public:
  /// Binds the specs one after another; parameters get their first values from seed 0. Throws
  /// shape_error if neighbours do not fit, value_error if there are none.
  sequential(const B& be, const std::vector<layer_spec<B>>& specs) : base(be) {
    if (specs.empty()) throw value_error("a network needs at least one layer");
    parameter_plan plan;
    std::string previous;
    for (const layer_spec<B>& spec : specs) {
      const index_t features = layers_.empty() ? dynamic : layers_.back()->outputs();
      layers_.push_back(spec.bind_behind(features, previous, plan));
      previous = spec.name();
    }
    base::finish(std::move(plan));
  }

  /// Calls f(number, layer) for each layer, first to last.
  template <class F>
  void each_layer(F&& f) const {
    for (std::size_t i = 0; i < layers_.size(); ++i) f(static_cast<index_t>(i), *layers_[i]);
  }
  /// The same, last to first.
  template <class F>
  void each_layer_reversed(F&& f) const {
    for (std::size_t i = layers_.size(); i-- > 0;) f(static_cast<index_t>(i), *layers_[i]);
  }

 private:
  std::vector<std::unique_ptr<any_layer<B>>> layers_;
};

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_SEQUENTIAL_HPP
