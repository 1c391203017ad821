"""Accuracies of aeon's MiniRocketClassifier on held-out rows, by what it was trained on: real, synthetic, both.

It reads a finished run's recipe and dataset and prints one line of JSON: {"real": [...], "synthetic": [...], "both":
[...]}, one value a seed. In "both" real rows are repeated until half of the rows are real.

    python benchmarks/_minirocket.py benchmarks/runs/series-power
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from datasets import load_dataset

from synthgen.recipe import load
from synthgen.sources import load_series

SEEDS = 3


def main(folder: Path) -> None:
    warnings.filterwarnings("ignore")
    from aeon.classification.convolution_based import MiniRocketClassifier

    recipe = load(str(folder / "dataset" / "recipe.yaml"))
    data = load_series(recipe.source, recipe.seed)
    made = load_dataset(str(folder / "dataset"), split="train").with_format("numpy")
    real = data.train["series"].transpose(0, 2, 1), data.train["label"]
    synthetic = np.stack(list(made["series"])).astype(np.float32), np.asarray(made["label"])
    repeated = np.resize(np.arange(len(real[1])), max(len(real[1]), len(synthetic[1])))
    both = tuple(np.concatenate([a[repeated], b]) for a, b in zip(real, synthetic, strict=True))
    test = data.heldout["series"].transpose(0, 2, 1), data.heldout["label"]
    scores = {
        name: [
            float(MiniRocketClassifier(random_state=seed).fit(*rows).score(*test)) for seed in range(SEEDS)
        ]
        for name, rows in (("real", real), ("synthetic", synthetic), ("both", both))
    }  # fmt: skip
    print(json.dumps(scores))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
