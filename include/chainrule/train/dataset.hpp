/// \file
/// `dataset<B>`: samples and their targets, where backend B can gather batches from them.
///
///     dataset<cpu> train(be, digits.train);                     // bytes, scaled to [0, 1]
///     dataset<cpu> curve(be, inputs, targets);                  // numbers to numbers
///     dataset<cpu> texts(be, tokens, labels, 2);                // std::int32_t: see embedding
///     dataset<cpu> rows(be, t.values({"a", "b"}), t.values({"price"}));   // see data/table.hpp
///     dataset<cpu> part = rows.subset(numbers);                 // shares the memory
///     dataset<cpu> even = train.weighted_by_class(balanced_class_weights(train));
///
///     dataset<cpu> photos(be, images, measure_channels(images));  // see data/normalization.hpp
///     dataset<opencl> large(be, images, 1.0 / 255, {.inputs = residence::streamed});
///
/// Bytes stay bytes until a batch is gathered; indices stay indices, and -1 is padding. On a
/// backend whose memory is the host's, inputs that are given as views are used where they lie, so
/// they must outlive the dataset; elsewhere they are copied once, unless they are streamed: then
/// they too are used where they lie. A host_matrix, and what converts to one (vectors, Eigen
/// matrices), is always copied. See also train/data_loader.hpp.
#ifndef CHAINRULE_TRAIN_DATASET_HPP
#define CHAINRULE_TRAIN_DATASET_HPP

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "chainrule/backend/device/runtime.hpp"
#include "chainrule/core/class_number.hpp"
#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/data/host_matrix.hpp"
#include "chainrule/data/images.hpp"
#include "chainrule/data/normalization.hpp"
#include "chainrule/memory/tensor.hpp"

namespace chainrule {

template <backend B>
class dataset;

namespace detail {
struct no_counted_rows {};
template <class B>
struct counted_rows {
  using type = no_counted_rows;
};
template <has_device_counter B>
struct counted_rows<B> {
  using type = typename B::counted_rows;
};
template <class B>
using counted_rows_of = typename counted_rows<B>::type;

template <backend B>
class host_batches;
template <backend B, class T>
[[nodiscard]] unique<host_batches<B>> make_host_batches(const B& be, index_t capacity,
                                                        index_t features);
}  // namespace detail

/// Where the inputs of a data set are kept, if the backend's memory is not the host's.
enum class residence : unsigned char {
  automatic,  // resident if they take no more than a fraction of the device's memory, else streamed
  resident,   // in the backend's memory, where they are copied once
  streamed    // where the caller has them; the host gathers each batch and sends it
};

namespace detail {
struct factor_and_shift {
  constexpr auto operator()(const auto& x, const auto& scale, const auto& shift) const {
    return scale * x + shift;
  }
};
/// w x, and 0 where w is 0, even if x is NaN.
struct weighted {
  constexpr auto operator()(const auto& x, const auto& w) const {
    return math::where(w > 0, w * x, 0);
  }
};
}  // namespace detail

struct dataset_options {
  /// Where the inputs are kept: on the device, or streamed from the host.
  residence inputs = residence::automatic;
  double fraction_of_memory = 0.5;  // that automatic inputs may take; they also must find room
  shape sample{};                   // of a sample, if its elements lie on more than one axis
};

/// Samples and targets. Copies share the memory, which is not changed.
template <backend B>
class dataset {
  using scalar = scalar_t<B>;
  using indices = typename B::template view<std::int32_t>;

 public:
  /// Whether there is a difference between resident and streamed inputs.
  static constexpr bool can_stream = !requires { requires B::host_memory; };

  /// Images with their classes; inputs are the pixels times a scale, or normalized.
  dataset(const B& be, const labelled_images& images, const normalization& scale = 1.0 / 255,
          const dataset_options& options = {})
      : dataset(be, images.view(), images.labels, images.classes, scale,
                {options.inputs, options.fraction_of_memory,
                 options.sample.is_known() ? options.sample : images.sample_shape()}) {}
  /// Deleted: the images must outlive the data set, and these would not.
  dataset(const B&, labelled_images&&, const normalization& = {},
          const dataset_options& = {}) = delete;  // it would be gone at once

