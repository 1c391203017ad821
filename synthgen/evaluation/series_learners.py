"""Small models of the kind that a user would train on a dataset of series.

They know rows and a seed, not where the rows come from; the same rows, seed and threads give the same score, bit for
bit, and several may learn at once in threads.

    learner = build_series_learner(data)
    learner.measure(data.train, data.heldout, steps=1, batch_size=32, seed=0, augment=False).value
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..diffusion.noise import row_generator
from ..networks.minirocket import MiniRocket
from ..networks.ridge import choose_penalty, decompose, fit_ridge, one_against_rest
from ..networks.sequences import EventNet, Forecaster, event_loss, fit_sequences, forecast_loss
from ..types import Columns, Data, Learner, Score, take_rows, thin_rows
from .learners import confusion, count_parameters, ratios
from .series_augmentation import vary_series

FALSE_ALARMS = 0.05  # share of steps without an event that may be called one
MOST_ROWS = 8_000  # that a ridge classifier is fitted to, evenly spaced
WINDOW = 256  # steps of a long series that a network is trained on at a time
STEPS_AT_ONCE = 2**16  # of series that go through a network together
AUGMENTED = "augmented: noise, scaling, warped time, windows"


def build_series_learner(data: Data) -> Learner:
    """A detector where training rows have events, a classifier where there are classes, else a forecaster."""
    if data.details["kinds"] and (data.train["events"] > 0).any():
        return EventDetectorLearner(data)
    return RocketLearner(data) if len(data.classes) > 1 else ForecastLearner(data)


class RocketLearner:
    """MiniRocket features and a ridge classifier: among the best for short series, and in a second."""

    metric = "accuracy"
    default_steps, default_batch_size = 1, 32  # it is solved, not trained: neither has a meaning

    def __init__(self, data: Data):
        self.classes = len(data.classes)
        self.description = (
            f"MiniRocket, ridge classifier (solved at once, at most {MOST_ROWS:,} rows, no steps); {AUGMENTED}"
        )

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """Accuracy over all rows of `test`, and of each class (recall); columns series and label.

        Equal rows count as one row of that weight. The penalty is chosen on rows that have not been varied: else the
        other copies of a row that is left out would give it away.
        """
        rows = thin_rows({name: train[name] for name in ("series", "label")}, MOST_ROWS)
        first, weights = count_equal(rows["series"], rows["label"])
        single = take_rows(rows, first)
        rocket = MiniRocket.fit(single["series"], seed)
        spectrum = decompose(rocket.transform(single["series"]), weights)
        targets = one_against_rest(single["label"], self.classes)
        penalty = choose_penalty(spectrum, targets)
        if augment:
            events = np.zeros(rows["series"].shape[:2], np.uint8)
            varied, _ = vary_series(rows["series"], events, row_generator(seed, 0, "augment"))
            spectrum = decompose(rocket.transform(varied))
            targets = one_against_rest(rows["label"], self.classes)
        found = fit_ridge(spectrum, targets, penalty).decide(rocket.transform(test["series"])).argmax(1)
        right = confusion(test["label"], found, self.classes)
        return Score(float(right.trace() / right.sum()), ratios(right.diagonal(), right.sum(1)))


class EventDetectorLearner:
    """A convolutional network that tells for every step whether an event is going on, and of which kind."""

    metric = "recall of event steps at 5 % false alarms"
    default_steps, default_batch_size = 200, 32

    def __init__(self, data: Data):
        self.channels, self.kinds = data.train["series"].shape[2], len(data.details["kinds"])
        self.classes = len(data.classes)
        size = count_parameters(EventNet(self.channels, self.kinds))
        self.description = f"dilated 1-D CNN, {size}, AdamW; {AUGMENTED}"

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """Share of a kind's steps found where 5 % of the steps without any event are called that kind.

        Averaged over the kinds; nan without such steps. Of each class: over its own rows, at the same threshold.
        Columns series and events, and label of `test`.
        """
        center, scale = standards(train["series"])
        rows = (_tensor(train["series"], center, scale), torch.from_numpy(train["events"].astype(np.int64)))

        def vary(batch: tuple[Tensor, ...], step: int) -> tuple[Tensor, ...]:
            series, events = vary_series(batch[0].numpy(), batch[1].numpy(), row_generator(seed, step, "augment"))
            return torch.from_numpy(series), torch.from_numpy(events)

        net = fit_sequences(
            EventNet(self.channels, self.kinds),
            rows,
            event_loss,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            rate=5e-3,
            vary=vary if augment else None,
            longest=WINDOW,
        )
        logits = run(net, _tensor(test["series"], center, scale))
        scores = logits[..., 1:] - logits[..., :1]
        return self._score(scores, test["events"], test["label"])

    def _score(self, scores: np.ndarray, events: np.ndarray, labels: np.ndarray) -> Score:
        found = np.full((self.kinds, self.classes + 1), np.nan)
        for kind in range(self.kinds):
            seen, true = scores[..., kind], events == kind + 1
            bar, share = find_bar(seen[events == 0])
            for place, of in enumerate([labels == c for c in range(self.classes)] + [np.ones(len(labels), bool)]):
                found[kind, place] = recall_at(seen[of][true[of]], bar, share)
        means = [
            float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else math.nan for column in found.T
        ]
        return Score(means[-1], tuple(means[:-1]))


class ForecastLearner:
    """A recurrent network that says the next step from the ones before."""

    metric = "1 - MAE of the next step (values scaled to [0, 1])"
    default_steps, default_batch_size = 300, 64

    def __init__(self, data: Data):
        self.low, self.span = ranges(data.train["series"])
        self.channels, self.classes = data.train["series"].shape[2], len(data.classes)
        self.width = max(16, self.channels)
        size = count_parameters(Forecaster(self.channels, self.width))
        self.description = f"GRU, {size}, AdamW; {AUGMENTED}"

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """1 - mean absolute error over all rows, steps and channels, of each class too; scaled by the range of the real
        training rows. Column series, and label of `test`.
        """

        def vary(batch: tuple[Tensor, ...], step: int) -> tuple[Tensor, ...]:
            nothing = np.zeros(batch[0].shape[:2], np.uint8)
            return (torch.from_numpy(vary_series(batch[0].numpy(), nothing, row_generator(seed, step, "augment"))[0]),)

        net = fit_sequences(
            Forecaster(self.channels, self.width),
            (_tensor(train["series"], self.low, self.span),),
            forecast_loss,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            vary=vary if augment else None,
            longest=WINDOW,
        )
        error = forecast_errors(net, _tensor(test["series"], self.low, self.span))
        good = np.clip(1 - error, 0, 1)
        each = [good[test["label"] == c] for c in range(self.classes)]
        return Score(float(good.mean()), tuple(float(part.mean()) if len(part) else math.nan for part in each))


def count_equal(series: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of each kind of equal rows, in their order, and how many there are of it."""
    flat = np.ascontiguousarray(series.reshape(len(series), -1))
    keys = [row.tobytes() + int(label).to_bytes(8, "little") for row, label in zip(flat, labels, strict=True)]
    counts: dict[bytes, int] = {}
    first: dict[bytes, int] = {}
    for number, key in enumerate(keys):
        counts[key] = counts.get(key, 0) + 1
        first.setdefault(key, number)
    return np.array(list(first.values())), np.array(list(counts.values()))


