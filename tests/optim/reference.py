"""Prints the parameters that torch.optim reaches on the quadratic of tests/optim/reference_test.cpp.

    python tests/optim/reference.py

The loss is sum_i a_i (w_i - c_i)^2 / 2 in float64; 20 steps from w = (1, -1.5, 0.75).
"""
import torch

torch.set_default_dtype(torch.float64)  # else NAdam keeps its product of momenta in float32

a = torch.tensor([1.0, 0.25, 3.0])
c = torch.tensor([-2.0, 4.0, -1.0])


def run(name, optimizer, penalty=0.0):
    w = torch.tensor([1.0, -1.5, 0.75], requires_grad=True)
    o = optimizer([w])
    for _ in range(20):
        o.zero_grad()
        loss = (a * (w - c) ** 2).sum() / 2 + penalty * w.abs().sum()
        loss.backward()
        o.step()
    print(f"{name}: {{{', '.join(repr(x) for x in w.tolist())}}}")


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of X. Chen et al., NeurIPS 2023; torch.optim has none."""

    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                b1, b2 = g["betas"]
                update = (b1 * m + (1 - b1) * p.grad).sign()
                p -= g["lr"] * (update + g["weight_decay"] * p)
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


print("torch", torch.__version__)
t = torch.optim
run("sgd", lambda p: t.SGD(p, lr=0.1))
run("momentum", lambda p: t.SGD(p, lr=0.02, momentum=0.8))
run("nesterov", lambda p: t.SGD(p, lr=0.02, momentum=0.8, nesterov=True))
run("weight decay", lambda p: t.SGD(p, lr=0.1, weight_decay=0.3))
run("l1", lambda p: t.SGD(p, lr=0.005), penalty=0.3)
run("adam", lambda p: t.Adam(p, lr=0.05))
run("adam L2", lambda p: t.Adam(p, lr=0.05, weight_decay=0.3))
run("adamw", lambda p: t.AdamW(p, lr=0.05))
run("adamw 0.3", lambda p: t.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3))
run("nadam", lambda p: t.NAdam(p, lr=0.05))
run("nadam constants", lambda p: t.NAdam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6, momentum_decay=0.5))
run("rmsprop", lambda p: t.RMSprop(p))
run("rmsprop momentum", lambda p: t.RMSprop(p, lr=0.002, alpha=0.9, eps=1e-6, momentum=0.7))
run("rmsprop centered", lambda p: t.RMSprop(p, lr=0.005, alpha=0.9, centered=True))
run("rmsprop centered momentum", lambda p: t.RMSprop(p, lr=0.001, momentum=0.5, centered=True))
run("adagrad", lambda p: t.Adagrad(p, lr=0.1))
run("adagrad constants", lambda p: t.Adagrad(p, lr=0.2, lr_decay=0.1, initial_accumulator_value=0.5, eps=1e-3))
run("adadelta", lambda p: t.Adadelta(p))
run("adadelta constants", lambda p: t.Adadelta(p, lr=2.0, rho=0.8, eps=1e-3))
run("lion", lambda p: Lion(p, lr=0.01))
run("lion decay", lambda p: Lion(p, lr=0.02, betas=(0.8, 0.95), weight_decay=0.1))