  /// Samples (n × features) of bytes or scalars, times a scale or normalized, or of indices
  /// (std::int32_t), with a class number each, of any arithmetic type. Throws shape_error if the
  /// counts differ or samples do not have the shape of the options, value_error if a label is not a
  /// whole number of 0, ..., classes - 1, if there are no classes, if an index is below -1 or if
  /// indices have a scale.
  template <class Element, class Label>
  [[gnu::noinline]] dataset(const B& be, matrix_view<Element> inputs,
                            const std::vector<Label>& labels, int classes,
                            const normalization& scale = {}, const dataset_options& options = {})
      : be_(be), classes_(classes) {
    if (static_cast<index_t>(labels.size()) != inputs.rows())
      detail::fail<shape_error>("a data set needs one label per sample, got ", labels.size(),
                                " labels for ", inputs.rows(), " samples");
    if (classes < 1 && !labels.empty())
      detail::fail<value_error>("a data set with labels needs at least 1 class, got ", classes);
    std::vector<scalar> targets;
    targets.reserve(labels.size());
    for (const Label label : labels)
      targets.push_back(static_cast<scalar>(detail::class_number(label, targets.size(), classes)));
    hold(inputs, scale, options);
    hold_targets(matrix_view<const scalar>(targets.data(), inputs.rows(), 1));
  }

  /// Samples (n × features) with targets (n × outputs). Throws shape_error if the counts differ,
  /// value_error as above.
  template <class Element>
  dataset(const B& be, matrix_view<Element> inputs, matrix_view<const scalar> targets,
          const normalization& scale = {}, const dataset_options& options = {})
      : be_(be) {
    if (targets.rows() != inputs.rows())
      detail::fail<shape_error>("a data set needs one row of targets per sample, got ",
                                targets.rows(), " rows for ", inputs.rows(), " samples");
    hold(inputs, scale, options);
    hold_targets(targets);
  }

  /// Samples (n × features) without targets, for predictions.
  template <class Element>
  dataset(const B& be, matrix_view<Element> inputs, const normalization& scale = {},
          const dataset_options& options = {})
      : be_(be) {
    hold(inputs, scale, options);
    hold_targets({nullptr, inputs.rows(), 0});
  }

  /// Samples (n × features) with targets (n × outputs), with class numbers, or without targets; in
  /// memory of its own, in the backend's scalar. Throws as above, and value_error if a number is
  /// too large for the scalar.
  dataset(const B& be, const host_matrix& inputs, const host_matrix& targets,
          const dataset_options& options = {})
      : dataset(scalars(inputs), be, scalars(targets).view(), normalization{}, options) {}
  /// Samples (n × features) with a class number each, in memory of its own.
  template <class Label>
  dataset(const B& be, const host_matrix& inputs, const std::vector<Label>& labels, int classes,
          const dataset_options& options = {})
      : dataset(scalars(inputs), be, labels, classes, normalization{}, options) {}
  /// Samples (n × features) without targets, in memory of its own.
  explicit dataset(const B& be, const host_matrix& inputs, const dataset_options& options = {})
      : dataset(scalars(inputs), be, normalization{}, options) {}

  /// The samples of those numbers, in that order; a number may occur more than once. Nothing but
  /// the numbers is copied: memory of the data set is shared, what it borrows must outlive the
  /// subset as well. Throws value_error if there is no such sample.
  [[nodiscard]] dataset subset(std::span<const std::int32_t> numbers) const {
    auto rows = detail::make_shared<std::vector<std::int32_t>>(numbers.begin(), numbers.end());
    for (std::int32_t& row : *rows) {
      if (row < 0 || row >= count())
        detail::fail<value_error>("a subset names sample ", row, " of a data set of ", count(),
                                  " samples");
      row = row_of(row);
    }
    dataset part = *this;
    part.rows_ = std::move(rows);
    return part;
  }

