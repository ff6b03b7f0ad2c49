/// \file
/// The shapes of the networks that are measured; nothing here depends on any library.
///
///     A  784-32-10         sigmoid, squared error, batches of 256
///     B  784-128-10        relu, softmax cross-entropy, batches of 64
///     C  784-512-512-10    relu, softmax cross-entropy, batches of 128
///     D  784-2048-2048-10  relu, softmax cross-entropy, batches of 512
///     T  10-3-2            sigmoid, squared error, batches of 8: which numbers are even
#ifndef CHAINRULE_BENCHMARKS_SHAPES_HPP
#define CHAINRULE_BENCHMARKS_SHAPES_HPP

#include <vector>

enum class nonlinearity { relu, sigmoid };
enum class cost { softmax_cross_entropy, quadratic };

/// The numbers of one network of the list.
struct net_shape {
  const char* name;
  std::vector<int> extents;
  nonlinearity hidden;
  cost loss;
  int batch;
  float rate;
};

inline const net_shape net_a{"A", {784, 32, 10}, nonlinearity::sigmoid, cost::quadratic, 256, 2.0F};
inline const net_shape net_b{
    "B", {784, 128, 10}, nonlinearity::relu, cost::softmax_cross_entropy, 64, 0.1F};
inline const net_shape net_c{
    "C", {784, 512, 512, 10}, nonlinearity::relu, cost::softmax_cross_entropy, 128, 0.1F};
inline const net_shape net_d{
    "D", {784, 2048, 2048, 10}, nonlinearity::relu, cost::softmax_cross_entropy, 512, 0.1F};
inline const net_shape net_t{"T", {10, 3, 2}, nonlinearity::sigmoid, cost::quadratic, 8, 2.0F};

#endif  // CHAINRULE_BENCHMARKS_SHAPES_HPP
