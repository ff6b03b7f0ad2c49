#!/usr/bin/env python3
"""Writes pytorch_values.safetensors: results and gradients of layers in double, by PyTorch.

    python3 -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/python tests/layers/pytorch_values.py tests/layers/pytorch_values.safetensors

pytorch_values_test.cpp computes them again. Inputs, parameters and output gradients are not stored:
both sides make them by `numbers`. Case i has the tensors "i.spec" (the numbers of its layer, in the
order of `spec`), "i.y", "i.dx" and "i.d0", "i.d1" (gradients of the parameters), channels last, and
for batch normalization the running statistics "i.mean" and "i.var".
"""
import random
import sys

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

warnings.simplefilter("ignore")
KINDS = ["conv2d", "conv1d", "conv_transpose2d", "max_pool", "average_pool", "batch_norm",
         "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm", "prelu",
         "upsample"]


def numbers(count, which):
    """count numbers in [-0.5, 0.5), the same in C++ (integers modulo 2^32)."""
    i = np.arange(count, dtype=np.uint64)
    v = (i * np.uint64(2654435761) + np.uint64(which) * np.uint64(40503) + np.uint64(12345))
    v = v & np.uint64(0xFFFFFFFF)
    v = (v ^ (v >> np.uint64(15))) * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)
    v = v ^ (v >> np.uint64(13))
    return v.astype(np.float64) / 4294967296.0 - 0.5


def tensor(shape, which):
    return torch.from_numpy(numbers(int(np.prod(shape)), which).reshape(shape))