  /// The same samples, in shared memory, with a weight each, which multiplies the loss of the
  /// sample and its gradient; in the place of weights that they had. A sample of weight 0 does not
  /// count, even if its loss is NaN. Throws shape_error unless there is one weight per sample,
  /// value_error if one is below 0 or not finite, or if a subset has a sample twice with two
  /// weights.
  [[nodiscard]] dataset weighted(const std::vector<double>& weights) const {
    if (static_cast<index_t>(weights.size()) != count())
      detail::fail<shape_error>("a data set needs one weight per sample, got ", weights.size(),
                                " weights for ", count(), " samples");
    auto of_rows = detail::host_vector<scalar>(targets().rows());
    std::vector<bool> seen(of_rows.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto weight = static_cast<scalar>(weights[i]);
      if (!(weight >= 0) || !detail::is_finite(weight))
        detail::fail<value_error>("the weight of a sample must be finite and at least 0, ",
                                  "that of sample ", i, " is ", weights[i]);
      const auto row = static_cast<std::size_t>(row_of(static_cast<std::int32_t>(i)));
      if (seen[row] && of_rows[row] != weight)
        detail::fail<value_error>("a sample that a subset names twice has one weight, ", "sample ",
                                  i, " has ", weights[i], " and before it ", of_rows[row]);
      seen[row] = true;
      of_rows[row] = weight;
    }
    dataset result = *this;
    result.weights_ = detail::make_shared<tensor<B>>(
        from_host(be_, matrix_view<const scalar>(of_rows.data(), targets().rows(), 1)));
    be_.synchronize();
    result.weigh_ = [](const B& be, const_matrix<B> w, matrix<B> losses, matrix<B> gradients) {
      be.map(detail::weighted{}, losses, losses, w);
      if (!gradients.empty()) be.map(detail::weighted{}, gradients, gradients, w);
    };
    return result;
  }
  /// The same samples with the weight of their class: see weighted. Throws value_error if the
  /// targets are no classes, shape_error unless there is one weight per class.
  [[nodiscard]] dataset weighted_by_class(const std::vector<double>& weights) const {
    const std::vector<std::int32_t> classes = classes_of_samples();
    if (static_cast<index_t>(weights.size()) != classes_)
      detail::fail<shape_error>("a data set needs one weight per class, got ", weights.size(),
                                " weights for ", classes_, " classes");
    std::vector<double> of_samples;
    of_samples.reserve(classes.size());
    for (const std::int32_t c : classes) of_samples.push_back(weights[static_cast<std::size_t>(c)]);
    return weighted(of_samples);
  }
  /// Whether the samples have weights.
  [[nodiscard]] bool is_weighted() const { return static_cast<bool>(weights_); }
  /// The weights of the rows that row_of names; empty without weights. Reads the backend's memory.
  [[nodiscard]] std::vector<scalar> weights_of_rows() const {
    return is_weighted() ? to_host(be_, view_of(weights_)) : std::vector<scalar>();
  }
  /// The class of each sample. Throws value_error if the targets are no classes. Reads the
  /// backend's memory.
  [[nodiscard]] std::vector<std::int32_t> classes_of_samples() const {
    if (classes_ == 0)
      detail::fail<value_error>(
          "the targets of this data set are values, not classes; make it of labels and the number "
          "of classes");
    const std::vector<scalar> of_rows = to_host(be_, targets());
    std::vector<std::int32_t> classes;
    for (std::int32_t i = 0; i < count(); ++i)
      classes.push_back(static_cast<std::int32_t>(of_rows[static_cast<std::size_t>(row_of(i))]));
    return classes;
  }

  /// Says what is wrong where the targets are of another type.
  template <class Element, class Target>
  requires(!std::same_as<std::remove_const_t<Target>, scalar>)
      dataset(const B&, matrix_view<Element>, matrix_view<Target>, const normalization& = {},
              const dataset_options& = {}) {
    static_assert(std::same_as<Target, scalar>,
                  "chainrule: the targets of a data set are of the backend's scalar (float of cpu, "
                  "double of basic_cpu<double>); convert them, or take the other backend");
  }

