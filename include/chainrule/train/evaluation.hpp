/// \file
/// A network on data without training it: `evaluate`, `classify`, `predict_proba`.
///
///     metrics m = evaluate(net, softmax_cross_entropy{}, test, {accuracy{}});
///     std::vector<int> classes = classify(net, softmax_cross_entropy{}, x);
///     tensor<cpu> p = predict_proba(net, softmax_cross_entropy{}, x);      // n × outputs
///
/// x is a matrix of the backend (n × inputs), of scalars or of indices, a data set, whose targets
/// are not read, or a host_matrix or what converts to one (vectors, Eigen matrices).
#ifndef CHAINRULE_TRAIN_EVALUATION_HPP
#define CHAINRULE_TRAIN_EVALUATION_HPP

#include <string>
#include <vector>

#include "chainrule/core/plain_vector.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/metric_log.hpp"
#include "chainrule/train/rank_group.hpp"

namespace chainrule {

namespace detail {

template <backend B>
void require_inputs(const network<B>& net, const dataset<B>& data) {
  if (data.features() != net.inputs())
    detail::fail<shape_error>("the network expects ", net.inputs(), " features, the samples have ",
                              data.features());
  data.require_inputs(net.declared().index_count() > 0);
  net.require_indices(data.largest_index());
}

/// Throws shape_error or value_error unless the data has targets, which fit the network, and the
/// loss takes them.
template <backend B>
[[gnu::noinline]] void require_targets(const network<B>& net, const any_loss<B>& loss,
                                       const dataset<B>& data) {
  require_inputs(net, data);
  if (data.target_cols() == 0 && data.count() > 0)
    detail::fail<value_error>(
        "the samples have no targets; make the data set of inputs and targets");
  if (data.classes() > 0 && net.outputs() > 1 && data.classes() > net.outputs())
    detail::fail<shape_error>("the network has ", net.outputs(),
                              " outputs, too few for samples of ", data.classes(), " classes");
  if (data.classes() == 0 && data.target_cols() != net.outputs())
    detail::fail<shape_error>("the network has ", net.outputs(), " outputs, the samples have ",
                              data.target_cols(), " targets");
  const loss_traits& traits = loss.traits();
  if (data.is_weighted() && !traits.samples_are_independent)
    detail::fail<value_error>(
        "weights of samples multiply the loss of each sample and its gradient, ", "but ",
        traits.name, " does not say that samples are independent");
  // With an output for each class, targets are class numbers, which the data set has checked.
  if (*traits.targets == '\0' || (data.classes() > 0 && net.outputs() > 1)) return;
  const std::vector<scalar_t<B>> targets = to_host(net.backend(), data.targets());
  const auto cols = static_cast<std::size_t>(data.target_cols());
  const std::vector<scalar_t<B>> weights = data.weights_of_rows();
  const auto counts = [&](std::int32_t i) {
    return weights.empty() || weights[static_cast<std::size_t>(data.row_of(i))] > scalar_t<B>(0);
  };
  for (std::int32_t i = 0; i < data.count(); ++i)
    for (std::size_t j = 0; j < cols && counts(i); ++j)
      if (const auto t =
              static_cast<double>(targets[static_cast<std::size_t>(data.row_of(i)) * cols + j]);
          !loss.takes(t))
        detail::fail<value_error>(traits.name, " takes targets ", traits.targets,
                                  ", that of sample ", i, " is ", t);
}

/// Whether no element is infinite or NaN. `largest` is 1 × 1, assigned. Waits for the backend.
template <backend B>
[[nodiscard]] bool all_finite(const B& be, const std::type_identity_t<const_matrix<B>>& m,
                              const matrix<B>& largest) {
  if (m.empty()) return true;
  be.reduce(reduction::maximum{}, largest, fn::abs{}, m);
  scalar_t<B> found = 0;
  be.download(matrix_view<scalar_t<B>>(&found, 1, 1), const_matrix<B>(largest));
  be.synchronize();
  return is_finite(found);
}

/// Calls f(y, loader) with the outputs for each batch of the data, in order; with `ranks`, for
/// every so many batches from number `rank` on.
template <backend B, class F>
void for_outputs(const network<B>& net, const dataset<B>& data, const F& f, int rank = 0,
                 int ranks = 1) {
  require_inputs(net, data);
  if (data.count() == 0) return;
  data_loader<B> loader(net.backend(), data, {.batch = 256, .shuffle = false});
  pass<B> memory = net.make_pass(loader.capacity());
  for (loader.begin_epoch(0); loader.next();) {
    if (loader.first() / loader.batch() % ranks != rank) continue;
    loader.load();
    f(net.forward(loader.samples({0, loader.size()}), memory), loader);
  }
}

/// Loss and metrics of data that require_targets has accepted. Ranks share the batches.
template <backend B>
[[nodiscard]] metrics measured(const network<B>& net, const any_loss<B>& loss,
                               const dataset<B>& data,
                               const std::type_identity_t<plain_vector<any_metric<B>>>& wanted,
                               std::type_identity_t<rank_group<B>*> ranks = nullptr) {
  if (data.count() == 0) return {};
  const B& be = net.backend();
  metric_log<B> log(be, wanted, data.count());
  loss_scratch<B> scratch(be, std::min<index_t>(data.count(), 256), net.outputs());
  if (ranks != nullptr) be.map(fn::fill{0}, log.row());  // other ranks assign to the rest of it
  for_outputs(
      net, data,
      [&](const_matrix<B> y, data_loader<B>& loader) {
        const row_range all{0, loader.size()};
        const const_matrix<B> t = loader.targets();
        loss(be, y, t, const_matrix<B>(scratch.one.view()), log.losses(loader.first(), all),
             matrix<B>{}, scratch);
        loader.weigh(all, log.losses(loader.first(), all));
        log.measure(loader.first(), all, {y, t, loss.traits(), scratch});
      },
      ranks != nullptr ? ranks->rank() : 0, ranks != nullptr ? ranks->size() : 1);
  if (ranks != nullptr) ranks->sum(be, log.row(), ranks->size());
  return log.measured(0, data.count());
}

/// The class of each row of outputs: that of the first largest, or whether a single one is above
/// the threshold; -1 where an output is NaN.
template <backend B>
[[nodiscard]] std::vector<int> classes_of(const B& be, const loss_traits& loss, const_matrix<B> y) {
  std::vector<scalar_t<B>> answers;
  if (y.cols() == 1) {
    answers = to_host(be, y);
    for (scalar_t<B>& a : answers)
      if (!is_nan(a)) a = static_cast<double>(a) > loss.threshold ? scalar_t<B>(1) : scalar_t<B>(0);
  } else if (y.rows() > 0) {
    const loss_scratch<B> scratch(be, y.rows(), y.cols());
    tensor<B> max(be, y.rows(), 1);
    tensor<B> answer(be, y.rows(), 1);
    ops::argmax(be, y, const_matrix<B>(scratch.columns.view()), max.view(), answer.view());
    answers = to_host(be, const_matrix<B>(answer.view()));
  }
  std::vector<int> classes;
  classes.reserve(answers.size());
  for (const scalar_t<B> a : answers)  // argmax gives infinity for a row with NaN
    classes.push_back(is_finite(a) ? static_cast<int>(a) : -1);
  return classes;
}

/// Replaces outputs by probabilities. Throws value_error if the loss has no link.
template <backend B>
void apply_link(const B& be, const loss_traits& loss, matrix<B> y) {
  if (loss.link == output_link::none)
    detail::fail<value_error>(loss.name,
                              " does not say how outputs become probabilities; use "
                              "predict for the outputs, or a cross-entropy");
  if (y.rows() == 0) return;
  if (loss.link == output_link::sigmoid) return be.map(fn::sigmoid{}, y, y);
  tensor<B> max(be, y.rows(), 1);
  tensor<B> sum(be, y.rows(), 1);
  ops::softmax<B>(be, y, max.view(), sum.view(), y);
}

}  // namespace detail

/// The mean loss over the samples, each times its weight if the data has weights, and the metrics,
/// which are without weights. The network is not changed. Throws shape_error, or value_error, if
/// the data does not fit network and loss.
template <backend B>
[[nodiscard]] metrics evaluate(
    const network<B>& net, const std::type_identity_t<any_loss<B>>& loss, const dataset<B>& data,
    const std::type_identity_t<detail::plain_vector<any_metric<B>>>& wanted = {}) {
  detail::require_targets(net, loss, data);
  return detail::measured(net, loss, data, wanted);
}

/// The outputs for the samples, n × outputs.
template <backend B>
[[nodiscard]] tensor<B> predict(const network<B>& net, const dataset<B>& data) {
  tensor<B> result(net.backend(), data.count(), net.outputs());
  detail::for_outputs(net, data, [&](const_matrix<B> y, data_loader<B>& loader) {
    net.backend().copy(result.view().middle_rows(loader.first(), loader.size()), y);
  });
  return result;
}
/// Outputs of the network for samples in host memory, a row per sample.
template <backend B, class Samples>
[[nodiscard]] tensor<B> predict(const network<B>& net, const Samples& x) {
  if constexpr (std::convertible_to<const Samples&, host_matrix> &&
                !std::convertible_to<const Samples&, const_matrix<B>> && !indices_of<Samples, B>)
    return predict(net, dataset<B>(net.backend(), host_matrix(x)));
  else
    return net.predict(x);
}

/// The class of each sample: the first largest output, or whether a single output is above 0.5
/// (logits of a sigmoid: 0). -1 where an output is NaN.
template <backend B, class Samples>
[[nodiscard]] std::vector<int> classify(const network<B>& net,
                                        const std::type_identity_t<any_loss<B>>& loss,
                                        const Samples& x) {
  const tensor<B> y = predict(net, x);
  return detail::classes_of(net.backend(), loss.traits(), const_matrix<B>(y.view()));
}

/// The probabilities that the loss's link makes of the outputs, n × outputs: softmax of each row,
/// or the sigmoid. Throws value_error if the loss has no link.
template <backend B, class Samples>
[[nodiscard]] tensor<B> predict_proba(const network<B>& net,
                                      const std::type_identity_t<any_loss<B>>& loss,
                                      const Samples& x) {
  tensor<B> y = predict(net, x);
  detail::apply_link(net.backend(), loss.traits(), y.view());
  return y;
}

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_EVALUATION_HPP
