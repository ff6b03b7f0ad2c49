"""The nets of nets.hpp in PyTorch on the same GPU, eager and with CUDA graphs, float32 without TF32.

    python3 benchmarks/gpu_torch.py [A B C D 4096]

Prints the rows of cuda_epoch's table, or why there are none.
"""
import sys
import time

try:
    import torch
except ImportError:
    print("PyTorch: skipped, Python has none")
    sys.exit(0)
if not torch.cuda.is_available():
    print("PyTorch: skipped, it has no CUDA device")
    sys.exit(0)

torch.backends.cuda.matmul.allow_tf32 = False
SAMPLES = 60000
NETS = {
    "A": ([784, 32, 10], "sigmoid", 256, 2.0),
    "B": ([784, 128, 10], "relu", 64, 0.1),
    "C": ([784, 512, 512, 10], "relu", 128, 0.1),
    "D": ([784, 2048, 2048, 10], "relu", 512, 0.1),
    "4096": ([784, 4096, 4096, 10], "relu", 512, 0.05),
}


def make(extents, kind):
    layers = []
    for i in range(1, len(extents)):
        layers.append(torch.nn.Linear(extents[i - 1], extents[i]))
        if kind == "sigmoid":
            layers.append(torch.nn.Sigmoid())
        elif i + 1 < len(extents):
            layers.append(torch.nn.ReLU())
    return torch.nn.Sequential(*layers).cuda()


def measure(name, with_graph):
    extents, kind, batch, rate = NETS[name]
    torch.manual_seed(1)
    pixels = torch.randint(0, 256, (SAMPLES, 784), dtype=torch.uint8, device="cuda")
    labels = torch.randint(0, 10, (SAMPLES,), device="cuda")
    net = make(extents, kind)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)
    rows = torch.zeros(batch, dtype=torch.long, device="cuda")

    def step():
        x = pixels[rows].float() * (1 / 255)
        y = net(x)
        if kind == "sigmoid":
            target = torch.nn.functional.one_hot(labels[rows], 10).float()
            loss = 0.5 * (y - target).square().sum() / batch
        else:
            loss = torch.nn.functional.cross_entropy(y, labels[rows])
        optimizer.zero_grad(set_to_none=not with_graph)
        loss.backward()
        optimizer.step()

    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):
        for _ in range(5):
            step()
    torch.cuda.synchronize()
    run = step
    if with_graph:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        run = graph.replay

    steps = SAMPLES // batch
    best = float("inf")
    for _ in range(3):
        order = torch.randperm(SAMPLES, device="cuda")
        torch.cuda.synchronize()
        start = time.perf_counter()
        for i in range(steps):
            rows.copy_(order[i * batch:(i + 1) * batch])
            run()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    how = "PyTorch, CUDA graphs" if with_graph else "PyTorch, eager"
    print(f"{name:5} {how:22} {best * 1e3:9.2f} {best * 1e6 / steps:11.2f}")


for net_name in sys.argv[1:] or NETS:
    for graphs in (False, True):
        measure(net_name, graphs)
