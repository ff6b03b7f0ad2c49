/// \file
/// `dataset<B>`: samples and their targets, where backend B can gather batches from them.
///
///     dataset<cpu> train(be, digits.train);                     // bytes, scaled to [0, 1]
///     dataset<cpu> curve(be, inputs, targets);                  // numbers to numbers
///
/// Bytes stay bytes until a batch is gathered. On a backend whose memory is the host's, inputs are
/// used where they lie, so they must outlive the dataset; elsewhere they are copied once.
#ifndef CHAINRULE_TRAIN_DATASET_HPP
#define CHAINRULE_TRAIN_DATASET_HPP

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "chainrule/data/images.hpp"
#include "chainrule/memory/tensor.hpp"

namespace chainrule {

template <backend B>
class dataset {
  using scalar = scalar_t<B>;

 public:
  /// Images with their classes; inputs are the pixels times `scale`.
  dataset(const B& be, const labelled_images& images, double scale = 1.0 / 255)
      : dataset(be, images.view(), images.labels, images.classes, scale) {}
  dataset(const B&, labelled_images&&, double = 0) = delete;  // it would be gone at once

  /// Samples (n × features) of bytes or scalars, times `scale`, with a class number each. Throws
  /// shape_error if the counts differ, value_error if a label is not in 0, ..., classes - 1.
  template <class Element, class Label>
  dataset(const B& be, matrix_view<const Element> inputs, const std::vector<Label>& labels,
          int classes, double scale = 1)
      : be_(be), classes_(classes), scale_(scale) {
    if (static_cast<index_t>(labels.size()) != inputs.rows())
      throw shape_error(detail::concat("a data set needs one label per sample, got ", labels.size(),
                                       " labels for ", inputs.rows(), " samples"));
    std::vector<scalar> targets;
    targets.reserve(labels.size());
    for (const Label& label : labels) {
      const auto number = static_cast<int>(label);
      if (number < 0 || number >= classes)
        throw value_error(detail::concat("the label of sample ", targets.size(), " is ", number,
                                         ", expected 0 to ", classes - 1));
      targets.push_back(static_cast<scalar>(number));
    }
    hold(inputs);
    targets_ = from_host(
        be, matrix_view<const scalar>(targets.data(), static_cast<index_t>(targets.size()), 1));
    be.synchronize();
  }

  /// Samples (n × features) with targets (n × outputs). Throws shape_error if the counts differ.
  template <class Element>
  dataset(const B& be, matrix_view<const Element> inputs, matrix_view<const scalar> targets,
          double scale = 1)
      : be_(be), scale_(scale) {
    if (targets.rows() != inputs.rows())
      throw shape_error(detail::concat("a data set needs one row of targets per sample, got ",
                                       targets.rows(), " rows for ", inputs.rows(), " samples"));
    hold(inputs);
    targets_ = from_host(be, targets);
    be.synchronize();
  }

  [[nodiscard]] index_t count() const { return targets_.rows(); }
  [[nodiscard]] index_t features() const { return bytes_.cols() + numbers_.cols(); }
  /// The number of classes; 0 if the targets are values.
  [[nodiscard]] int classes() const { return classes_; }
  /// The columns of the targets: 1 for classes.
  [[nodiscard]] index_t target_cols() const { return targets_.cols(); }
  /// All targets: count × target_cols.
  [[nodiscard]] const_matrix<B> targets() const { return targets_.view(); }

  /// Assigns the samples of those numbers to x and their targets to t.
  template <class Rows>
  void gather(const Rows& rows, matrix<B> x, matrix<B> t) const {
    const fn::affine scaled{scale_, 0};
    if (bytes_.empty())
      be_.gather(x, numbers_, rows, scaled);
    else
      be_.gather(x, bytes_, rows, scaled);
    be_.gather(t, targets_.view(), rows);
  }

 private:
  void hold(matrix_view<const std::uint8_t> inputs) { hold(inputs, bytes_, byte_storage_); }
  void hold(matrix_view<const scalar> inputs) { hold(inputs, numbers_, number_storage_); }

  template <class Element, class View, class Storage>
  void hold(matrix_view<const Element> inputs, View& view, Storage& storage) {
    if constexpr (requires { requires B::host_memory; }) {
      view = inputs;
    } else {
      storage = be_.template allocate<Element>(inputs.size());
      be_.upload(typename B::template view<Element>(storage.data(), inputs.rows(), inputs.cols()),
                 inputs);
      view = typename B::template view<const Element>(storage.data(), inputs.rows(), inputs.cols());
    }
  }

  B be_;
  int classes_ = 0;
  double scale_ = 1;
  typename B::template storage<std::uint8_t> byte_storage_;
  typename B::template storage<scalar> number_storage_;
  typename B::template view<const std::uint8_t> bytes_;
  const_matrix<B> numbers_;
  tensor<B> targets_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_DATASET_HPP