def find_bar(scores: np.ndarray) -> tuple[float, float]:
    """The score that 5 % of steps without an event exceed, and the share of steps at the bar itself to be let in.

    With it, ties are shared out as a straight line of the ROC curve does; nan without such steps.
    """
    if not len(scores):
        return math.nan, math.nan
    falling = np.sort(scores)[::-1]
    allowed = FALSE_ALARMS * len(scores)
    bar = float(falling[min(int(allowed), len(scores) - 1)])
    return bar, float((allowed - (scores > bar).sum()) / (scores == bar).sum())


def recall_at(scores: np.ndarray, bar: float, share: float) -> float:
    """Share of event steps with these scores above the bar, and `share` of those at it; nan if there are none."""
    if not len(scores) or math.isnan(bar):
        return math.nan
    return float(((scores > bar).sum() + share * (scores == bar).sum()) / len(scores))


def standards(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, float32 (C,); 1 for a constant channel."""
    center, spread = series.mean((0, 1), dtype=np.float64), series.std((0, 1), dtype=np.float64)
    return center.astype(np.float32), _never_zero(spread, center)


def ranges(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least value and range of each channel, float32 (C,); the range of a constant channel is 1."""
    low, high = series.min((0, 1)), series.max((0, 1))
    return low, _never_zero((high - low).astype(np.float64), low)


def run(net: torch.nn.Module, x: Tensor) -> np.ndarray:
    """What `net` makes of series (N, T, C), some rows at a time."""
    size = max(1, STEPS_AT_ONCE // x.shape[1])
    with torch.inference_mode():
        return np.concatenate([net(part).numpy() for part in x.split(size)])


def forecast_errors(net: torch.nn.Module, x: Tensor) -> np.ndarray:
    """Mean absolute error of the next step of each row, float32 (N,)."""
    errors: np.ndarray = np.abs(run(net, x[:, :-1]) - x[:, 1:].numpy()).mean((1, 2))
    return errors


def _never_zero(spread: np.ndarray, level: np.ndarray) -> np.ndarray:
    return np.where(spread > 1e-6 * (1e-6 + np.abs(level)), spread, 1.0).astype(np.float32)


def _tensor(series: np.ndarray, center: np.ndarray, scale: np.ndarray) -> Tensor:
    return torch.from_numpy(((series - center) / scale).astype(np.float32))
