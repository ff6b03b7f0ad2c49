#!/usr/bin/env python3
"""Trains a small convolutional network in PyTorch to tell rows, columns and crosses in images, and
writes what main.cpp reads: bars.safetensors, its weights, and expected.safetensors, six images with
the logits of PyTorch.

    python3 train.py       # needs torch and safetensors; writes beside this script
"""
import os

import torch
from safetensors.torch import save_file
from torch import nn

from export import export

HEIGHT, WIDTH = 8, 6  # not equal, so that a mistake in the order of axes shows


def draw(label):
    """An image of noise with a bright row (0), a bright column (1) or both (2)."""
    image = 0.4 * torch.rand(1, HEIGHT, WIDTH)
    if label != 1:
        image[:, torch.randint(HEIGHT, ())] += 0.5
    if label != 0:
        image[:, :, torch.randint(WIDTH, ())] += 0.5
    return image


torch.manual_seed(1)
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                      nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 3))
labels = torch.arange(1500) % 3
images = torch.stack([draw(label) for label in labels])
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(30):
    for batch in torch.randperm(len(images)).split(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()

unseen = torch.stack([draw(label) for label in labels])
logits = model(unseen).detach()
print(f"accuracy on unseen images: {(logits.argmax(1) == labels).float().mean():.3f}")
print(logits[:6])

folder = os.path.dirname(os.path.abspath(__file__))
export(model.state_dict(), f"{folder}/bars.safetensors")
# Images are channels last in the library.
save_file({"images": unseen[:6].movedim(1, -1).contiguous(), "logits": logits[:6].clone()},
          f"{folder}/expected.safetensors", {"torch": torch.__version__})
