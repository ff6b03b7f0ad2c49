#!/usr/bin/env python3
"""Writes iris.csv and digits.npz of tests/train/sets, and prints what scikit-learn's MLP reaches on
them: the numbers in tests/train/small_sets_test.cpp.

    python3 tests/train/small_sets.py    # needs scikit-learn and NumPy

Both sets are of the UCI Machine Learning Repository (CC BY 4.0): R. A. Fisher, "Iris", 1936; E. Alpaydin,
C. Kaynak, "Optical Recognition of Handwritten Digits", 1998, of which scikit-learn holds the test part.
"""
import os
import warnings

import numpy as np
import sklearn
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sets")


def accuracies(x, y, hidden, epochs, rate):
    """The accuracy on unseen samples: five folds in a row, five seeds in a column."""
    result = np.zeros((5, 5))
    for seed in range(5):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for i, (train, test) in enumerate(folds.split(x, y)):
            scaler = StandardScaler().fit(x[train])
            net = MLPClassifier((hidden,), batch_size=32, max_iter=epochs, n_iter_no_change=epochs,
                                learning_rate_init=rate, random_state=seed)
            net.fit(scaler.transform(x[train]), y[train])
            result[seed, i] = net.score(scaler.transform(x[test]), y[test])
    return result


def main():
    os.makedirs(here, exist_ok=True)
    iris = load_iris()
    with open(os.path.join(here, "iris.csv"), "w", encoding="ascii") as file:
        file.write("sepal length,sepal width,petal length,petal width,kind\n")
        for row, kind in zip(iris.data, iris.target):
            file.write(",".join(f"{v:g}" for v in row) + f",{iris.target_names[kind]}\n")
    digits = load_digits()
    np.savez_compressed(os.path.join(here, "digits.npz"), x=digits.data.astype(np.uint8),
                        labels=digits.target.astype(np.uint8))
    print("scikit-learn", sklearn.__version__)
    for name, data, hidden, epochs, rate in (("iris", iris, 16, 200, 0.005),
                                           ("digits", digits, 64, 40, 0.002)):
        a = accuracies(data.data.astype(float), data.target, hidden, epochs, rate)
        means = a.mean(axis=1)  # of the five seeds
        print(f"{name}: mean {means.mean():.6f}, standard error of the mean over seeds "
              f"{means.std(ddof=1) / np.sqrt(5):.6f}, of all 25 {a.std(ddof=1) / 5:.6f}")


main()
