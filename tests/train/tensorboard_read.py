"""The real TensorBoard reads what tensorboard_log writes.

    python3 tensorboard_read.py <test_train>

The test program writes a training's logs, its epochs as CSV and its last weights and gradients as
text; TensorBoard must read these numbers from the logs. Exit status 77: there is no TensorBoard.
"""
import csv
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as e:
    print(f"skipped: {e}; pip install tensorboard")
    sys.exit(77)


def runs_of(folder):
    """Scalars and histograms, each as {(run, tag): {step: value}}."""
    scalars, histograms = {}, {}
    for run in sorted(os.listdir(folder)):
        reader = EventAccumulator(os.path.join(folder, run), size_guidance={"histograms": 0})
        reader.Reload()
        for tag in reader.Tags()["scalars"]:
            scalars[run, tag] = {e.step: e.value for e in reader.Scalars(tag)}
        for tag in reader.Tags()["histograms"]:
            histograms[run, tag] = {e.step: e.histogram_value for e in reader.Histograms(tag)}
    return scalars, histograms


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], "logs for tensorboard_read.py"], check=True,
                       env={**os.environ, "CHAINRULE_TEST_LOGS": folder})
        scalars, histograms = runs_of(os.path.join(folder, "logs"))
        with open(os.path.join(folder, "log.csv"), newline="") as file:
            epochs = list(csv.DictReader(file))
        with open(os.path.join(folder, "numbers.txt")) as file:
            numbers = {words[0]: numpy.array([float(w) for w in words[1:]])
                       for words in map(str.split, file)}

    assert len(epochs) == 5 and len(numbers) == 8, (epochs, numbers)
    expected = {("training", "loss"): "loss", ("training", "accuracy"): "accuracy",
                ("training", "rate"): "rate", ("validation", "loss"): "validation_loss",
                ("validation", "accuracy"): "validation_accuracy"}
    assert set(scalars) == set(expected), sorted(scalars)
    for key, column in expected.items():
        wanted = {int(row["epoch"]): float(numpy.float32(row[column])) for row in epochs}
        assert scalars[key] == wanted, (key, scalars[key], wanted)
    assert set(histograms) == {("training", tag) for tag in numbers}, sorted(histograms)
    for tag, values in numbers.items():
        steps = histograms["training", tag]
        assert sorted(steps) == [1, 2, 3, 4, 5], (tag, sorted(steps))
        h = steps[5]
        assert (h.min, h.max, h.num) == (values.min(), values.max(), len(values)), (tag, h)
        assert numpy.allclose([h.sum, h.sum_squares], [values.sum(), (values**2).sum()]), (tag, h)
        # NumPy's intervals may differ from those of the file by a rounding.
        counts = numpy.histogram(values, 30)[0]
        assert len(h.bucket) == len(h.bucket_limit) == 30 and sum(h.bucket) == h.num, (tag, h)
        assert abs(counts - h.bucket).sum() <= 2, (tag, h, counts)
    print(f"TensorBoard reads {len(expected)} scalars and {len(numbers)} histograms of 5 epochs")


main()
