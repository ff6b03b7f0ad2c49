/// \file
/// `plain_eigen`: a multilayer perceptron as a good engineer writes it by hand, in plain Eigen:
/// what this library must not be slower than.
///
/// Samples are columns, everything is column-major and allocated once, products are noalias(), and
/// activations are separate passes (Eigen does not vectorise an expression that mixes colwise() and
/// a function). It counts losses and right answers as a trainer does.
#ifndef CHAINRULE_BENCHMARKS_PLAIN_EIGEN_HPP
#define CHAINRULE_BENCHMARKS_PLAIN_EIGEN_HPP

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "shapes.hpp"

class plain_eigen {
 public:
  struct layer {
    Eigen::MatrixXf w;   // outputs x inputs
    Eigen::VectorXf b;   // outputs
    Eigen::MatrixXf dw;  // as w
    Eigen::VectorXf db;
    Eigen::MatrixXf y;   // outputs x batch
    Eigen::MatrixXf dz;  // as y
  };

  /// Extents from the inputs to the outputs; the last layer is linear under softmax, else sigmoid.
  plain_eigen(const std::vector<int>& extents, nonlinearity hidden, cost c, int batch, float rate)
      : hidden_(hidden), cost_(c), batch_(batch), rate_(rate), x_(extents[0], batch) {
    for (std::size_t i = 1; i < extents.size(); ++i) {
      const int in = extents[i - 1];
      const int out = extents[i];
      layers_.push_back({Eigen::MatrixXf::Zero(out, in), Eigen::VectorXf::Zero(out),
                         Eigen::MatrixXf(out, in), Eigen::VectorXf(out),
                         Eigen::MatrixXf(out, batch), Eigen::MatrixXf(out, batch)});
    }
  }

  [[nodiscard]] std::vector<layer>& layers() { return layers_; }
  [[nodiscard]] const std::vector<layer>& layers() const { return layers_; }
  /// Of the epoch that ran last.
  [[nodiscard]] double loss() const { return loss_; }
  [[nodiscard]] double accuracy() const { return accuracy_; }

  /// One epoch over images (one after another, bytes) in the given order.
  void epoch(const std::vector<std::uint8_t>& images, const std::vector<std::uint8_t>& labels,
             const std::vector<std::int32_t>& order) {
    const int count = static_cast<int>(order.size());
    double loss = 0;
    int right = 0;
    for (int first = 0; first < count; first += batch_) {
      const int n = count - first < batch_ ? count - first : batch_;
      gather(n, images, labels, order.data() + first);
      forward(n, right);
      backward(n, loss);
    }
    loss_ = loss / count;
    accuracy_ = static_cast<double>(right) / count;
  }

  /// The fraction of images that the net, as it is, puts into their classes.
  [[nodiscard]] double accuracy_on(const std::vector<std::uint8_t>& images,
                                   const std::vector<std::uint8_t>& labels) {
    const int count = static_cast<int>(labels.size());
    std::vector<std::int32_t> order(labels.size());
    std::iota(order.begin(), order.end(), 0);
    int right = 0;
    for (int first = 0; first < count; first += batch_) {
      const int n = count - first < batch_ ? count - first : batch_;
      gather(n, images, labels, order.data() + first);
      forward(n, right);
    }
    return static_cast<double>(right) / count;
  }

 private:
  void gather(int n, const std::vector<std::uint8_t>& images,
              const std::vector<std::uint8_t>& labels, const std::int32_t* order) {
    const auto features = static_cast<std::size_t>(x_.rows());
    labels_.resize(static_cast<std::size_t>(batch_));
    for (int j = 0; j < n; ++j) {
      const auto sample = static_cast<std::size_t>(order[j]);
      const std::uint8_t* from = images.data() + sample * features;
      float* to = x_.data() + static_cast<std::size_t>(j) * features;
      for (std::size_t i = 0; i < features; ++i)
        to[i] = static_cast<float>(from[i]) * (1.0F / 255.0F);
      labels_[static_cast<std::size_t>(j)] = labels[sample];
    }
  }

  /// Adds the samples it gets right.
  void forward(int n, int& right) {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      layer& l = layers_[i];
      auto y = l.y.leftCols(n);
      y.noalias() = l.w * input(i).leftCols(n);
      y.colwise() += l.b;
      if (i + 1 == layers_.size() && cost_ == cost::softmax_cross_entropy) break;
      if (hidden_ == nonlinearity::relu)
        y = y.cwiseMax(0.0F);
      else
        y.array() = y.array().logistic();
    }
    const Eigen::MatrixXf& last = layers_.back().y;
    for (int j = 0; j < n; ++j) {
      Eigen::Index winner = 0;
      last.col(j).maxCoeff(&winner);
      right += winner == label(j) ? 1 : 0;
    }
  }

  void backward(int n, double& loss) {
    if (cost_ == cost::softmax_cross_entropy)
      softmax(n, loss);
    else
      quadratic(n, loss);

    for (std::size_t i = layers_.size(); i-- > 0;) {
      layer& l = layers_[i];
      const auto dz = l.dz.leftCols(n);
      l.dw.noalias() = dz * input(i).leftCols(n).transpose();
      l.db.noalias() = dz.rowwise().sum();
      if (i > 0) {
        auto dx = layers_[i - 1].dz.leftCols(n);
        const auto x = layers_[i - 1].y.leftCols(n);
        dx.noalias() = l.w.transpose() * dz;
        if (hidden_ == nonlinearity::relu)
          dx.array() = (x.array() > 0.0F).select(dx.array(), 0.0F);
        else
          dx.array() *= x.array() * (1.0F - x.array());
      }
    }
    for (layer& l : layers_) {
      l.w -= rate_ * l.dw;
      l.b -= rate_ * l.db;
    }
  }

  [[nodiscard]] const Eigen::MatrixXf& input(std::size_t i) const {
    return i == 0 ? x_ : layers_[i - 1].y;
  }
  [[nodiscard]] Eigen::Index label(int j) const { return labels_[static_cast<std::size_t>(j)]; }

  /// dz of the last layer, divided by the batch.
  void softmax(int n, double& loss) {
    const auto y = layers_.back().y.leftCols(n);
    auto dz = layers_.back().dz.leftCols(n);
    for (int j = 0; j < n; ++j) dz.col(j).array() = y.col(j).array() - y.col(j).maxCoeff();
    for (int j = 0; j < n; ++j) loss -= static_cast<double>(dz(label(j), j));
    dz.array() = dz.array().exp();
    const float scale = 1.0F / static_cast<float>(n);
    for (int j = 0; j < n; ++j) {
      const float sum = dz.col(j).sum();
      loss += static_cast<double>(std::log(sum));
      dz.col(j) *= scale / sum;
      dz(label(j), j) -= scale;
    }
  }

  void quadratic(int n, double& loss) {
    const auto y = layers_.back().y.leftCols(n);
    auto dz = layers_.back().dz.leftCols(n);
    dz = y;
    for (int j = 0; j < n; ++j) dz(label(j), j) -= 1.0F;
    loss += 0.5 * static_cast<double>(dz.squaredNorm());
    dz.array() *= y.array() * (1.0F - y.array()) * (1.0F / static_cast<float>(n));
  }

  nonlinearity hidden_;
  cost cost_;
  int batch_;
  float rate_;
  Eigen::MatrixXf x_;  // features x batch
  std::vector<std::uint8_t> labels_;
  std::vector<layer> layers_;
  double loss_ = 0;
  double accuracy_ = 0;
};

#endif  // CHAINRULE_BENCHMARKS_PLAIN_EIGEN_HPP
