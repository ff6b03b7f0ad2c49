/// \file
/// Where the first number arises that is not finite: `find_anomaly`, `anomaly_detection`.
///
///     anomaly_detection where{t};
///     t.fit(train, {.callbacks = {&where}});
///     std::puts(where.report().c_str());   // step 7: layer 1 (dense + relu) makes outputs that
///     ...
///
/// For debugging: steps with the callback wait for the device. See also network/gradient_norms.hpp,
/// train/stop_conditions.hpp.
#ifndef CHAINRULE_TRAIN_ANOMALY_HPP
#define CHAINRULE_TRAIN_ANOMALY_HPP

#include <string>
#include <type_traits>

#include "chainrule/train/trainer.hpp"

namespace chainrule {

/// The first number that is not finite in a pass over a batch.
struct anomaly {
  index_t layer = -1;     // that makes it, or whose parameter it is; -1 for inputs, targets, loss
  bool backward = false;  // in the backward pass
  std::string what{};     // in words; empty if all numbers are finite

  /// Whether a number was found that is not finite.
  [[nodiscard]] explicit operator bool() const { return !what.empty(); }
};

/// Runs a forward and a backward pass of inputs x (n × inputs, scalars or indices) with targets t,
/// and looks at all numbers in their order: inputs, targets, parameters, the outputs of each layer,
/// losses, and gradients from the last layer to the first. The network is not changed. Throws as
/// forward and the loss do.
template <backend B, class Samples>
[[nodiscard]] anomaly find_anomaly(
    const network<B>& net, const std::type_identity_t<any_loss<B>>& loss, const Samples& x,
    const std::type_identity_t<const_matrix<B>>& t,
    const std::type_identity_t<pass_phase<B>>& what = phase::train(0, 0)) {
  const B& be = net.backend();
  tensor<B> largest(be, 1, 1);
  const auto is_finite = [&](const_matrix<B> m) {
    return detail::all_finite(be, m, largest.view());
  };
  const auto at_layer = [&](index_t i, bool backward, std::string_view problem) {
    const auto name = net.layers()[static_cast<std::size_t>(i)].name;
    return anomaly{i, backward, detail::concat("layer ", i, " (", name, ") ", problem)};
  };
  /// The first parameter of layer i, or of any with i = -1, that is not finite in `values`.
  const auto parameter_in = [&](const arena<B>& values, index_t i) -> const parameter* {
    for (const parameter& p : net.parameter_list())
      if ((i < 0 || std::stoll(p.name) == i) && !is_finite(values[p.place])) return &p;
    return nullptr;
  };

  if constexpr (!indices_of<Samples, B>)
    if (!is_finite(x)) return {-1, false, "the inputs are not finite"};
  if (!is_finite(t)) return {-1, false, "the targets are not finite"};
  if (const parameter* const p = parameter_in(net.parameters(), -1))
    return at_layer(
        std::stoll(p->name), false,
        detail::concat("has the parameter '", p->name, "', which is not finite before the pass"));

  anomaly found;
  pass<B> memory = net.make_pass(x.rows(), true);
  const const_matrix<B> y =
      net.trace_forward(x, memory, what, [&](index_t i, const_matrix<B> out, const auto& run) {
        run();
        if (!found && !is_finite(out))
          found = at_layer(i, false, "makes outputs that are not finite in the forward pass");
      });
  if (found) return found;

  loss_scratch<B> scratch(be, x.rows(), net.outputs());
  tensor<B> losses(be, x.rows(), 1);
  tensor<B> scale(be, 1, 1);
  be.map(fn::fill{1 / static_cast<double>(x.rows())}, scale.view());
  loss(be, y, t, const_matrix<B>(scale.view()), losses.view(), net.output_gradient(memory),
       scratch);
  const std::string of_loss = loss.traits().name;
  if (!is_finite(losses.view())) return {-1, false, of_loss + " makes losses that are not finite"};

  arena<B> gradients = net.make_gradients();
  tensor<B> dx(be, indices_of<Samples, B> ? 0 : x.rows(), net.inputs());
  net.trace_backward(
      x, memory, gradients, dx.view(), [&](index_t i, const_matrix<B> dy, const auto& run) {
        if (!found && !is_finite(dy))
          found = i + 1 == net.depth()
                      ? anomaly{-1, true, of_loss + " makes a gradient that is not finite"}
                      : at_layer(i + 1, true,
                                 "makes a gradient of its inputs that is not finite in the "
                                 "backward pass");
        run();
        if (const parameter* const p = found ? nullptr : parameter_in(gradients, i))
          found = at_layer(i, true,
                           detail::concat("makes a gradient of '", p->name,
                                          "' that is not finite in the backward pass"));
      });
  if (!found && !is_finite(dx.view()))
    found =
        at_layer(0, true, "makes a gradient of its inputs that is not finite in the backward pass");
  return found;
}

/// Stops a training at the first step whose gradients or loss are not finite, and runs find_anomaly
/// on its batch, of several batches that a step accumulates on the last. Reads a number of each
/// step's gradients and its loss.
template <backend B>
class anomaly_detection final : public gradient_callback<B> {
 public:
  /// `t` must outlive it.
  explicit anomaly_detection(trainer<B>& t) : trainer_(&t), largest_(t.net().backend(), 1, 1) {}

  void on_fit_begin(const fit_record&) override {
    report_.clear();
    found_ = {};
  }
  void before_update(const B& be, arena<B>& gradients) override {
    if (!report_.empty() || detail::all_finite(be, gradients.all(), largest_.view())) return;
    trainer_->visit_batch([&](auto x, const_matrix<B> t, const pass_phase<B>& p, const auto& loss) {
      found_ = find_anomaly(trainer_->net(), loss, x, t, p);
    });
    if (!found_) found_.what = "another batch of the step has gradients that are not finite";
    report_ = detail::concat("step ", trainer_->steps() + 1, ": ", found_.what);
  }
  void on_batch_end(const batch_record& r) override {
    if (!report_.empty() || detail::is_finite(r.loss())) return;
    found_.what =
        "the loss is not finite, although its gradients are; it is too large for a number";
    report_ = detail::concat("step ", r.step, ": ", found_.what);
  }
  [[nodiscard]] std::string_view should_stop() const override { return report_; }

  /// The step and what was found in words; empty if all was finite.
  [[nodiscard]] const std::string& report() const { return report_; }
  /// The first anomaly; its text is empty if there was none.
  [[nodiscard]] const anomaly& found() const { return found_; }

 private:
  trainer<B>* trainer_;
  tensor<B> largest_;
  std::string report_;
  anomaly found_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_ANOMALY_HPP