  [[nodiscard, gnu::noinline]] index_t count() const {
    return !rows_ ? targets().rows() : static_cast<index_t>(rows_->size());
  }
  /// The row of a sample, which gather() takes: that of a subset is its number in the whole data
  /// set, else it is the number itself.
  [[nodiscard]] std::int32_t row_of(std::int32_t sample) const {
    return !rows_ ? sample : (*rows_)[static_cast<std::size_t>(sample)];
  }
  /// Number of elements of a sample.
  [[nodiscard]] index_t features() const { return features_; }
  /// The shape of a sample: {height, width, channels} of images, as the options say, or {features};
  /// not known without features.
  [[nodiscard]] const shape& sample_shape() const { return sample_; }
  /// Whether the inputs are indices, for networks that take them.
  [[nodiscard]] bool has_indices() const { return has_indices_; }
  /// The largest index of the inputs, see network::require_indices; -1 if there is none.
  [[nodiscard]] index_t largest_index() const { return largest_index_; }
  /// Whether the inputs lie in the backend's memory; else they are streamed.
  [[nodiscard]] bool is_resident() const { return is_resident_; }
  /// The number of classes; 0 if the targets are values.
  [[nodiscard]] int classes() const { return classes_; }
  /// The columns of the targets: 1 for classes, 0 without targets.
  [[nodiscard]] index_t target_cols() const { return targets().cols(); }
  /// All targets: count × target_cols; of a subset, those of the whole data set.
  [[nodiscard]] const_matrix<B> targets() const { return view_of(targets_); }

  /// Assigns those rows of `from`, scaled or normalized as the inputs are, to x.
  template <class Element, class Rows>
  void gather_scaled(const Rows& rows, typename B::template view<const Element> from,
                     matrix<B> x) const {
    be_.gather(x, from, rows, scaling_);
    const const_matrix<B> channels = view_of(channels_);
    if (channels.empty()) return;
    const auto factor = channels.middle_rows(0, 1);
    const auto shift = channels.middle_rows(1, 1);
    be_.map(detail::factor_and_shift{}, x, const_matrix<B>(x), factor, shift);
  }

  /// Assigns the samples of those rows to x and their targets to t. Throws value_error if the
  /// inputs are streamed, which a data_loader gathers, or if they are indices.
  template <class Rows>
  void gather(const Rows& rows, matrix<B> x, matrix<B> t) const {
    require_resident();
    require_inputs(false);
    if (bytes_.resident.empty())
      gather_from(rows, numbers_.resident, x, t);
    else
      gather_from(rows, bytes_.resident, x, t);
  }
  /// Assigns the indices of the samples of those rows to x and their targets to t. Throws
  /// value_error if the inputs are streamed, or if they are not indices.
  template <class Rows>
  void gather(const Rows& rows, indices x, matrix<B> t) const {
    require_resident();
    require_inputs(true);
    be_.gather(x, indices_.resident, rows);
    gather_targets(rows, t);
  }
  /// Assigns the samples of those rows to x, or to `i` where they are indices, and their targets to
  /// t. Compiled for inputs of the type that a data set was made of, and for no other.
  void gather(const indices& rows, matrix<B> x, indices i, matrix<B> t) const {
    require_resident();
    gather_(*this, rows, x, i, t);
  }
  /// Assigns the samples and targets of the rows from the number on that the backend counts, as
  /// gather(rows, x, i, t) does those of `rows`.
  void gather(const detail::counted_rows_of<B>& rows, matrix<B> x, indices i, matrix<B> t) const {
    require_resident();
    gather_counted_(*this, rows, x, i, t);
  }
  /// What makes the batches that the host gathers: one function for each type of inputs.
  [[nodiscard]] auto maker_of_host_batches() const { return make_host_batches_; }
  /// Throws value_error unless the inputs are indices, or scalars if not `as_indices`.
  void require_inputs(bool as_indices) const {
    if (as_indices != has_indices_)
      detail::fail<value_error>(has_indices_
                                    ? "the inputs of this data set are indices, not scalars"
                                    : "the inputs of this data set are scalars, not indices");
  }
  /// Assigns the targets of the samples of those rows to t.
  template <class Rows>
  void gather_targets(const Rows& rows, matrix<B> t) const {
    if (target_cols() > 0) be_.gather(t, targets(), rows);
  }
  /// Assigns the weights of the samples of those rows to w (n × 1). The samples must have weights.
  template <class Rows>
  void gather_weights(const Rows& rows, matrix<B> w) const {
    be_.gather(w, view_of(weights_), rows);
  }
  /// Multiplies losses (n × 1), and gradients (n × any) unless there are none, by the weights w
  /// (n × 1). The samples must have weights.
  void weigh(const_matrix<B> w, matrix<B> losses, matrix<B> gradients) const {
    weigh_(be_, w, losses, gradients);
  }

