"""PyTorch on the CPU as a contender (contender.py): data as bytes in memory, converted batch by batch,
which is faster than floats, and no DataLoader.

--compiled: forward and loss, and so the backward pass, by torch.compile."""
import torch

import contender

s = contender.setting()
torch.set_num_threads(s.threads)
torch.manual_seed(7)
count, features, raw, raw_labels = contender.read_samples(s.data, "train")


def images(raw_pixels, n):
    return torch.frombuffer(raw_pixels, dtype=torch.uint8).view(n, features)


def floats(some):
    return some.float().mul_(1 / 255)


pixels = images(raw, count)
labels = torch.frombuffer(raw_labels, dtype=torch.uint8).long()
sigmoid = s.hidden == "sigmoid"
modules = []
for fan_in, fan_out in zip(s.extents, s.extents[1:]):
    linear = torch.nn.Linear(fan_in, fan_out)
    if sigmoid:
        torch.nn.init.xavier_uniform_(linear.weight)
    else:
        torch.nn.init.kaiming_normal_(linear.weight)
    torch.nn.init.zeros_(linear.bias)
    modules += [linear, torch.nn.Sigmoid() if sigmoid else torch.nn.ReLU()]
if not sigmoid:
    modules.pop()
net = torch.nn.Sequential(*modules)
optimizer = torch.optim.SGD(net.parameters(), lr=s.rate)
targets = torch.eye(s.extents[-1])[labels] if sigmoid else labels


def loss_of(x, t):
    y = net(x)
    if sigmoid:
        return (y - t).square().sum() * (0.5 / len(x))
    return torch.nn.functional.cross_entropy(y, t)


if s.compiled:
    loss_of = torch.compile(loss_of)


def step(batch):
    loss = loss_of(floats(pixels.index_select(0, batch)), targets.index_select(0, batch))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach() * len(batch)


def train(epochs):
    loss = 0.0
    for _ in range(epochs):
        total = torch.zeros(())
        for batch in torch.randperm(count).split(s.batch):
            total += step(batch)
        loss = total.item() / count
    return loss


def test():
    unseen, _, raw_unseen, raw_answers = contender.read_samples(s.data, "t10k")
    answers = torch.frombuffer(raw_answers, dtype=torch.uint8).long()
    with torch.no_grad():
        return (net(floats(images(raw_unseen, unseen))).argmax(1) == answers).float().mean().item()


contender.serve(torch.__version__, train, test)
