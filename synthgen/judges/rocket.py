"""A judge of series: how likely does an independent classifier find the row's own class?

Two readers, each fitted to half of the real training rows, never to validation or held-out rows: MiniRocket features
with ridge regression onto the classes. Without classes the question is how typical the row is. Knows nothing of the
generator, nor of where the bar is: gates set it at a quantile of `reference`, class by class.

    judge = fit_rocket_judge(data, seed=0, folder=Path("runs/x/judges"))
    judge.examine({"series": series, "label": labels}).agreement  # (N,), in [0, 1]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from ..networks.minirocket import MiniRocket
from ..networks.ridge import Ridge, Spectrum, choose_penalty, decompose, fit_ridge, multiply, one_against_rest
from ..types import Columns, Data, Opinion, take_rows, thin_rows
from .ensemble import FOLDS, split_folds
from .keeping import Arrays, keep, recall, take_part

OWN = ("axes", "center", "deviation", "scale", "middle", "distances")  # arrays of a reader beside its parts
VERSION = 2  # of the readers and how they are fitted: whoever changes them raises it
TEMPERATURES = np.geomspace(0.02, 8.0, 121)
FEATURES = 1_000  # the judge's time is in proportion to them, and every candidate is judged
AXES = 64  # at most so many principal axes for fidelity and typicality
BLOCKS = 8  # of time, of each class in each fold
MOST_ROWS = 5_000  # of a fold that a reader is fitted to, evenly spaced


@dataclass(frozen=True)
class Reader:
    """What one half of the training rows taught: a ridge classifier, and where such rows lie."""

    rocket: MiniRocket
    ridge: Ridge
    middle: np.ndarray  # float32 (F,): mean features
    scale: np.ndarray  # float32 (F + 1,): deviation of each feature; the last, of what the axes leave over
    axes: np.ndarray  # float32 (F, D): features -> principal coordinates
    center: np.ndarray  # float32 (D,): the mean features' coordinates
    deviation: np.ndarray  # float32 (D,): of the coordinates
    distances: np.ndarray  # float32 (M,): of the real rows that it was not fitted to, rising

    def locate(self, features: np.ndarray) -> np.ndarray:
        """Principal coordinates (N, D) of rocket features (N, F)."""
        return multiply(features, self.axes) - self.center

    def measure_distance(self, features: np.ndarray) -> np.ndarray:
        """float32 (N,): Mahalanobis distance under probabilistic PCA (Tipping and Bishop 1999, section 3)."""
        places = self.locate(features)
        squares = np.square((features - self.middle) / self.scale[:-1]).sum(1) - np.square(places).sum(1)
        inside = np.square(places / self.deviation).sum(1)
        return np.sqrt(inside + squares.clip(min=0) / self.scale[-1] ** 2).astype(np.float32)

    def rate_typicality(self, distance: np.ndarray) -> np.ndarray:
        """The share of unseen real rows that lie at least as far out, (N,); beyond the farthest it falls on to 0."""
        count, farthest = len(self.distances), float(self.distances[-1])
        beyond = count - np.searchsorted(self.distances, distance, side="left")
        share = (beyond + np.minimum(1.0, farthest / np.maximum(distance, 1e-12))) / (count + 1)
        return share.astype(np.float32)


class RocketJudge:
    """Agreement is the mean over both readers of the probability of the row's class.

    Without classes it is the mean share of unseen real rows that lie at least as far from the reader's own, a p-value:
    for real rows it is spread evenly over 0 to 1.
    """

    def __init__(self, readers: tuple[Reader, ...], record: Mapping[str, Any], reference: np.ndarray):
        self.readers, self.record, self.reference = readers, dict(record), reference

    def examine(self, columns: Columns) -> Opinion:
        """series float32 (N, T, C) and label integer (N,). A row's opinion does not depend on the other rows.

        Features are principal coordinates of the first reader's, at most 64, in units of the spread of all training
        rows together: a Fréchet distance of 1 is as large as the training rows' own variance.
        """
        series, labels = columns["series"], columns["label"]
        found = [reader.rocket.transform(series) for reader in self.readers]
        temperature = float(self.record["temperature"])
        agreement = np.zeros(len(series), np.float32)
        for reader, features in zip(self.readers, found, strict=True):
            agreement += agree(reader, features, labels, temperature) / np.float32(len(self.readers))
        places = self.readers[0].locate(found[0])
        size = np.sqrt(np.square(self.readers[0].deviation).sum()) or np.float32(1)
        return Opinion(places / size, agreement.clip(0, 1))

    def save(self, folder: Any) -> None:
        described = {**self.record, "version": VERSION, "folds": FOLDS}
        keep(Path(folder), described, {**_flatten(self.readers), "reference": self.reference})


def fit_rocket_judge(data: Data, seed: int, folder: Path | None) -> RocketJudge:
    """The judge of data.train: read from `folder` when it holds it unaltered, else fitted and saved there."""
    mark = fingerprint(data, seed)
    found = recall(folder, mark, _restore_judge)
    if found is not None:
        return found
    labels, classes = data.train["label"], len(data.classes)
    folds = split_in_time(data.train, seed)
    shown = {"series": data.train["series"], "label": labels}
    readers: list[Reader] = []
    decisions, distances = np.zeros((len(labels), classes), np.float32), np.zeros(len(labels), np.float32)
    for fold in range(FOLDS):
        kept = folds == fold
        rest = thin_rows(take_rows(shown, ~kept), MOST_ROWS)
        reader = fit_reader(rest, classes, seed + fold)
        features = reader.rocket.transform(shown["series"][kept])
        decisions[kept], distances[kept] = reader.ridge.decide(features), reader.measure_distance(features)
        readers.append(replace(reader, distances=np.sort(distances[kept])))
    temperature = calibrate(decisions, labels) if classes > 1 else 1.0
    reference = np.empty(len(labels), np.float32)
    for fold, reader in enumerate(readers):
        kept = folds == fold
        probabilities = probability(decisions[kept], labels[kept], temperature)
        reference[kept] = probabilities if classes > 1 else reader.rate_typicality(distances[kept])
    record = {"fingerprint": mark, "classes": list(data.classes), "seed": seed, "temperature": temperature}
    judge = RocketJudge(tuple(readers), record, reference)
    if folder is not None:
        judge.save(folder)
    return judge


def split_in_time(rows: Columns, seed: int) -> np.ndarray:
    """Fold of each row, int64 (N,). Rows that are windows of the same recordings go to the folds in blocks of time.

    Windows overlap or follow one another: dealt out one by one, a reader would have seen nearly every row of the other
    fold, and what it says of them would be no measure for rows that are new.
    """
    labels, owners = rows["label"], rows["series_id"]
    if len(np.unique(owners)) == len(owners) or len(labels) < FOLDS * BLOCKS:
        return split_folds(labels, seed)
    folds = np.empty(len(labels), np.int64)
    order = np.lexsort((rows["start"], owners, labels))
    for own in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        folds[own] = np.arange(len(own)) * FOLDS * BLOCKS // len(own) % FOLDS
    return folds


def fit_reader(columns: Columns, classes: int, seed: int) -> Reader:
    """A reader of series (N, T, C) and label (N,), without the distances of rows that it has not seen."""
    rocket = MiniRocket.fit(columns["series"], seed, FEATURES)
    features = rocket.transform(columns["series"])
    spectrum = decompose(features)
    targets = one_against_rest(columns["label"], classes)
    ridge = fit_ridge(spectrum, targets, choose_penalty(spectrum, targets) if classes > 1 else 1.0)
    axes, deviation, left_over = find_axes(spectrum)
    pulled = (axes / spectrum.scale[:, None]).astype(np.float32)
    scale = np.append(spectrum.scale, left_over).astype(np.float32)
    middle = spectrum.center.astype(np.float32)
    center, distances = multiply(middle[None], pulled)[0], np.zeros(1, np.float32)
    return Reader(rocket, ridge, middle, scale, pulled, center, deviation, distances)


def find_axes(spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray, float]:
    """The first principal axes (F, D), the deviation along each (D,), and the deviation along all others together.

    A quarter as many axes as rows: of more, few rows cannot say how far unseen ones reach.
    """
    rows = len(spectrum.left)
    deviations = spectrum.singular / np.sqrt(max(rows - 1, 1))
    if not len(deviations):  # rows that are all the same
        return np.zeros((len(spectrum.scale), 1)), np.ones(1, np.float32), 1.0
    count = min(AXES, max(1, rows // 4), len(deviations))
    left_over = deviations[count:] if count < len(deviations) else deviations[-1:]
    return spectrum.axes[:, :count], deviations[:count].astype(np.float32), float(np.sqrt(np.mean(left_over**2)))


def agree(reader: Reader, features: np.ndarray, labels: np.ndarray, temperature: float) -> np.ndarray:
    """float32 (N,) in [0, 1]: what one reader says of rows with these rocket features and labels."""
    if reader.ridge.bias.size > 1:
        return probability(reader.ridge.decide(features), labels, temperature)
    return reader.rate_typicality(reader.measure_distance(features))


def probability(decisions: np.ndarray, labels: np.ndarray, temperature: float) -> np.ndarray:
    """(N, K), (N,) -> softmax(decisions / temperature) at the label, float32 (N,)."""
    logs = log_softmax(decisions.astype(np.float64) / temperature, axis=1)
    return np.exp(logs[np.arange(len(labels)), labels]).astype(np.float32)


def calibrate(decisions: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the least out-of-fold cross-entropy (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    The targets are not 0 and 1 but what so many rows can vouch for (Platt 1999, section 2.2): else classes that are
    told apart without a mistake would make every judgement certain.
    """
    count, classes = decisions.shape
    targets = (np.eye(classes)[labels] * count + 1) / (count + classes)
    losses = [-(targets * log_softmax(decisions.astype(np.float64) / t, axis=1)).sum() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def fingerprint(data: Data, seed: int) -> str:
    """SHA-256 of everything that a judge is made from; another version of this package makes another judge."""
    total = hashlib.sha256(json.dumps({"version": VERSION, "seed": seed, "classes": data.classes}).encode())
    for name in ("series", "label"):
        values = np.ascontiguousarray(data.train[name])
        total.update(f"{name} {values.dtype.str} {values.shape}".encode())
        total.update(values.data)
    return total.hexdigest()


def _restore_judge(described: dict[str, Any], arrays: Arrays) -> RocketJudge:
    record = {name: described[name] for name in ("fingerprint", "classes", "seed", "temperature")}
    readers = tuple(_restore(take_part(arrays, fold)) for fold in range(FOLDS))
    return RocketJudge(readers, record, arrays["reference"])


def _flatten(readers: tuple[Reader, ...]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for fold, reader in enumerate(readers):
        arrays |= {f"{fold}.{name}": getattr(reader, name) for name in OWN}
        arrays |= {f"{fold}.rocket.{name}": values for name, values in reader.rocket.arrays().items()}
        arrays |= {f"{fold}.ridge.{name}": values for name, values in vars(reader.ridge).items()}
    return arrays


def _restore(arrays: Arrays) -> Reader:
    def part(prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): v for name, v in arrays.items() if name.startswith(prefix)}

    own = {name: arrays[name] for name in OWN}
    return Reader(MiniRocket(**part("rocket.")), Ridge(**part("ridge.")), **own)
