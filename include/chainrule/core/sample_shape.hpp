/// \file
/// `sample_shape`: the extents of one sample's axes, such as {784} or {28, 28, 1}.
///
/// A batch is a matrix with a row per sample; the elements of a sample lie in its row in row-major
/// order, with channels or features on the last axis.
///
///     constexpr sample_shape image{28, 28, 1};
///     image.size();       // 784 columns in a batch
///     image.last();       // 1 channel
///     to_string(image);   // "28x28x1"
///
/// See also core/shape.hpp (rows and columns of a matrix).
#ifndef CHAINRULE_CORE_SAMPLE_SHAPE_HPP
#define CHAINRULE_CORE_SAMPLE_SHAPE_HPP

#include <array>
#include <initializer_list>
#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// Up to `max_rank` extents of at least 1. A default-constructed shape has no axes and stands for
/// "not known".
class sample_shape {
 public:
  static constexpr index_t max_rank = 6;

  constexpr sample_shape() = default;
  /// Throws shape_error if there are more than `max_rank` extents, if one is below 1, or if their
  /// product overflows index_t.
  constexpr sample_shape(std::initializer_list<index_t> extents) {
    if (static_cast<index_t>(extents.size()) > max_rank)
      throw shape_error(
          detail::concat("a shape has at most ", max_rank, " axes, got ", extents.size()));
    for (const index_t n : extents) append(n);
  }

  [[nodiscard]] constexpr bool is_known() const { return rank_ > 0; }
  [[nodiscard]] constexpr index_t rank() const { return rank_; }
  /// The number of elements; 0 of a shape that is not known.
  [[nodiscard]] constexpr index_t size() const { return size_; }
  /// The extent of axis i, counted from 0; not checked.
  [[nodiscard]] constexpr index_t operator[](index_t i) const {
    return extents_[static_cast<std::size_t>(i)];
  }
  /// The extent of the last axis: features or channels; 0 of a shape that is not known.
  [[nodiscard]] constexpr index_t last() const { return rank_ == 0 ? 0 : (*this)[rank_ - 1]; }
  /// The product of all extents but the last: how often the last axis is repeated in a sample.
  [[nodiscard]] constexpr index_t positions() const { return rank_ == 0 ? 0 : size_ / last(); }
  /// The same axes with another last extent. Throws shape_error as the constructor does.
  [[nodiscard]] constexpr sample_shape with_last(index_t extent) const {
    sample_shape s;
    for (index_t i = 0; i + 1 < rank_; ++i) s.append((*this)[i]);
    s.append(extent);
    return s;
  }
  /// All elements on one axis.
  [[nodiscard]] constexpr sample_shape flattened() const {
    return is_known() ? sample_shape{size_} : sample_shape{};
  }

  friend constexpr bool operator==(const sample_shape&, const sample_shape&) = default;

 private:
  constexpr void append(index_t extent) {
    if (extent < 1)
      throw shape_error(detail::concat("the extents of a shape must be at least 1, got ", extent));
    size_ = detail::elements_of(rank_ == 0 ? 1 : size_, extent);
    extents_[static_cast<std::size_t>(rank_)] = extent;
    ++rank_;
  }

  std::array<index_t, static_cast<std::size_t>(max_rank)> extents_{};
  index_t rank_ = 0;
  index_t size_ = 0;
};

/// The extents with an x between them: "28x28x1".
[[nodiscard]] inline std::string to_string(const sample_shape& s) {
  std::string text;
  for (index_t i = 0; i < s.rank(); ++i) text += (i == 0 ? "" : "x") + std::to_string(s[i]);
  return text;
}

}  // namespace chainrule

#endif  // CHAINRULE_CORE_SAMPLE_SHAPE_HPP
