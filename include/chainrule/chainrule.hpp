/// \file
/// Everything that needs nothing but Eigen: layers, networks, losses, optimizers and training, with
/// the CPU backend.
///
/// Included by name where they are wanted: backend/opencl.hpp, io/weights.hpp, io/pytorch.hpp,
/// io/onnx.hpp, io/header_export.hpp, io/chart.hpp, metrics/confusion_matrix.hpp,
/// metrics/roc_auc.hpp, network/static_network.hpp, testing/gradient_check.hpp, and of train: all callbacks but early_stopping
/// (progress.hpp, interrupt.hpp, stop_conditions.hpp, reduce_on_plateau.hpp, model_checkpoint.hpp,
/// learning_rate_finder.hpp, anomaly.hpp, weight_average.hpp, weight_constraints.hpp, csv_log.hpp,
/// json_lines_log.hpp, tensorboard_log.hpp, gradient_statistics.hpp), lbfgs.hpp, report.hpp,
/// search.hpp, static_trainer.hpp and, for several processes, mpi.hpp, communicator.hpp and nccl.hpp.
#ifndef CHAINRULE_CHAINRULE_HPP
#define CHAINRULE_CHAINRULE_HPP

#include "chainrule/backend/cpu.hpp"
#include "chainrule/compiled.hpp"
#include "chainrule/data/mnist.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dense_block.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/local_response_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/shortcut.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/metrics/classification.hpp"
#include "chainrule/metrics/regression.hpp"
#include "chainrule/network/dead_units.hpp"
#include "chainrule/network/gradient_norms.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/train/trainer.hpp"
#include "chainrule/version.hpp"

#endif  // CHAINRULE_CHAINRULE_HPP