def first(x):  # channels last to channels first
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def run(s):
    """The named results of a case."""
    kind = KINDS[s["kind"]]
    n, h, w, c = s["n"], s["h"], s["w"], s["c"]
    one = kind == "conv1d"
    x = tensor((n, w, c) if one else (n, h, w, c), 1).requires_grad_()
    params = []

    def param(shape, which):
        p = tensor(shape, which).requires_grad_()
        params.append(p)
        return p

    state = {}
    pair = (lambda a: s[a + "w"]) if one else (lambda a: (s[a + "h"], s[a + "w"]))
    if kind in ("conv2d", "conv1d"):
        k = (s["kw"],) if one else (s["kh"], s["kw"])
        weight = param((*k, c // s["groups"], s["out"]), 2)
        bias = param((s["out"],), 3) if s["bias"] else None
        torch_weight = weight.permute(-1, -2, *range(len(k)))
        pad = "same" if s["same"] else pair("p")
        f = F.conv1d if one else F.conv2d
        y = last(f(first(x), torch_weight, bias, pair("s"), pad, pair("d"), s["groups"]))
    elif kind == "conv_transpose2d":
        weight = param((s["kh"], s["kw"], s["out"] // s["groups"], c), 2)
        bias = param((s["out"],), 3) if s["bias"] else None
        y = last(F.conv_transpose2d(first(x), weight.permute(3, 2, 0, 1), bias, pair("s"), pair("p"),
                                    pair("o"), s["groups"], pair("d")))
    elif kind == "max_pool":
        y = last(F.max_pool2d(first(x), pair("k"), pair("s"), pair("p"), pair("d")))
    elif kind == "average_pool":
        y = last(F.avg_pool2d(first(x), pair("k"), pair("s"), pair("p"),
                              count_include_pad=bool(s["count"])))
    elif kind == "batch_norm":
        g, b = param((c,), 2), param((c,), 3)
        mean, var = torch.zeros(c, dtype=torch.double), torch.ones(c, dtype=torch.double)
        y = last(F.batch_norm(first(x), mean, var, g, b, training=True))
        state = {"mean": mean, "var": var}
    elif kind == "layer_norm":
        y = F.layer_norm(x, (c,), param((c,), 2), param((c,), 3))
    elif kind == "group_norm":
        y = last(F.group_norm(first(x), s["groups"], param((c,), 2), param((c,), 3)))
    elif kind == "instance_norm":
        y = last(F.instance_norm(first(x)))
    elif kind == "rms_norm":
        y = F.rms_norm(x, (c,), param((c,), 2), 1e-5)
    elif kind == "local_response_norm":
        y = last(F.local_response_norm(first(x), s["out"]))
    elif kind == "prelu":
        y = last(F.prelu(first(x), param((c if s["groups"] > 1 else 1,), 2)))
    elif kind == "upsample":
        if s["count"]:
            y = last(F.interpolate(first(x), scale_factor=(s["sh"], s["sw"]), mode="bilinear",
                                   align_corners=False))
        else:
            y = last(F.interpolate(first(x), scale_factor=(s["sh"], s["sw"]), mode="nearest"))
    y = y.contiguous()
    y.backward(tensor(tuple(y.shape), 9))
    result = {"y": y.detach(), "dx": x.grad}
    for i, p in enumerate(params):
        result[f"d{i}"] = p.grad
    result.update(state)
    return {k: v.contiguous().numpy().reshape(-1) for k, v in result.items()}


SPEC = ["kind", "n", "h", "w", "c", "out", "kh", "kw", "sh", "sw", "dh", "dw", "ph", "pw", "oh", "ow",
        "groups", "bias", "same", "count"]


def draw(r, kind):
    """A random case of a kind, or None where PyTorch refuses it."""
    u = r.randint
    s = dict.fromkeys(SPEC, 0)
    s.update(kind=kind, n=u(1, 3), h=u(1, 7), w=u(1, 7), groups=1, bias=u(0, 1), count=u(0, 1))
    s.update(kh=u(1, 4), kw=u(1, 4), sh=u(1, 3), sw=u(1, 3), dh=u(1, 2), dw=u(1, 2), ph=u(0, 2),
             pw=u(0, 2))
    s["groups"] = r.choice([1, 1, 2, 3]) if kind in (0, 1, 2, 7, 11) else 1
    s["c"] = s["groups"] * u(1, 3)
    s["out"] = s["groups"] * u(1, 3)
    name = KINDS[kind]
    if name in ("conv2d", "conv1d") and u(0, 4) == 0:  # depthwise
        s["groups"] = s["c"]
        s["out"] = s["c"] * u(1, 2)
    if name in ("conv2d", "conv1d") and u(0, 5) == 0:
        s.update(same=1, sh=1, sw=1, ph=0, pw=0)
    if name == "conv1d":
        s["h"] = 1
    if name == "conv_transpose2d":
        s["oh"], s["ow"] = u(0, max(s["sh"], s["dh"]) - 1), u(0, max(s["sw"], s["dw"]) - 1)
    if name == "average_pool":
        s["dh"] = s["dw"] = 1
    if name == "batch_norm":
        s["n"] = u(2, 3)
    if name == "instance_norm":
        s["h"] = u(2, 6)
    if name == "local_response_norm":
        s["out"], s["c"] = u(1, 5), u(1, 7)
    # Some versions of PyTorch crash where a window does not fit.
    spans = [s["d" + a] * (s["k" + a] - 1) + 1 for a in "hw"]
    sizes = [s[a] + 2 * s["p" + a] for a in "hw"]
    if kind < 5 and kind != 2 and not s["same"] and any(a > b for a, b in zip(spans, sizes)):
        return None
    if kind == 2 and any((s[a] - 1) * s["s" + a] - 2 * s["p" + a] + d + s["o" + a] < 1
                         or s["o" + a] >= s["s" + a] for a, d in zip("hw", spans)):
        return None
    try:
        result = run(s)
    except (RuntimeError, ValueError):
        return None
    if sum(v.size for v in result.values()) > 700 or not all(abs(v).max() > 1e-3 for v in result.values()):
        return None
    return s, result


def main():
    r = random.Random(20)
    counts = [60, 20, 35, 25, 15, 10, 6, 8, 6, 4, 4, 3, 4]
    tensors = {}
    i = 0
    for kind, count in enumerate(counts):
        done = 0
        while done < count:
            case = draw(r, kind)
            if case is None:
                continue
            tensors[f"{i}.spec"] = np.array([case[0][k] for k in SPEC], dtype=np.float64)
            for name, value in case[1].items():
                tensors[f"{i}.{name}"] = value
            i += 1
            done += 1
    save_file(tensors, sys.argv[1], {"torch": torch.__version__, "cases": str(i)})


main()