  /// f(bytes) for the memory of inputs, targets and weights, piece by piece in a fixed order, and
  /// for the numbers of a subset: for checksums. Reads all of it, also from a device.
  template <class F>
  void visit_bytes(const F& f) const {
    const auto rows = [&](auto m) {
      const auto count = static_cast<std::size_t>(m.cols());
      for (index_t i = 0; i < m.rows(); ++i) f(std::as_bytes(std::span(&m(i, 0), count)));
    };
    const auto all = [&](auto m) {
      using T = std::remove_const_t<typename decltype(m)::value_type>;
      constexpr index_t at_once = 4096;
      for (index_t i = 0; i < m.rows() && m.cols() > 0; i += at_once) {
        const index_t n = std::min(at_once, m.rows() - i);
        auto host = detail::host_vector<T>(n * m.cols());
        be_.download(matrix_view<T>(host.data(), n, m.cols()), m.middle_rows(i, n));
        be_.synchronize();
        f(std::as_bytes(std::span(host)));
      }
    };
    if (is_on_host())
      visit_host(rows);
    else
      all(bytes_.resident), all(indices_.resident), all(numbers_.resident);
    all(targets());
    all(view_of(weights_));
    const double scale[] = {scaling_.scale, scaling_.shift};
    f(std::as_bytes(std::span(scale)));
    all(view_of(channels_));
    if (rows_) f(std::as_bytes(std::span(*rows_)));
  }

  /// What holds NaN or infinity, "the inputs of sample 5" or "the targets of sample 5"; "" if
  /// nothing does. Reads all of it, also from a device.
  [[nodiscard, gnu::cold, gnu::noinline]] std::string what_is_not_finite() const {
    const detail::plain_vector<bool> used = rows_in_use();
    index_t row = first_not_finite(numbers_.resident, used);
    visit_host([&]<class T>(matrix_view<const T> inputs) {
      if constexpr (std::floating_point<T>)
        if (row < 0) row = row_not_finite(inputs, 0, used);
    });
    if (row >= 0) return detail::concat("the inputs of sample ", sample_of(row));
    row = first_not_finite(targets(), used);
    return row < 0 ? std::string() : detail::concat("the targets of sample ", sample_of(row));
  }

  /// Whether the host can read the inputs: they are streamed, or its memory is the backend's.
  [[nodiscard]] bool is_on_host() const { return !can_stream || !is_resident_; }
  /// The inputs where the caller has them, if they are on the host and of this type.
  template <class T>
  [[nodiscard]] matrix_view<const T> host_inputs() const {
    if constexpr (std::same_as<T, std::uint8_t>)
      return bytes_.host;
    else if constexpr (std::same_as<T, std::int32_t>)
      return indices_.host;
    else
      return numbers_.host;
  }
  /// Calls `visit` with the inputs where the caller has them, of bytes, indices or scalars; without
  /// elements unless they are on the host.
  template <class Visit>
  void visit_host(Visit&& visit) const {
    if (has_indices_)
      visit(indices_.host);
    else if (bytes_.host.cols() > 0)
      visit(bytes_.host);
    else
      visit(numbers_.host);
  }

