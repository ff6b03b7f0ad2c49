/// \file
/// Layers that change the shape of samples and leave the order of their elements as it is.
///
///     network{cpu{}, input{28, 28, 1}, flatten{}, dense{10}}
///     reshape_to{7, 7, 16}
///
/// `input` states the shape of a network's samples; it stands first and takes no number.
#ifndef CHAINRULE_LAYERS_RESHAPE_HPP
#define CHAINRULE_LAYERS_RESHAPE_HPP

#include <concepts>

#include "chainrule/layers/layer.hpp"

namespace chainrule {

namespace detail {
/// The passes of a layer that leaves the elements and their order as they are.
struct copies_elements {
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    p.backend().copy(y, x);
  }
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    return p.row().copy(y.cols(), y.data());
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    if (!dx.empty()) p.backend().copy(dx, dy);
  }
};
}  // namespace detail

/// The shape of a network's samples.
class input : public detail::copies_elements {
 public:
  static constexpr const char* name = "input";

  /// Throws shape_error unless all extents are at least 1.
  template <std::convertible_to<index_t>... Extents>
  constexpr explicit input(Extents... extents) : shape_{static_cast<index_t>(extents)...} {}
  /// Samples of this shape.
  constexpr explicit input(const shape& s) : shape_(s) {}

  [[nodiscard]] shape bind(plan& p, const shape& in) const { return p.first_input(in, shape_); }
  void describe(archive& a) const { a.extent("shape", shape_); }

 private:
  shape shape_;
};

/// Gives samples another shape with as many elements; their order stays.
class reshape_to : public detail::copies_elements {
 public:
  static constexpr const char* name = "reshape_to";
  using row_layer = reshape_to;

  /// Throws shape_error unless all extents are at least 1.
  template <std::convertible_to<index_t>... Extents>
  constexpr explicit reshape_to(Extents... extents) : shape_{static_cast<index_t>(extents)...} {}
  /// Gives samples this shape.
  constexpr explicit reshape_to(const shape& s) : shape_(s) {}

  /// Throws shape_error if the numbers of elements differ.
  [[nodiscard]] shape bind(plan& p, const shape& in) const {
    const shape x = p.input(in, in.is_known() ? dynamic : shape_.size());
    if (x.size() != shape_.size())
      detail::fail<shape_error>(p.layer(), " cannot give samples of ", to_string(x), " the shape ",
                                to_string(shape_), ", which has another number of elements");
    return shape_;
  }
  void describe(archive& a) const { a.extent("shape", shape_); }

 private:
  shape shape_;
};

/// Joins all axes of a sample to one.
class flatten : public detail::copies_elements {
 public:
  static constexpr const char* name = "flatten";
  using row_layer = flatten;

  [[nodiscard]] shape bind(plan& p, const shape& in) const { return p.input(in).flattened(); }
  void describe(archive&) const {}
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_RESHAPE_HPP
