"""A judge of points, their parts and class: does an independent net find the row's own, and is the cloud solid?

Two nets, each trained on half of the real training rows; never on validation or held-out rows. Knows nothing of the
generator, nor of poses: points are in the object's own frame.

    judge = fit_points_judge(data, seed=0, folder=Path("runs/x/judges"))
    judge.examine({"points": points, "part": part, "label": label}).agreement  # (N,), in [0, 1]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..boxes import sort_by_part
from ..networks.points import SCHEDULE, PointNet, fit_points, infer_points, thin_points
from ..networks.supervised import Schedule, as_targets
from ..types import Columns, Data, Opinion, count_rows, take_rows
from .classifier import probability
from .ensemble import FOLDS, VERSION, Ensemble, Record, read, split_folds, write
from .segmenter import balanced_agreement

TEMPERATURES = np.geomspace(0.25, 8.0, 31)
LOOKED_AT, MEASURED = 256, 512  # points of a row: by the nets, and for its solidity
ALONE = 4.0  # times the median distance to the nearest point: evenly spread on a surface, 2^-16 of the points are
INNER = 0.8  # of a part's box: within that, a point of another part is deep inside
USUAL = 0.99  # quantile of the real rows of a class up to which stray and overlapping points cost nothing
BLOCK = 64  # rows measured at once: they stay in the cache
SLACK = 0.01  # of the points, beyond that quantile
Agree = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PointsRecord(Record):
    """`temperature` is that of the classes; limits are shares of points, class by class."""

    part_temperature: float
    stray: tuple[float, ...]
    overlap: tuple[float, ...]


class PointsJudge:
    """Agreement: the geometric mean of the class's probability and of the parts' (all parts of the row alike), at
    temperatures that fit rows that were not trained on; less where more points than usual stray or overlap.

    A row with twice the usual share of stray or of overlapping points (`measure_stray`, `measure_overlap`: the 99 %
    quantile of the real rows of its class) has half the agreement.
    """

    def __init__(self, ensemble: Ensemble, record: PointsRecord, reference: np.ndarray):
        self.ensemble, self.record, self.reference = ensemble, record, reference

    def examine(self, columns: Columns) -> Opinion:
        """points float32 (N, P, 3), part (N, P), label (N,). A row's opinion does not depend on the other rows."""
        count, nets = count_rows(columns), self.ensemble.nets
        features, agreement = np.empty((count, nets[0].feature_width), np.float32), np.zeros(count, np.float32)
        agree = agreement_at(self.record)
        for number, net in enumerate(nets):
            for rows, agreed, found in _look(net, columns, agree):
                agreement[rows] += agreed.numpy() / np.float32(len(nets))
                if number == 0:
                    features[rows] = found.numpy()
        shares = measure_stray(columns["points"]), measure_overlap(columns["points"], columns["part"])
        return Opinion(features, agreement * measure_solidity(shares, columns["label"], self.record))

    def find_parts(self, points: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """uint8 (N, P): the likeliest part of each of points (N, P, 3) among those `allowed`, bool (N, parts).

        One of the nets says so; the other, which was fitted on other rows, has its say in the agreement.
        """
        found = np.empty(points.shape[:2], np.uint8)
        hidden = torch.from_numpy(~allowed)[..., None]
        net: Any = self.ensemble.nets[0]
        for rows, _, part_logits, _ in infer_points(net, points):
            found[rows] = part_logits.masked_fill(hidden[rows], -torch.inf).argmax(1).numpy()
        return found

    def save(self, folder: Any) -> None:
        write(Path(folder), self.record, self.ensemble, self.reference)


def fit_points_judge(data: Data, seed: int, folder: Path | None) -> PointsJudge:
    """The judge of data.train: read from `folder` when it holds it unaltered, else fitted and saved there."""
    train, mark = data.train, fingerprint_points(data, seed)
    architecture = {"classes": len(data.classes), "parts": len(data.details["parts"])}
    build = partial(PointNet, **architecture)
    found = _recall(folder, mark, build) if folder is not None else None
    if found is not None:
        return found
    folds, schedule = split_folds(train["label"], seed), choose_schedule(count_rows(train))
    nets = []
    for fold in range(FOLDS):
        rows = take_rows(train, folds != fold)
        nets.append(fit_points(build(), rows["points"], rows["label"], rows["part"], schedule, seed=seed + fold))
    ensemble = Ensemble(tuple[Any, ...](nets))
    shares = measure_stray(train["points"]), measure_overlap(train["points"], train["part"])
    limits = [find_limits(share, train["label"], len(data.classes)) for share in shares]
    record = PointsRecord(mark, architecture, data.classes, seed, *calibrate(ensemble, train, folds), *limits)
    solid = measure_solidity(shares, train["label"], record)
    reference = _ask_out_of_fold(ensemble, train, folds, agreement_at(record)) * solid
    judge = PointsJudge(ensemble, record, reference)
    if folder is not None:
        judge.save(folder)
    return judge


def choose_schedule(rows: int) -> Schedule:
    """Eight passes over the rows, in at least 250 steps and at most 1,000."""
    return replace(SCHEDULE, steps=min(max(SCHEDULE.steps, 8 * rows // SCHEDULE.batch_size), 1000))


def fingerprint_points(data: Data, seed: int) -> str:
    """SHA-256 of everything that a judge is made from; another version of this package makes another judge."""
    head = {"version": VERSION, "seed": seed, "classes": data.classes, "parts": data.details["parts"]}
    total = hashlib.sha256(json.dumps(head).encode())
    for name in ("points", "part", "label"):
        values = np.ascontiguousarray(data.train[name])
        total.update(f"{name} {values.dtype.str} {values.shape}".encode())
        total.update(values.data)
    return total.hexdigest()


def agreement_at(record: PointsRecord) -> Agree:
    """(class logits (B, K), part logits (B, parts, P), label (B,), part (B, P)) -> (B,)."""

    def agree(class_logits: Tensor, part_logits: Tensor, label: Tensor, part: Tensor) -> Tensor:
        by_class = probability(class_logits, label, record.temperature)
        if part_logits.shape[1] == 1:
            return by_class
        return (by_class * balanced_agreement(part_logits / record.part_temperature, part)).sqrt()

    return agree


def calibrate(ensemble: Ensemble, train: Columns, folds: np.ndarray) -> tuple[float, float]:
    """The temperatures of classes and of parts with the least out-of-fold cross-entropy (Guo et al. 2017, §4.2)."""
    losses = np.zeros((2, len(TEMPERATURES)))

    def add(class_logits: Tensor, part_logits: Tensor, label: Tensor, part: Tensor) -> Tensor:
        for row, (logits, wanted) in enumerate(((class_logits, label), (part_logits, part))):
            losses[row] += [float(F.cross_entropy(logits / t, wanted, reduction="sum")) for t in TEMPERATURES]
        return label

    for fold, net in enumerate(ensemble.nets):
        rows = np.flatnonzero(folds == fold)
        some = take_rows(train, rows[np.linspace(0, len(rows) - 1, min(len(rows), 256)).astype(np.int64)])
        for _ in _look(net, some, add):
            pass
    best = TEMPERATURES[losses.argmin(1)]
    return float(best[0]), float(best[1])


def find_limits(share: np.ndarray, label: np.ndarray, classes: int) -> tuple[float, ...]:
    """The 99 % quantile of `share` (N,) in each class; of all rows for a class without any."""
    of_class = [share[label == k] for k in range(classes)]
    return tuple(float(np.quantile(own if len(own) else share, USUAL)) for own in of_class)


def measure_solidity(shares: tuple[np.ndarray, np.ndarray], label: np.ndarray, record: PointsRecord) -> np.ndarray:
    """float32 (N,) in (0, 1], of the shares of stray and of overlapping points (N,): 1 up to the limits of the row's
    class, and beyond them limit ÷ share."""
    total = np.ones(len(label), np.float32)
    for share, limits in zip(shares, (record.stray, record.overlap), strict=True):
        limit = np.array(limits, np.float32)[label] + np.float32(SLACK)
        total *= limit / np.maximum(share, limit)
    return total


def measure_stray(points: np.ndarray) -> np.ndarray:
    """Share of points whose nearest neighbour is over four times as far as that of the median point; float32 (N,).

    points float32 (N, P, 3), of which at most 512 are looked at.
    """
    some = torch.from_numpy(np.ascontiguousarray(thin_points(points, MEASURED)))
    shares = np.zeros(len(some), np.float32)
    if some.shape[1] < 2:
        return shares
    for row, x in enumerate(some):
        squared = x.square().sum(1)
        apart = torch.addmm(squared[:, None] + squared, x, x.T, alpha=-2).fill_diagonal_(torch.inf)
        nearest = apart.amin(0).clamp(min=1e-10)  # equal points are no farther apart than rounding errors
        shares[row] = float((nearest > ALONE**2 * nearest.median()).float().mean())
    return shares


def measure_overlap(points: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Share of points that lie deep inside the box of another part of their row: in its inner 80 %; float32 (N,).

    points float32 (N, P, 3) and part (N, P), of which at most 512 points are looked at. Boxes along the axes reach from
    mean - 2 sd to mean + 2 sd of a part's points, and no farther than its points.
    """
    points, part = thin_points(points, MEASURED), thin_points(part, MEASURED)
    shares = np.zeros(len(points), np.float32)
    for start in range(0, len(points), BLOCK):
        rows = slice(start, start + BLOCK)
        deep = np.zeros(part[rows].shape, bool)
        for rows_of, k, middle, half in _box_parts(points[rows], part[rows]):
            inside = (np.abs(points[rows][rows_of] - middle[:, None]) < INNER * half[:, None]).all(2)
            deep[rows_of] |= inside & (part[rows][rows_of] != k[:, None])
        shares[rows] = deep.mean(1)
    return shares


def _box_parts(points: np.ndarray, part: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """For the first part of every row, then for the second of all rows that have two, and so on: the rows (n,), the
    part (n,), the middle and the half sides of its box (n, 3)."""
    rows, count = part.shape
    flat, numbers, starts = sort_by_part(points, part)
    size = np.diff(np.append(starts, rows * count))[:, None]
    low, high = np.minimum.reduceat(flat, starts), np.maximum.reduceat(flat, starts)
    mean = np.add.reduceat(flat, starts) / size
    reach = 2 * np.sqrt(np.maximum(np.add.reduceat(np.square(flat), starts) / size - np.square(mean), 0))
    low, high = np.maximum(low, mean - reach), np.minimum(high, mean + reach)
    row, named = starts // count, numbers.ravel()[starts]
    rank = np.arange(len(starts)) - np.searchsorted(row, row)
    for number in range(int(rank.max()) + 1):
        chosen = rank == number
        yield row[chosen], named[chosen], (low + high)[chosen] / 2, (high - low)[chosen] / 2


def _look(net: Any, columns: Columns, agree: Agree) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows, their agreement and features, batch by batch."""
    points, part = (thin_points(columns[name], LOOKED_AT) for name in ("points", "part"))
    label, parts = as_targets(columns["label"]), torch.from_numpy(part.astype(np.int64))
    for rows, class_logits, part_logits, features in infer_points(net, points):
        yield rows, agree(class_logits, part_logits, label[rows], parts[rows]), features


def _ask_out_of_fold(ensemble: Ensemble, train: Columns, folds: np.ndarray, agree: Agree) -> np.ndarray:
    """Agreement of each training row with the net that never saw it, float32 (N,)."""
    agreement = np.empty(len(folds), np.float32)
    for fold, net in enumerate(ensemble.nets):
        kept = np.flatnonzero(folds == fold)
        for rows, agreed, _ in _look(net, take_rows(train, kept), agree):
            agreement[kept[rows]] = agreed.numpy()
    return agreement


def _recall(folder: Path, mark: str, build: Any) -> PointsJudge | None:
    """The judge in `folder`; None if there is none, or one of other data, or one that was altered."""
    found = read(folder, mark, build)
    if found is None:
        return None
    record, ensemble, reference = found
    try:
        described = json.loads((folder / "judge.json").read_text())
        more: dict[str, Any] = {name: tuple(map(float, described[name])) for name in ("stray", "overlap")}
        whole = PointsRecord(**vars(record), part_temperature=float(described["part_temperature"]), **more)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return PointsJudge(ensemble, whole, reference)
