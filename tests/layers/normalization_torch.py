# Prints normalization_reference.hpp: what PyTorch's layers give in double for the inputs of
# normalization_test.cpp.
#
#   python3 normalization_torch.py > normalization_reference.hpp
import numpy as np
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
N, H, W, C = 3, 3, 5, 6


def numbers(count, seed):
    k = np.arange(count, dtype=np.float64)
    return torch.tensor(1.3 * np.sin(0.7 * k + seed) + 0.4 * np.cos(k * k * 0.013 + seed) + 0.2)


def summary(t):
    """The first four elements and two weighted sums of all."""
    v = t.detach().contiguous().reshape(-1).numpy()
    k = np.arange(v.size)
    return list(v[:4]) + [np.sum(np.cos(0.3 * k) * v), np.sum(np.sin(1.7 * k + 1) * v)]


def row(name, layer, channels_first=True, after=lambda y: y):
    with torch.no_grad():
        for i, p in enumerate(layer.parameters()):
            p.copy_(numbers(p.numel(), 5 + i).reshape(p.shape))
    x = numbers(N * H * W * C, 1).reshape(N, H, W, C).requires_grad_()
    inner = x.permute(0, 3, 1, 2) if channels_first else x
    y = after(layer(inner))
    if channels_first:
        y = y.permute(0, 2, 3, 1)
    y.backward(numbers(y.numel(), 3).reshape(y.shape))
    parts = [summary(y), summary(x.grad)] + [summary(p.grad) for p in layer.parameters()]
    if getattr(layer, "running_mean", None) is not None:
        layer.eval()
        answer = after(layer(inner)).permute(0, 2, 3, 1)
        parts += [summary(layer.running_mean), summary(layer.running_var), summary(answer)]
    lines = ",\n     ".join("{" + ", ".join(repr(float(v)) for v in part) + "}" for part in parts)
    print(f'    {{"{name}",\n     {{{lines}}}}},')


print(f"""// Written by normalization_torch.py with PyTorch {torch.__version__}.
// clang-format off
#ifndef CHAINRULE_TESTS_LAYERS_NORMALIZATION_REFERENCE_HPP
#define CHAINRULE_TESTS_LAYERS_NORMALIZATION_REFERENCE_HPP

#include <map>
#include <string>
#include <vector>

/// Of each layer the summaries of y, dx, the gradients of its parameters and, where it has running
/// statistics, of those and of y in inference.
inline const std::map<std::string, std::vector<std::vector<double>>> reference{{""")
relu = nn.functional.relu
row("batch_norm", nn.BatchNorm2d(C))
row("batch_norm with relu", nn.BatchNorm2d(C), after=relu)
row("batch_norm with silu", nn.BatchNorm2d(C, eps=1e-3, momentum=0.3), after=nn.functional.silu)
row("batch_norm without parameters", nn.BatchNorm2d(C, affine=False))
row("layer_norm", nn.LayerNorm(C), False)
row("layer_norm without parameters", nn.LayerNorm(C, elementwise_affine=False), False)
row("layer_norm of all axes", nn.LayerNorm([H, W, C], eps=1e-3), False)
row("rms_norm", nn.RMSNorm(C, eps=1e-6), False)
row("group_norm", nn.GroupNorm(3, C))
row("group_norm of one group", nn.GroupNorm(1, C))
row("group_norm of single channels", nn.GroupNorm(C, C, affine=False))
row("instance_norm", nn.InstanceNorm2d(C))
row("instance_norm with parameters", nn.InstanceNorm2d(C, affine=True, eps=1e-3))
row("local_response_norm", nn.LocalResponseNorm(3, 0.3, 0.75, 1.5))
row("local_response_norm of even size", nn.LocalResponseNorm(4, 0.5, 0.6, 1))
row("local_response_norm wider than the channels", nn.LocalResponseNorm(13, 0.5))
row("prelu", nn.PReLU())
row("prelu per channel", nn.PReLU(C))
print("};\n\n#endif  // CHAINRULE_TESTS_LAYERS_NORMALIZATION_REFERENCE_HPP")
