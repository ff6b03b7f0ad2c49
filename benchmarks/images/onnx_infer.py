"""Forward passes of one image by onnxruntime, as a contender of run.py: lines "infer N"."""
import argparse
import io
import resource
import sys
import time

import warnings

import numpy as np
import onnxruntime
import torch
from torch_steps import make

warnings.simplefilter("ignore")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--net")
    parser.add_argument("--threads", type=int)
    o = parser.parse_args()
    net, shape, _, _ = make(o.net)
    file = io.BytesIO()
    torch.onnx.export(net.eval(), (torch.rand(1, *shape),), file, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = o.threads
    session = onnxruntime.InferenceSession(file.getvalue(), options,
                                           providers=["CPUExecutionProvider"])
    x = onnxruntime.OrtValue.ortvalue_from_numpy(np.full((1, *shape), 0.5, np.float32))
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, x)
    binding.bind_output(session.get_outputs()[0].name)
    session.run_with_iobinding(binding)
    print(f"ready onnxruntime {onnxruntime.__version__}, io_binding", flush=True)
    for line in sys.stdin:
        n = int(line.split()[1])
        start = time.perf_counter()
        for _ in range(n):
            session.run_with_iobinding(binding)
        print(1e6 * (time.perf_counter() - start) / n, flush=True)
    print("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, flush=True)


main()