 private:
  /// A host_matrix in the scalar, in memory that copies share.
  struct scalars {
    explicit scalars(const host_matrix& m) : rows(m.rows()), cols(m.cols()) {
      std::vector<scalar> converted;
      converted.reserve(static_cast<std::size_t>(m.rows() * m.cols()));
      for (index_t i = 0; i < rows; ++i)
        for (index_t j = 0; j < cols; ++j) {
          converted.push_back(static_cast<scalar>(m(i, j)));
          if (detail::is_finite(m(i, j)) && !detail::is_finite(converted.back()))
            detail::fail<value_error>("sample ", i, " has ", m(i, j), " in column ", j,
                                      ", too large for the backend's scalar; scale it");
        }
      memory = detail::make_shared<const std::vector<scalar>>(std::move(converted));
    }
    [[nodiscard]] matrix_view<const scalar> view() const { return {memory->data(), rows, cols}; }
    index_t rows, cols;
    detail::shared<const std::vector<scalar>> memory;
  };
  template <class... Rest>
  dataset(const scalars& inputs, const B& be, const Rest&... rest)
      : dataset(be, inputs.view(), rest...) {
    if (is_on_host()) own_ = inputs.memory;
  }

  template <class Element, class Rows>
  void gather_from(const Rows& rows, typename B::template view<const Element> inputs, matrix<B> x,
                   matrix<B> t) const {
    const const_matrix<B> all = targets();
    if constexpr (requires { be_.gather_pair(x, inputs, t, all, rows, scaling_); })
      if (target_cols() > 0 && !channels_)
        return be_.gather_pair(x, inputs, t, all, rows, scaling_);
    gather_scaled<Element>(rows, inputs, x);
    gather_targets(rows, t);
  }
  template <class Element, class Rows>
  static void gather_inputs(const dataset& d, const Rows& rows, matrix<B> x, indices i,
                            matrix<B> t) {
    if constexpr (std::same_as<Element, std::int32_t>) {
      d.be_.gather(i, d.indices_.resident, rows);
      d.gather_targets(rows, t);
    } else if constexpr (std::same_as<Element, std::uint8_t>) {
      d.gather_from<Element>(rows, d.bytes_.resident, x, t);
    } else {
      d.gather_from<Element>(rows, d.numbers_.resident, x, t);
    }
  }

  void hold_targets(matrix_view<const scalar> targets) {
    targets_ = detail::make_shared<tensor<B>>(from_host(be_, targets));
    be_.synchronize();
  }
  [[nodiscard]] static const_matrix<B> view_of(const detail::shared<const tensor<B>>& t) {
    return t ? t->view() : const_matrix<B>{};  // none if it was moved from
  }

  template <class Element>
  void hold(matrix_view<Element> inputs, const normalization& scale,
            const dataset_options& options) {
    using U = std::remove_const_t<Element>;
    static_assert(
        std::same_as<U, std::uint8_t> || std::same_as<U, std::int32_t> || std::same_as<U, scalar>,
        "chainrule: the inputs of a data set are bytes (std::uint8_t), indices (std::int32_t) or "
        "of "
        "the backend's scalar (float of cpu, double of basic_cpu<double>); convert them, or take "
        "the other backend");
    const matrix_view<const U> read_only = inputs;
    gather_ = &gather_inputs<U, indices>;
    if constexpr (has_device_counter<B>)
      gather_counted_ = &gather_inputs<U, detail::counted_rows_of<B>>;
    make_host_batches_ = &detail::make_host_batches<B, U>;
    set_shape(inputs.cols(), options.sample);
    if constexpr (std::same_as<U, std::int32_t>)
      require_indices(read_only, scale);
    else
      set_scaling(scale);
    if constexpr (std::same_as<U, std::uint8_t>)
      hold(read_only, options, bytes_);
    else if constexpr (std::same_as<U, std::int32_t>)
      hold(read_only, options, indices_);
    else if constexpr (std::same_as<U, scalar>)
      hold(read_only, options, numbers_);
  }

  /// Inputs of one type, in the backend's memory or where the caller has them.
  template <class Element>
  struct source {
    detail::shared<typename B::template storage<Element>> storage;
    typename B::template view<const Element> resident;
    matrix_view<const Element> host;  // if it is not in another memory
  };

