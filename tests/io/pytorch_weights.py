#!/usr/bin/env python3
"""Weights of PyTorch for pytorch_weights_test.cpp, and PyTorch as the judge of what that saves.

    python3 pytorch_weights.py write tests/io/pytorch    # state_dicts, inputs and outputs, in double
    python3 pytorch_weights.py read <test_io>            # what save_weights wrote gives the outputs

Inputs and outputs are channels last. Exit status 77: there is no PyTorch.
"""
import os
import subprocess
import sys
import tempfile

try:
    import torch
    from safetensors.torch import load_file, save_file
    from torch import nn
except ImportError as e:
    print(f"skipped: {e}; pip install torch safetensors")
    sys.exit(77)


class Named(nn.Module):
    """Modules whose names sort in another order than they run in, of equal shapes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.between = nn.Linear(4, 4)
        self.a_last = nn.Linear(4, 2)

    def forward(self, x):
        return self.a_last(torch.relu(self.between(torch.relu(self.first(x)))))


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Projected(nn.Sequential):
    """The module "projection" beside the others."""

    def forward(self, x):
        y = x
        for name, module in self.named_children():
            if name != "projection":
                y = module(y)
        return self.projection(x) + y


class Concat(nn.Sequential):
    def forward(self, x):
        return torch.cat([module(x) for module in self], dim=-1)


def blocks():
    projected = Projected(nn.Linear(5, 3), nn.ReLU())
    projected.add_module("projection", nn.Linear(5, 3))
    return nn.Sequential(
        nn.Conv2d(2, 3, 1), Residual(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()), nn.Flatten(),
        Residual(nn.LayerNorm(36), nn.Linear(36, 36), nn.Tanh()),
        Concat(nn.Linear(36, 3), nn.Linear(36, 2)),
        nn.Sequential(*(Residual(nn.Linear(5, 5), nn.ReLU()) for _ in range(2))), projected)


# Shapes of inputs as PyTorch has them.
MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5), nn.Tanh(),
                                  nn.Linear(5, 3)), (5,)),
    "lenet": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2),
                                    nn.Conv2d(3, 4, (2, 3)), nn.Tanh(), nn.Flatten(),
                                    nn.Linear(32, 6), nn.ReLU(), nn.Linear(6, 3)), (2, 12, 11)),
    "norms": (lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        nn.GroupNorm(3, 6), nn.PReLU(6), nn.Flatten(), nn.LayerNorm(288), nn.Linear(288, 4),
        nn.BatchNorm1d(4), nn.LayerNorm(4)), (2, 3, 4)),
    "decoder": (lambda: nn.Sequential(nn.Linear(3, 24), nn.Tanh(), nn.Unflatten(1, (4, 3, 2)),
                                      nn.LayerNorm((4, 3, 2)), nn.ConvTranspose2d(4, 2, 2),
                                      nn.Conv2d(2, 4, 2, groups=2)), (3,)),
    "sound": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.Flatten(),
                                    nn.Linear(24, 2)), (3, 8)),
    "words": (lambda: nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 5), nn.Tanh(), nn.Flatten(),
                                    nn.Linear(30, 2)), (6,)),
    "blocks": (blocks, (2, 3, 4)),
    "named": (Named, (4,)),
}


def last(x):
    return x.movedim(1, -1).reshape(len(x), -1).contiguous() if x.dim() > 2 else x.contiguous()


def inputs(name):
    shape = (3, *MODELS[name][1])
    if name == "words":
        return torch.arange(18).reshape(shape) * 5 % 7
    return torch.randn(shape, dtype=torch.double)


def write(folder):
    torch.manual_seed(3)
    values = {}
    for name, (make, _) in MODELS.items():
        model = make().double().eval()
        for key, p in model.state_dict().items():  # nothing keeps a value that all layers begin with
            if not key.endswith("tracked"):
                p.copy_(torch.rand_like(p) + 0.5 if "var" in key else torch.randn_like(p) / 2)
        x = inputs(name)
        state = model.state_dict()
        order = {"state_dict_order": "\n".join(state)} if name == "named" else None
        save_file(state, f"{folder}/{name}.safetensors", order)
        if name == "mlp":
            for dtype, ending in ((torch.float32, "f32"), (torch.float16, "f16"),
                                  (torch.bfloat16, "bf16")):
                rounded = make().to(dtype)
                rounded.load_state_dict(state)
                save_file(rounded.state_dict(), f"{folder}/mlp_{ending}.safetensors")
                values[f"mlp_{ending}.y"] = rounded.double()(x).detach()
        values[f"{name}.x"] = last(x).double()
        values[f"{name}.y"] = last(model(x).detach())
    save_file(values, f"{folder}/values.safetensors")


def read(program):
    here = os.path.dirname(os.path.abspath(__file__))
    values = load_file(f"{here}/pytorch/values.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, "weights for pytorch_weights.py"], check=True,
                       env={**os.environ, "CHAINRULE_TEST_PYTORCH": folder})
        for name, (make, shape) in MODELS.items():
            model = make().double().eval()
            model.load_state_dict(load_file(f"{folder}/{name}.safetensors"))
            x = values[f"{name}.x"]
            if len(shape) > 1:
                x = x.reshape(len(x), *shape[1:], shape[0]).movedim(-1, 1)
            y = last(model(x.long() if name == "words" else x).detach())
            worst = (y - values[f"{name}.y"]).abs().max().item()
            print(f"{name}: {worst:.1e}")
            assert worst < 1e-13, name


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2])
