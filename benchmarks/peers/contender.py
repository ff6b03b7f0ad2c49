"""What makes a Python program a contender of race/race.cpp: contender.hpp for this language."""
import argparse
import struct
import sys
import time


def setting():
    parser = argparse.ArgumentParser()
    parser.add_argument("--net")
    parser.add_argument("--extents", type=lambda text: [int(e) for e in text.split(",")])
    parser.add_argument("--hidden", choices=["sigmoid", "relu"])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--data")
    parser.add_argument("--compiled", action="store_true")
    return parser.parse_args()


def read_bytes(path):
    """The extents of an IDX file and a bytearray of the rest."""
    with open(path, "rb") as file:
        rank = file.read(4)[3]
        extents = struct.unpack(f">{rank}i", file.read(4 * rank))
        return extents, bytearray(file.read())


def read_samples(folder, half):
    """Count, features, pixels and labels; `half` is train or t10k."""
    (count, height, width), pixels = read_bytes(f"{folder}/{half}-images-idx3-ubyte")
    _, labels = read_bytes(f"{folder}/{half}-labels-idx1-ubyte")
    return count, height * width, pixels, labels


def blas_in_use():
    """The file of the BLAS that this process has loaded."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        paths = {line.split()[-1] for line in file if "/" in line}
    names = sorted(p.rsplit("/", 1)[-1] for p in paths)
    for word in ("mkl_rt", "openblas", "blis", "libblas"):
        for name in names:
            if word in name:
                return name
    return "a BLAS of its own"


def serve(version, train, test):
    """Answers until the input ends. train(epochs) returns a loss, test() the accuracy."""

    def timed(epochs):
        start = time.perf_counter()
        loss = train(epochs)
        return (time.perf_counter() - start) / epochs, loss

    seconds, loss = timed(1)
    print(f'{{"ready": "{version}", "seconds": {seconds:.9g}, "loss": {loss:.9g}, "same_start": 0}}',
          flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "train":
            seconds, loss = timed(int(words[1]))
            print(f'{{"seconds": {seconds:.9g}, "loss": {loss:.9g}}}', flush=True)
        elif words[0] == "test":
            print(f'{{"accuracy": {test():.6g}}}', flush=True)
        else:
            sys.exit(f"there is no command {line}")
