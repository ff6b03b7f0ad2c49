"""Prints the numbers of tests/train/sample_weights_test.cpp and lbfgs_test.cpp, from PyTorch and
scikit-learn, in float64.

    python tests/train/reference.py
"""
import numpy as np
import sklearn
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

torch.set_default_dtype(torch.float64)


def line(name, values):
    print(f"{name}: {{{', '.join(repr(float(v)) for v in values)}}}")


def weighted(name, loss_of, steps=3):
    """Full batches of six samples; weights x(i, j), first parameters w(i, j), as in the test."""
    x = torch.tensor([[((i * 7 + j * 3) % 11 - 5) / 4 for j in range(2)] for i in range(6)])
    w = torch.tensor([[(3 * i - 2 * j + 1) / 8 for j in range(3)] for i in range(2)], requires_grad=True)
    b = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=0.5)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(x @ w + b)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    line(name + " losses", losses)
    line(name + " weights", w.detach().flatten())
    line(name + " biases", b.detach())


def lbfgs(steps, history):
    """Mean squared error of a line in 8 features of unequal scale: a convex quadratic."""
    x = torch.tensor([[((i * 7 + j * j * 3 + i * j) % 11 - 5) / 5 / 2**j for j in range(8)] for i in range(24)])
    y = torch.tensor([[((i * 5) % 7 - 3) / 2] for i in range(24)])
    w = torch.tensor([[(j % 3 - 1) / 2] for j in range(8)], requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([w, b], max_iter=steps, max_eval=1000, history_size=history,
                                  tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")
    evaluations = 0

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        loss = F.mse_loss(x @ w + b, y)
        loss.backward()
        return loss

    optimizer.step(closure)
    print(f"lbfgs {steps} steps, history {history}: {evaluations} evaluations, "
          f"{len(optimizer.state[w]['ro'])} corrections, loss {closure().item()!r}, "
          f"gradient {max(p.grad.abs().max().item() for p in (w, b))!r}")
    line("  parameters", torch.cat([w.detach().flatten(), b.detach()]))


print("torch", torch.__version__, "sklearn", sklearn.__version__)
labels = torch.tensor([0, 2, 1, 0, 0, 2])
line("balanced", compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy()))
balanced = torch.tensor(compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy()))
samples = torch.tensor([0.5, 2, 0, 1.25, 3, 0.75])
weighted("balanced", lambda y: F.cross_entropy(y, labels, weight=balanced))
weighted("samples", lambda y: (F.cross_entropy(y, labels, reduction="none") * samples).mean())
weighted("samples, values", lambda y: (((y - 0.5) ** 2).mean(1) * samples).mean())
for steps in (1, 5, 20):
    lbfgs(steps, 4)
lbfgs(20, 10)
