/// \file
/// Everything that needs nothing but Eigen: layers, networks, losses, optimizers and training, with
/// the CPU backend.
///
/// Included by name where they are wanted: backend/opencl.hpp, io/weights.hpp, io/pytorch.hpp,
/// io/onnx.hpp, io/header_export.hpp, io/chart.hpp, train/progress.hpp, train/report.hpp,
/// metrics/confusion_matrix.hpp, metrics/roc_auc.hpp, train/interrupt.hpp,
/// train/model_checkpoint.hpp, train/csv_log.hpp, train/json_lines_log.hpp,
/// train/tensorboard_log.hpp, train/gradient_statistics.hpp, train/search.hpp,
/// testing/gradient_check.hpp.
#ifndef CHAINRULE_CHAINRULE_HPP
#define CHAINRULE_CHAINRULE_HPP

#include "chainrule/backend/cpu.hpp"
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
#include "chainrule/train/anomaly.hpp"
#include "chainrule/train/lbfgs.hpp"
#include "chainrule/train/learning_rate_finder.hpp"
#include "chainrule/train/reduce_on_plateau.hpp"
#include "chainrule/train/stop_conditions.hpp"
#include "chainrule/train/trainer.hpp"
#include "chainrule/train/weight_average.hpp"
#include "chainrule/train/weight_constraints.hpp"
#include "chainrule/version.hpp"

#endif  // CHAINRULE_CHAINRULE_HPP
