/// \file
/// `arena<B>`: all matrices of one kind (parameters, gradients, a moment of the optimizer) in one
/// piece of memory.
///
/// A plan hands out slices; every arena made from the plan has the same slices at the same places,
/// so that one pointwise kernel updates a whole network, one reduction measures its gradient and
/// one copy saves it. Weights come first and biases after them, because rules such as weight decay
/// treat the two differently.
///
///     arena_plan plan;
///     slice w = plan.add(role::weight, 784, 128);
///     arena<cpu> parameters(be, plan), gradients(be, plan);
///     be.map(fn::fill{0}, gradients[w]);
#ifndef CHAINRULE_MEMORY_ARENA_HPP
#define CHAINRULE_MEMORY_ARENA_HPP

#include <algorithm>
#include <array>
#include <vector>

#include "chainrule/memory/tensor.hpp"

namespace chainrule {

/// What a parameter is to an optimizer: weights multiply, biases are added.
enum class role : unsigned char { weight, bias };
inline constexpr std::array<role, 2> roles{role::weight, role::bias};

/// The place of a matrix in every arena of a plan.
struct slice {
  role kind = role::weight;
  index_t offset = 0;  // from the start of its region
  index_t rows = 0;
  index_t cols = 0;
};

/// Where the slices lie.
class arena_plan {
 public:
  /// Slices begin at multiples of so many elements: a cache line of floats.
  static constexpr index_t alignment = 16;

  /// The next slice of that kind, rows x cols. Throws shape_error if an extent is negative or all
  /// slices together have more elements than can be counted.
  slice add(role kind, index_t rows, index_t cols) {
    index_t& end = sizes_[static_cast<std::size_t>(kind)];
    const slice s{kind, end, rows, cols};
    const index_t size = (detail::elements_of(rows, cols) + alignment - 1) / alignment * alignment;
    if (size > detail::most_elements - this->size()) detail::refuse_extents(rows, cols);
    end += size;
    return s;
  }

  /// The elements of a region, padding included.
  [[nodiscard]] index_t size(role kind) const { return sizes_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] index_t size() const { return size(role::weight) + size(role::bias); }
  /// Where a region begins.
  [[nodiscard]] index_t begin(role kind) const {
    return kind == role::weight ? 0 : size(role::weight);
  }

 private:
  std::array<index_t, 2> sizes_{};
};

/// Memory for the slices of a plan. Padding between slices is 0 and stays so under every rule that
/// maps (0, 0) to 0.
template <backend B>
class arena {
 public:
  arena() = default;
  /// All elements are 0.
  arena(const B& be, const arena_plan& plan) : plan_(plan), elements_(be, 1, plan.size()) {
    be.map(fn::fill{0}, elements_.view());
  }

  /// The matrix at that place. Throws shape_error if the arena has no such place.
  [[nodiscard]] matrix<B> operator[](const slice& s) { return {at(all(), s), s.rows, s.cols}; }
  [[nodiscard]] const_matrix<B> operator[](const slice& s) const {
    return {at(all(), s), s.rows, s.cols};
  }

  /// Everything as one row, padding included.
  [[nodiscard]] matrix<B> all() { return elements_.view(); }
  [[nodiscard]] const_matrix<B> all() const { return elements_.view(); }
  /// The weights, or the biases, as one row.
  [[nodiscard]] matrix<B> region(role kind) {
    return all().block(0, plan_.begin(kind), 1, plan_.size(kind));
  }
  [[nodiscard]] const_matrix<B> region(role kind) const {
    return all().block(0, plan_.begin(kind), 1, plan_.size(kind));
  }
  [[nodiscard]] const arena_plan& plan() const { return plan_; }

 private:
  template <class Row>
  [[nodiscard]] auto at(Row all, const slice& s) const {
    const index_t first = plan_.begin(s.kind) + s.offset;
    if (first + s.rows * s.cols > all.cols())
      throw shape_error(detail::concat("an arena of ", all.cols(), " elements has no matrix of ",
                                       s.rows, "x", s.cols, " at ", first));
    return all.data() + first;
  }

  arena_plan plan_;
  tensor<B> elements_;
};

/// All elements on the host, as an arena of a plan of the same sizes takes them that may be on
/// another backend and of another scalar. Throws shape_error if the sizes differ, out_of_memory.
template <backend From, backend To>
[[nodiscard]] std::vector<scalar_t<To>> elements_for(const arena<To>& to, const From& from_be,
                                                     const arena<From>& from) {
  if (from.plan().size(role::weight) != to.plan().size(role::weight) ||
      from.plan().size(role::bias) != to.plan().size(role::bias))
    throw shape_error(detail::concat("the parameters to copy fill ", from.plan().size(),
                                     " places, those to copy to have ", to.plan().size(),
                                     "; the two networks must have the same layers"));
  const std::vector<scalar_t<From>> values = to_host(from_be, from.all());
  auto converted = detail::host_vector<scalar_t<To>>(to.all().cols());
  std::copy(values.begin(), values.end(), converted.begin());
  return converted;
}

/// Assigns all elements.
template <backend B>
void assign_elements(const B& be, arena<B>& to, const std::vector<scalar_t<B>>& elements) {
  be.upload(to.all(), matrix_view<const scalar_t<B>>(elements.data(), 1, to.all().cols()));
  be.synchronize();  // `elements` must live until they are read
}

}  // namespace chainrule

#endif  // CHAINRULE_MEMORY_ARENA_HPP
