"""A careful loop in NumPy as a contender (contender.py): data as bytes in memory, converted batch by
batch, buffers allocated once, results written in place. OPENBLAS_NUM_THREADS says how many threads."""
import numpy as np

import contender

s = contender.setting()
count, features, raw, raw_labels = contender.read_samples(s.data, "train")
pixels = np.frombuffer(raw, np.uint8).reshape(count, features)
labels = np.frombuffer(raw_labels, np.uint8).astype(np.intp)

random = np.random.default_rng(7)
sigmoid = s.hidden == "sigmoid"
weights, biases = [], []
for fan_in, fan_out in zip(s.extents, s.extents[1:]):
    # Glorot's for sigmoids, He's for relus.
    deviation = np.sqrt(2 / (fan_in + fan_out) if sigmoid else 2 / fan_in)
    weights.append((deviation * random.standard_normal((fan_in, fan_out))).astype(np.float32))
    biases.append(np.zeros(fan_out, np.float32))
gradients = [np.empty_like(w) for w in weights]
layers = len(weights)
byte_buffer = np.empty((s.batch, features), np.uint8)
x_buffer = np.empty((s.batch, features), np.float32)
y_buffers = [np.empty((s.batch, e), np.float32) for e in s.extents[1:]]
d_buffers = [np.empty((s.batch, e), np.float32) for e in s.extents[1:]]
t_buffers = [np.empty((s.batch, e), np.float32) for e in s.extents[1:]]
rows = np.arange(s.batch)


def forward(x, n):
    for i in range(layers):
        y = y_buffers[i][:n]
        np.matmul(x, weights[i], out=y)
        y += biases[i]
        if sigmoid:
            np.negative(y, out=y)
            np.exp(y, out=y)
            y += np.float32(1)
            np.reciprocal(y, out=y)
        elif i + 1 < layers:
            np.maximum(y, 0, out=y)
        x = y
    return x


def step(batch):
    """One step; returns the sum of the losses."""
    n = len(batch)
    x = x_buffer[:n]
    np.copyto(x, np.take(pixels, batch, axis=0, out=byte_buffer[:n], mode="clip"))
    x *= np.float32(1 / 255)
    t = labels[batch]
    y = forward(x, n)
    d = d_buffers[-1][:n]
    scale = np.float32(1 / n)
    if sigmoid:
        np.copyto(d, y)
        d[rows[:n], t] -= np.float32(1)
        loss = 0.5 * np.vdot(d, d)
        slope = t_buffers[-1][:n]
        np.subtract(np.float32(1), y, out=slope)
        slope *= y
        slope *= scale
        d *= slope
    else:
        np.subtract(y, y.max(axis=1, keepdims=True), out=d)
        loss = -d[rows[:n], t].sum()
        np.exp(d, out=d)
        total = d.sum(axis=1, keepdims=True)
        loss += np.log(total).sum()
        d *= scale / total
        d[rows[:n], t] -= scale
    for i in reversed(range(layers)):
        d = d_buffers[i][:n]
        below = y_buffers[i - 1][:n] if i > 0 else x
        np.matmul(below.T, d, out=gradients[i])
        if i > 0:
            np.matmul(d, weights[i].T, out=d_buffers[i - 1][:n])
            if sigmoid:
                slope = t_buffers[i - 1][:n]
                np.subtract(np.float32(1), below, out=slope)
                slope *= below
                d_buffers[i - 1][:n] *= slope
            else:
                d_buffers[i - 1][:n] *= below > 0
        gradients[i] *= np.float32(s.rate)
        weights[i] -= gradients[i]
        biases[i] -= np.float32(s.rate) * d.sum(axis=0)
    return float(loss)


def train(epochs):
    loss = 0.0
    for _ in range(epochs):
        order = random.permutation(count)
        loss = sum(step(order[i:i + s.batch]) for i in range(0, count, s.batch)) / count
    return loss


def test():
    unseen, _, raw_unseen, raw_answers = contender.read_samples(s.data, "t10k")
    images = np.frombuffer(raw_unseen, np.uint8).reshape(unseen, features)
    answers = np.frombuffer(raw_answers, np.uint8)
    right = 0
    for i in range(0, unseen, s.batch):
        x = images[i:i + s.batch].astype(np.float32) * np.float32(1 / 255)
        right += (forward(x, len(x)).argmax(axis=1) == answers[i:i + s.batch]).sum()
    return right / unseen


contender.serve(f"{np.__version__}, {contender.blas_in_use()}", train, test)