  template <class Element>
  void hold(matrix_view<const Element> inputs, const dataset_options& options,
            source<Element>& held) {
    if constexpr (can_stream) {
      is_resident_ = wants_resident(inputs.size() * static_cast<index_t>(sizeof(Element)), options);
      try {
        if (is_resident_)
          held.storage = detail::make_shared<typename B::template storage<Element>>(
              be_.template allocate<Element>(inputs.size()));
      } catch (const out_of_memory&) {  // a device may also limit what one buffer can hold
        if (options.inputs == residence::resident) throw;
        is_resident_ = false;
      }
      if (!is_resident_) {
        held.host = inputs;
        return;
      }
      const typename B::template view<Element> all(held.storage->data(), inputs.rows(),
                                                   inputs.cols());
      be_.upload(all, inputs);
      held.resident = all;
    } else {
      held.resident = held.host = inputs;
    }
  }

  void set_shape(index_t features, const shape& sample) {
    features_ = features;
    if (sample.is_known() && sample.size() != features)
      detail::fail<shape_error>("samples of shape ", to_string(sample), " have ", sample.size(),
                                " features, those of the data set have ", features);
    sample_ = sample.is_known() || features == 0 ? sample : shape{features};
  }
  /// One functor is enough for all elements, unless channels differ: then a factor and a shift for
  /// each feature follow it.
  [[gnu::noinline]] void set_scaling(const normalization& n);
  void require_indices(matrix_view<const std::int32_t> inputs, const normalization& n) {
    has_indices_ = true;
    if (n.scale != 1 || !n.mean.empty())
      detail::fail<value_error>(
          "the inputs of a data set are indices, which have no scale, "
          "got ",
          n.scale, "; leave it at 1");
    for (index_t i = 0; i < inputs.rows(); ++i)
      for (index_t j = 0; j < inputs.cols(); ++j) {
        if (inputs(i, j) < -1)
          detail::fail<value_error>(
              "the indices of a data set are -1 (padding), 0, 1, ..., "
              "sample ",
              i, " has ", inputs(i, j));
        largest_index_ = std::max<index_t>(largest_index_, inputs(i, j));
      }
  }
  void require_resident() const {
    if (!is_resident_)
      detail::fail<value_error>(
          "the inputs of this data set are streamed; load them by a data_loader");
  }

  /// Whether each row is that of a sample; nothing if all are.
  [[nodiscard]] detail::plain_vector<bool> rows_in_use() const {
    if (!rows_ && !weights_) return {};
    detail::plain_vector<bool> used(static_cast<std::size_t>(targets().rows()));
    for (bool& is_used : used) is_used = !rows_;
    if (rows_)
      for (const std::int32_t row : *rows_) used[static_cast<std::size_t>(row)] = true;
    const std::vector<scalar> weights = weights_of_rows();
    for (std::size_t i = 0; i < weights.size(); ++i)
      if (weights[i] == scalar(0)) used[i] = false;
    return used;
  }
  /// The first sample of a row.
  [[nodiscard]] index_t sample_of(index_t row) const {
    if (!rows_) return row;
    return std::find(rows_->begin(), rows_->end(), row) - rows_->begin();
  }
  /// The first row in use with an element that is not finite, -1 if there is none; of a matrix of
  /// the host whose rows begin with number `first`, or of the backend.
  [[nodiscard]] static index_t row_not_finite(matrix_view<const scalar> m, index_t first,
                                              const detail::plain_vector<bool>& used) {
    for (index_t i = 0; i < m.rows(); ++i) {
      if (!used.empty() && !used[static_cast<std::size_t>(first + i)]) continue;
      for (index_t j = 0; j < m.cols(); ++j)
        if (!detail::is_finite(m(i, j))) return first + i;
    }
    return -1;
  }
  [[nodiscard]] index_t first_not_finite(const_matrix<B> m,
                                         const detail::plain_vector<bool>& used) const {
    constexpr index_t at_once = 4096;
    for (index_t i = 0; i < m.rows(); i += at_once) {
      const index_t count = std::min(at_once, m.rows() - i);
      const std::vector<scalar> host = to_host(be_, m.middle_rows(i, count));
      const index_t row = row_not_finite({host.data(), count, m.cols()}, i, used);
      if (row >= 0) return row;
    }
    return -1;
  }

