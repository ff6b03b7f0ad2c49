# Writes the files of tests/data/numpy/ with NumPy (2.4.6 was used):  python3 numpy_files.py
import pathlib

import numpy as np
from numpy.lib import format

folder = pathlib.Path(__file__).parent / "numpy"
x = np.array([[1.5, -2, 3], [4, 5, 6e10]])
arrays = {
    "x": x,
    "single": np.float32([[0.5], [-0.25]]),
    "labels": np.int64([3, 0, -1, 2**40]),
    "counts": np.int32([[7, -8]]),
    "pixels": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    "one": np.float64(2.5),
    "fortran": np.asfortranarray(x),
}
np.savez(folder / "stored.npz", **arrays)
np.savez_compressed(folder / "deflated.npz", **arrays)
np.save(folder / "x.npy", x)
for major in (2, 3):
    with open(folder / f"version_{major}.npy", "wb") as f:
        format.write_array(f, x, version=(major, 0))
np.save(folder / "fortran_3.npy", np.asfortranarray(np.zeros((2, 2, 2))))
np.save(folder / "big_endian.npy", x.astype(">f8"))
