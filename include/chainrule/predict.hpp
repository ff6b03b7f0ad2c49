/// \file
/// Inference alone, with the CPU backend: layers, networks and files of weights, and nothing that
/// trains. See docs/inference.md for what that saves of the time to compile.
///
///     const network<cpu> net = load_network(cpu{}, "digits.safetensors");
///     const tensor<cpu> logits = net.predict(images);
///
/// See also io/pytorch.hpp (weights of PyTorch), chainrule.hpp (everything).
#ifndef CHAINRULE_PREDICT_HPP
#define CHAINRULE_PREDICT_HPP

#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/weights.hpp"
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
#include "chainrule/network/model.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/version.hpp"

#endif  // CHAINRULE_PREDICT_HPP