  [[nodiscard]] bool wants_resident(index_t bytes, const dataset_options& options) const {
    if (options.inputs != residence::automatic || bytes == 0)
      return options.inputs != residence::streamed || bytes == 0;
    if constexpr (requires { be_.info().memory; }) {
      const auto memory = static_cast<double>(be_.info().memory);  // 0 if it is not known
      return memory == 0 || static_cast<double>(bytes) <= options.fraction_of_memory * memory;
    }
    return true;
  }

  B be_;
  int classes_ = 0;
  fn::affine scaling_;
  // A factor and a shift for each feature, 2 × features, if channels differ.
  detail::shared<const tensor<B>> channels_;
  index_t features_ = 0;
  shape sample_;
  bool is_resident_ = true;
  bool has_indices_ = false;
  index_t largest_index_ = -1;
  source<std::uint8_t> bytes_;
  source<std::int32_t> indices_;
  source<scalar> numbers_;
  detail::shared<const tensor<B>> targets_;
  detail::shared<const tensor<B>> weights_;  // of the rows that targets_ has; none if all are 1
  // Assigned where inputs are, for their type.
  void (*gather_)(const dataset&, const indices&, matrix<B>, indices, matrix<B>) = nullptr;
  void (*gather_counted_)(const dataset&, const detail::counted_rows_of<B>&, matrix<B>, indices,
                          matrix<B>) = nullptr;
  detail::unique<detail::host_batches<B>> (*make_host_batches_)(const B&, index_t,
                                                                index_t) = nullptr;
  // Assigned where weights are, so that programs without weights do not compile it.
  void (*weigh_)(const B&, const_matrix<B>, matrix<B>, matrix<B>) = nullptr;
  detail::shared<const std::vector<scalar>> own_;  // what `host` views look at, if it is ours
  detail::shared<const std::vector<std::int32_t>> rows_;  // of a subset
};

template <backend B>
void dataset<B>::set_scaling(const normalization& n) {
  n.check();
  const std::size_t count = n.mean.size();
  if (count == 0) scaling_ = {n.scale, 0};
  if (count == 1) scaling_ = {n.scale / n.deviation[0], -n.mean[0] / n.deviation[0]};
  if (count <= 1) return;
  if (sample_.last() != static_cast<index_t>(count))
    detail::fail<shape_error>("a normalization of ", count,
                              " channels does not suit samples of shape ", to_string(sample_),
                              ", whose last extent is the channels");
  std::vector<scalar> factors = detail::host_vector<scalar>(2 * features_);  // shifts behind them
  const auto features = static_cast<std::size_t>(features_);
  for (std::size_t i = 0; i < features; ++i) {
    const std::size_t k = i % count;
    factors[i] = static_cast<scalar>(n.scale / n.deviation[k]);
    factors[features + i] = static_cast<scalar>(-n.mean[k] / n.deviation[k]);
  }
  channels_ = detail::make_shared<tensor<B>>(
      from_host(be_, matrix_view<const scalar>(factors.data(), 2, features_)));
}

/// For each class, count / (classes · samples of the class), so that all classes count alike and
/// the mean weight is 1: scikit-learn's "balanced". Classes without samples do not count and get 1.
/// Throws value_error if the targets are no classes.
template <backend B>
[[nodiscard]] std::vector<double> balanced_class_weights(const dataset<B>& data) {
  std::vector<double> counts(static_cast<std::size_t>(data.classes()));
  for (const std::int32_t c : data.classes_of_samples()) ++counts[static_cast<std::size_t>(c)];
  const auto classes = static_cast<double>(
      std::count_if(counts.begin(), counts.end(), [](double n) { return n > 0; }));
  for (double& n : counts) n = n > 0 ? static_cast<double>(data.count()) / (classes * n) : 1;
  return counts;
}

}  // namespace chainrule

#include "chainrule/train/host_batches.hpp"

#endif  // CHAINRULE_TRAIN_DATASET_HPP
