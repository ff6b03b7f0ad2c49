"""ONNX's checker and ONNX Runtime agree with the networks that export_onnx writes.

    python3 onnx_check.py <test_io>

The test program writes networks, inputs and its outputs. Each model must pass the checker with its
shapes inferred; its outputs must be the program's within

    (layers + sqrt(terms)) epsilon * the largest output,

a rounding in each layer and, in a sum of so many terms, one that grows like a random walk, and of the
same class for every sample whose largest outputs differ by more. Models for which ONNX Runtime has no
kernel in double are checked only. Exit status 77: a package is missing.
"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    import onnx
    import onnxruntime
except ImportError as e:
    print(f"skipped: {e}; pip install onnx onnxruntime")
    sys.exit(77)


def extents(text):
    return [int(n) for n in text.split("x")]


def run(path, x, dtype):
    """The outputs, or None where the runtime has no kernel for an operator."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # the type differs between versions
        if dtype == "float64" and "NOT_IMPLEMENTED" in str(e):
            return None
        raise
    return session.run(None, {"input": x})[0]


def main():
    failures, ran, worst = [], {"float32": 0, "float64": 0}, {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], "networks for onnx_check.py"], check=True,
                       env={**os.environ, "CHAINRULE_TEST_ONNX": folder})
        with open(os.path.join(folder, "cases.txt")) as file:
            cases = [line.split() for line in file]
        for name, kind, dtype, rows, of_x, of_y, first, layers, terms in cases:
            path = os.path.join(folder, name)
            rows, first, layers, terms = int(rows), int(first), int(layers), int(terms)
            x = numpy.fromfile(path + ".x", "int32" if kind == "int32" else dtype)
            y = numpy.fromfile(path + ".y", dtype)
            x = x.reshape([rows] + extents(of_x))
            y = y.reshape([rows] + extents(of_y))
            if first:
                x, y = (numpy.ascontiguousarray(numpy.moveaxis(a, -1, 1)) for a in (x, y))
            try:
                onnx.checker.check_model(path + ".onnx", full_check=True)
                ours = [d.dim_value for d in
                        onnx.load(path + ".onnx").graph.output[0].type.tensor_type.shape.dim]
                assert ours[1:] == list(y.shape[1:]), (ours, y.shape)
                theirs = run(path + ".onnx", x, dtype)
                if theirs is None:
                    continue
                assert theirs.shape == y.shape and theirs.dtype == y.dtype, theirs.shape
                epsilon = numpy.finfo(dtype).eps
                error = abs(theirs - y).max() / abs(y).max() / epsilon
                bound = layers + terms ** 0.5
                ran[dtype] += 1
                worst[dtype] = max(worst.get(dtype, (0,)), (error / bound, error, name))
                assert error <= bound, f"{error} epsilon, allowed {bound}"
                theirs, y = theirs.reshape(rows, -1), y.reshape(rows, -1)
                largest = numpy.sort(y, 1)[:, -2:]
                clear = largest[:, -1] - largest[:, 0] > 2 * bound * epsilon * abs(y).max()
                assert (theirs.argmax(1) == y.argmax(1))[clear].all(), "another class"
            except Exception as e:
                failures.append(f"{name}: {type(e).__name__}: {e}")
    print("\n".join(failures))
    print(f"{len(cases)} models, run by ONNX Runtime: {ran}; the largest share of the bound, error in "
          f"epsilon: {worst}")
    assert not failures
    assert ran["float32"] == len(cases) / 2 and ran["float64"] > 0, ran


main()
