/// \file
/// The multiclass support vector machine: Σ_{j ≠ t} max(0, y_j - y_t + margin) for class t. Targets
/// are class numbers (n × 1). Source: J. Weston, C. Watkins, ESANN 1999.
#ifndef CHAINRULE_LOSSES_MULTICLASS_HINGE_HPP
#define CHAINRULE_LOSSES_MULTICLASS_HINGE_HPP

#include "chainrule/losses/loss.hpp"

namespace chainrule {

namespace terms {
/// y at the class's own column, 0 elsewhere.
struct score_of_class {
  constexpr auto operator()(const auto& y, const auto& label, const auto& column) const {
    return math::where(label == column, y, 0);
  }
};
/// max(0, y - own + margin) at the other columns.
struct class_hinge {
  double margin;
  constexpr auto operator()(const auto& y, const auto& own, const auto& label,
                            const auto& column) const {
    return math::where(label == column, 0, math::max(y - own + margin, 0));
  }
};
/// 1 at the other columns that come too close.
struct class_violation {
  double margin;
  constexpr auto operator()(const auto& y, const auto& own, const auto& label,
                            const auto& column) const {
    return math::where((label != column) & (y - own + margin > 0), 1, 0);
  }
};
/// scale × (1 per violating column, minus their count at the own column).
struct class_hinge_gradient {
  double margin;
  constexpr auto operator()(const auto& y, const auto& own, const auto& violations,
                            const auto& label, const auto& column, const auto& scale) const {
    return scale *
           math::where(label == column, -violations, math::where(y - own + margin > 0, 1, 0));
  }
};
}  // namespace terms

/// Hinge loss of several classes: the sum of max(0, margin + y_j - y_c) over j other than the class
/// c.
struct multiclass_hinge {
  static constexpr const char* name = "multiclass hinge";
  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }
  /// How far the target's output must be above all others.
  double margin = 1;

  template <backend B>
  void operator()(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                  matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const {
    if (y.cols() < 2 || kind_of_targets(name, y.shape(), t.shape()) != target_kind::classes)
      detail::fail<shape_error>(name, ": needs at least 2 outputs per sample and one class ",
                                "number as target, got outputs of ", to_string(y.shape()),
                                " and targets of ", to_string(t.shape()));
    const matrix<B> own = scratch.first.top_rows(y.rows());
    const matrix<B> violations = scratch.second.top_rows(y.rows());
    const const_matrix<B> columns = scratch.columns.view();
    be.reduce(reduction::sum{}, own, terms::score_of_class{}, y, t, columns);
    be.reduce(reduction::sum{}, losses, terms::class_hinge{margin}, y, own, t, columns);
    reject_unknown_classes(be, t, columns, losses);
    if (gradient.empty()) return;
    be.reduce(reduction::sum{}, violations, terms::class_violation{margin}, y, own, t, columns);
    be.map(terms::class_hinge_gradient{margin}, gradient, y, own, violations, t, columns, scale);
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_LOSSES_MULTICLASS_HINGE_HPP
