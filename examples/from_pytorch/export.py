#!/usr/bin/env python3
"""Writes the state_dict of a PyTorch model as safetensors, for load_weights with a layout.

    python3 export.py model.pt model.safetensors    # what torch.save(model.state_dict(), path) wrote
"""
import sys


def export(state_dict, path):
    from safetensors.torch import save_file
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in state_dict.items()}
    # safetensors sorts names; their order is what load_weights matches modules by, if asked to.
    save_file(tensors, path, {"state_dict_order": "\n".join(tensors)})


if __name__ == "__main__":
    import torch
    export(torch.load(sys.argv[1], map_location="cpu", weights_only=True), sys.argv[2])
