/// \file
/// `arena<B>`: all matrices of one kind (parameters, gradients, a moment of the optimizer) in one
/// block of memory.
///
/// A plan allocates slices; every arena of the plan has the same slices at the same offsets, so
/// that one pointwise kernel updates a whole network, one reduction gives the norm of its gradient
/// and one copy saves it. Slots with equal tags are contiguous: weights, which decay, before
/// biases.
///
///     arena_plan plan;
///     slice w = plan.add(weight_tags, 784, 128);
///     arena<cpu> parameters(be, plan), gradients(be, plan);
///     be.map(fn::fill{0}, gradients[w]);
#ifndef CHAINRULE_MEMORY_ARENA_HPP
#define CHAINRULE_MEMORY_ARENA_HPP

#include <algorithm>
#include <vector>

#include "chainrule/core/plain_vector.hpp"
#include "chainrule/memory/tensor.hpp"

namespace chainrule {

/// Properties of a slot that optimizers depend on. Slots with equal tags are contiguous in an
/// arena.
struct slot_tags {
  bool decay = true;    // weight decay applies: true for weights, false for biases
  bool frozen = false;  // updates leave the values and the optimizer's state unchanged
  int group = 0;        // the parameter group

  friend constexpr bool operator==(const slot_tags&, const slot_tags&) = default;
};

/// Tags of a weight: weight decay applies.
inline constexpr slot_tags weight_tags{};
/// Tags of a bias: weight decay does not apply.
inline constexpr slot_tags bias_tags{.decay = false};

/// The position of a matrix in every arena of a plan.
struct slice {
  index_t region = 0;  // of slots with equal tags
  index_t offset = 0;  // from the start of the region, in elements
  index_t rows = 0;
  index_t cols = 0;
};

/// The positions of slices: regions of equal tags one after another, with slots in the order of
/// their addition. The first two regions are those of weights and biases.
class arena_plan {
 public:
  /// The alignment of slices in elements: a cache line of floats.
  static constexpr index_t alignment = 16;

  /// Adds a slice of rows x cols with these tags. Throws shape_error if an extent is negative or
  /// the total number of elements overflows.
  slice add(const slot_tags& tags, index_t rows, index_t cols) {
    const index_t size = (detail::elements_of(rows, cols) + alignment - 1) / alignment * alignment;
    if (size > detail::most_elements - this->size()) detail::refuse_extents(rows, cols);
    std::size_t at = 0;
    while (at < regions_.size() && regions_[at].tags != tags) ++at;
    if (at == regions_.size()) regions_.push_back({tags, 0});
    const slice s{static_cast<index_t>(at), regions_[at].size, rows, cols};
    regions_[at].size += size;
    return s;
  }

  /// Number of regions, each with tags of its own.
  [[nodiscard]] index_t regions() const { return static_cast<index_t>(regions_.size()); }
  /// Tags of all parameters of a region.
  [[nodiscard]] const slot_tags& tags(index_t region) const { return at(region).tags; }
  /// Whether a region is frozen.
  [[nodiscard]] bool has_frozen() const {
    for (const tagged& r : regions_)
      if (r.tags.frozen) return true;
    return false;
  }
  /// The number of elements of a region, padding included.
  [[nodiscard]] index_t size(index_t region) const { return at(region).size; }
  [[nodiscard]] index_t size() const { return begin(regions()); }
  /// The offset of a region in elements.
  [[nodiscard]] index_t begin(index_t region) const {
    index_t first = 0;
    for (index_t i = 0; i < region && i < regions(); ++i) first += at(i).size;
    return first;
  }

  /// Whether arenas of both plans have the same regions.
  friend bool operator==(const arena_plan&, const arena_plan&) = default;

 private:
  struct tagged {
    slot_tags tags;
    index_t size = 0;
    friend bool operator==(const tagged&, const tagged&) = default;
  };
  [[nodiscard]] const tagged& at(index_t i) const { return regions_[static_cast<std::size_t>(i)]; }

  detail::plain_vector<tagged> regions_{{weight_tags, 0}, {bias_tags, 0}};
};

/// Memory for the slices of a plan. Padding between slices is 0 and stays so under every rule that
/// maps (0, 0) to 0.
template <backend B>
class arena {
 public:
  arena() = default;
  /// All elements are 0.
  arena(const B& be, const arena_plan& plan);

  /// The matrix of a slice. Throws shape_error if the slice is not within the arena.
  [[nodiscard]] matrix<B> operator[](const slice& s) { return {at(all(), s), s.rows, s.cols}; }
  /// The matrix of a slice, constant. Throws shape_error if the slice is not within the arena.
  [[nodiscard]] const_matrix<B> operator[](const slice& s) const {
    return {at(all(), s), s.rows, s.cols};
  }

  /// All elements as one row, padding included.
  [[nodiscard]] matrix<B> all() { return elements_.view(); }
  /// All elements as one row, padding included.
  [[nodiscard]] const_matrix<B> all() const { return elements_.view(); }
  /// One region as one row.
  [[nodiscard]] matrix<B> region(index_t i) {
    return all().block(0, plan_.begin(i), 1, plan_.size(i));
  }
  /// Elements of region i as one row.
  [[nodiscard]] const_matrix<B> region(index_t i) const {
    return all().block(0, plan_.begin(i), 1, plan_.size(i));
  }
  /// Places, names and tags of what the arena holds.
  [[nodiscard]] const arena_plan& plan() const { return plan_; }

 private:
  template <class Row>
  [[nodiscard]] auto at(Row all, const slice& s) const {
    const index_t first = plan_.begin(s.region) + s.offset;
    if (first + s.rows * s.cols > all.cols())
      detail::fail<shape_error>("an arena of ", all.cols(), " elements has no matrix of ", s.rows,
                                "x", s.cols, " at ", first);
    return all.data() + first;
  }

  arena_plan plan_;
  tensor<B> elements_;
};

template <backend B>
arena<B>::arena(const B& be, const arena_plan& plan) : plan_(plan), elements_(be, 1, plan.size()) {
  be.map(fn::fill{0}, elements_.view());
}

/// All elements on the host, converted for an arena of equal region sizes that may have another
/// backend and scalar. Throws shape_error if the sizes differ, out_of_memory.
template <backend From, backend To>
[[nodiscard]] std::vector<scalar_t<To>> elements_for(const arena<To>& to, const From& from_be,
                                                     const arena<From>& from) {
  if (from.plan() != to.plan())
    detail::fail<shape_error>("the parameters to copy fill ", from.plan().size(),
                              " places, those to copy to have ", to.plan().size(),
                              "; the two networks must have the same layers");
  const std::vector<scalar_t<From>> values = to_host(from_be, from.all());
  auto converted = detail::host_vector<scalar_t<To>>(to.all().cols());
  std::copy(values.begin(), values.end(), converted.begin());
  return converted;
}

/// Assigns all elements.
template <backend B>
void assign_elements(const B& be, arena<B>& to, const std::vector<scalar_t<B>>& elements) {
  be.upload(to.all(), matrix_view<const scalar_t<B>>(elements.data(), 1, to.all().cols()));
  be.synchronize();  // `elements` is destroyed when this returns
}

}  // namespace chainrule

#endif  // CHAINRULE_MEMORY_ARENA_HPP
