/// \file
/// `fixed_eigen`: net T in plain Eigen with every extent in the types: what nothing beats without
/// fusing by hand.
#ifndef CHAINRULE_BENCHMARKS_FIXED_EIGEN_HPP
#define CHAINRULE_BENCHMARKS_FIXED_EIGEN_HPP

#include <Eigen/Core>
#include <cstdint>
#include <vector>

class fixed_eigen {
 public:
  using weights1 = Eigen::Matrix<float, 3, 10>;
  using weights2 = Eigen::Matrix<float, 2, 3>;

  fixed_eigen(const weights1& w1, const weights2& w2, float rate) : w1_(w1), w2_(w2), rate_(rate) {}

  /// Of the epoch that ran last.
  [[nodiscard]] double loss() const { return loss_; }

  /// One epoch of batches of eight, of which `order` is a multiple.
  void epoch(const std::vector<std::uint8_t>& inputs, const std::vector<std::uint8_t>& labels,
             const std::vector<std::int32_t>& order) {
    double loss = 0;
    for (std::size_t first = 0; first + 8 <= order.size(); first += 8) {
      Eigen::Matrix<float, 2, 8> t = Eigen::Matrix<float, 2, 8>::Zero();
      for (int j = 0; j < 8; ++j) {
        const auto sample = static_cast<std::size_t>(order[first + static_cast<std::size_t>(j)]);
        gather(inputs, sample, j);
        t(labels[sample], j) = 1.0F;
      }
      forward();
      dy_ = y_ - t;
      loss += 0.5 * static_cast<double>(dy_.squaredNorm());
      dy_.array() *= y_.array() * (1.0F - y_.array()) * (1.0F / 8.0F);
      dh_.noalias() = w2_.transpose().lazyProduct(dy_);
      dh_.array() *= h_.array() * (1.0F - h_.array());
      w2_ -= rate_ * dy_.lazyProduct(h_.transpose());
      b2_ -= rate_ * dy_.rowwise().sum();
      w1_ -= rate_ * dh_.lazyProduct(x_.transpose());
      b1_ -= rate_ * dh_.rowwise().sum();
    }
    loss_ = loss / static_cast<double>(order.size());
  }

  /// The fraction of samples, a multiple of eight, that are put into their classes.
  [[nodiscard]] double accuracy_on(const std::vector<std::uint8_t>& inputs,
                                   const std::vector<std::uint8_t>& labels) {
    int right = 0;
    for (std::size_t first = 0; first + 8 <= labels.size(); first += 8) {
      for (int j = 0; j < 8; ++j) gather(inputs, first + static_cast<std::size_t>(j), j);
      forward();
      for (int j = 0; j < 8; ++j)
        right += (y_(1, j) > y_(0, j) ? 1 : 0) == labels[first + static_cast<std::size_t>(j)];
    }
    return static_cast<double>(right) / static_cast<double>(labels.size());
  }

 private:
  void gather(const std::vector<std::uint8_t>& inputs, std::size_t sample, int j) {
    for (int i = 0; i < 10; ++i)
      x_(i, j) =
          static_cast<float>(inputs[10 * sample + static_cast<std::size_t>(i)]) * (1.0F / 255.0F);
  }

  void forward() {
    h_.noalias() = w1_.lazyProduct(x_);
    h_.colwise() += b1_;
    h_.array() = h_.array().logistic();
    y_.noalias() = w2_.lazyProduct(h_);
    y_.colwise() += b2_;
    y_.array() = y_.array().logistic();
  }

  weights1 w1_;
  weights2 w2_;
  Eigen::Vector3f b1_ = Eigen::Vector3f::Zero();
  Eigen::Vector2f b2_ = Eigen::Vector2f::Zero();
  Eigen::Matrix<float, 10, 8> x_;
  Eigen::Matrix<float, 3, 8> h_, dh_;
  Eigen::Matrix<float, 2, 8> y_, dy_;
  float rate_;
  double loss_ = 0;
};

#endif  // CHAINRULE_BENCHMARKS_FIXED_EIGEN_HPP
