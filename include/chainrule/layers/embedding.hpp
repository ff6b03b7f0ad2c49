/// \file
/// `embedding`: a learned row of features for each index, such as a token of a text.
///
///     network net{cpu{}, input{128}, embedding{10000, 64}, flatten{}, dense{2}};
///     net.predict(tokens);      // tokens: n × 128 of std::int32_t
///
/// Reads the network's input as indices of std::int32_t: samples of {T} become {T, features}. Index
/// -1 is padding: zeros, which pass no gradient on. Indices that are neither -1 nor below
/// `vocabulary` are refused with a value_error where the host sees them (a data set, the CPU
/// backend); a device gives NaN for them. See also layers/plan.hpp (`input_indices`).
#ifndef CHAINRULE_LAYERS_EMBEDDING_HPP
#define CHAINRULE_LAYERS_EMBEDDING_HPP

#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/structure.hpp"

namespace chainrule {

class embedding {
 public:
  static constexpr const char* name = "embedding";

  /// `vocabulary` rows of `features` numbers, which begin as normal numbers of deviation 1. Throws
  /// value_error if one is below 1.
  constexpr embedding(index_t vocabulary, index_t features)
      : vocabulary_(vocabulary), features_(features) {
    if (vocabulary < 1 || features < 1)
      detail::fail<value_error>("an embedding needs at least one index and one feature, got ",
                                vocabulary, " and ", features);
  }
  /// This layer with another initialization of its rows.
  [[nodiscard]] constexpr embedding weights(initializer rule) const {
    embedding e = *this;
    e.weights_ = rule;
    return e;
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input_indices(in, vocabulary_);
    w_ = p.weight("weight", {vocabulary_, features_}, weights_);
    return x.followed_by(features_);
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B>, matrix<B> y) const {
    ops::gather_op<B>{{rows(p)}}.forward(p.backend(), with_columns(y, features_), p.value(w_));
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy, matrix<B>) const {
    if (!p.is_trained(w_)) return;
    const auto [dw, beta] = p.gradient_to_add(w_);
    const ops::scatter_op<B> op{{rows(p)}, vocabulary_};
    op.accumulate(p.backend(), dw, beta, with_columns(dy, features_));
  }
  void describe(archive& a) const {
    a.extent("vocabulary", vocabulary_);
    a.extent("features", features_);
    if (weights_ != init::normal(0, 1)) a.option("weights", weights_.in_words());
  }

 private:
  /// The indices of all samples as one row.
  template <backend B>
  static const_indices<B> rows(const pass<B>& p) {
    const const_indices<B> all = p.indices();
    return all.empty() ? const_indices<B>(all.data(), 1, 0) : with_columns(all, all.size());
  }

  index_t vocabulary_;
  index_t features_;
  initializer weights_ = init::normal(0, 1);
  parameter_id w_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_EMBEDDING_HPP
