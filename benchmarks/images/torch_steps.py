"""Steps of training by PyTorch (eager, channels last), as a contender of run.py."""
import argparse
import resource
import sys
import time

import torch
from torch import nn


def make(name):
    """The net, the shape of an image, the batch, and whether Adam trains it."""
    if name in ("L6", "L32"):
        a, b = (6, 16) if name == "L6" else (32, 64)
        return nn.Sequential(nn.Conv2d(1, a, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(a, b, 5),
                             nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(b * 16, 120),
                             nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)), \
            (1, 28, 28), 64, False
    if name in ("DD", "DD0"):
        drop = (lambda p: nn.Dropout(p)) if name == "DD" else (lambda p: nn.Identity())
        return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(),
                             nn.MaxPool2d(2), drop(0.25), nn.Flatten(), nn.Linear(64 * 144, 128),
                             nn.ReLU(), drop(0.5), nn.Linear(128, 10)), (1, 28, 28), 128, True
    if name == "V":
        layers, c = [], 3
        for out in (32, 64, 128):
            layers += [nn.Conv2d(c, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
                       nn.MaxPool2d(2)]
            c = out
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 10)), (3, 32, 32), 64, False

    class Block(nn.Module):
        def __init__(self, c, out, stride):
            super().__init__()
            self.f = nn.Sequential(nn.Conv2d(c, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out),
                                   nn.ReLU(), nn.Conv2d(out, out, 3, 1, 1, bias=False),
                                   nn.BatchNorm2d(out))
            self.stride, self.more = stride, out - c

        def forward(self, x):
            short = x
            if self.stride > 1:
                short = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
            return torch.relu(self.f(x) + short)

    layers, c = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for out in (16, 32, 64):
        for i in range(3):
            layers.append(Block(c, out, 2 if out > 16 and i == 0 else 1))
            c = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)), \
        (3, 32, 32), 64, False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--net")
    parser.add_argument("--threads", type=int)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    net, shape, batch, by_adam = make(o.net)
    net = net.to(memory_format=torch.channels_last)
    count = 16
    x = [torch.rand(batch, *shape).to(memory_format=torch.channels_last) for _ in range(count)]
    t = [torch.randint(0, 10, (batch,)) for _ in range(count)]
    loss = nn.CrossEntropyLoss()
    rule = torch.optim.Adam(net.parameters(), 0.001) if by_adam else \
        torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)

    def steps(n):
        for i in range(n):
            rule.zero_grad(set_to_none=True)
            loss(net(x[i % count]), t[i % count]).backward()
            rule.step()

    steps(count)
    print(f"ready torch {torch.__version__}, eager, channels last", flush=True)
    for line in sys.stdin:
        n = max(count, (int(line.split()[1]) + count - 1) // count * count)
        start = time.perf_counter()
        steps(n)
        print(1000 * (time.perf_counter() - start) / n, flush=True)
    print("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, flush=True)


if __name__ == "__main__":
    main()
