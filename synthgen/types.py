"""The records and protocols that every stage shares. Knows nothing of files, recipes or the order of the stages.

A set of rows is a `Columns`: one array a column, all of the same length.

    columns = {"image": np.zeros((5, 64, 64, 3), np.uint8), "mask": np.zeros((5, 64, 64), np.uint8)}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

Columns = dict[str, np.ndarray]
Condition = dict[str, torch.Tensor]
Drawn = tuple[torch.Tensor, ...]  # what chance decided of a batch, each (B, …)


def count_rows(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def take_rows(columns: Columns, index: Any) -> Columns:
    """Rows `index` (integers, a slice or a boolean mask) of every column."""
    return {name: values[index] for name, values in columns.items()}


def as_objects(values: Iterable[Any]) -> np.ndarray:
    """An object array (N,) of whatever the values are; numpy itself would unfold tuples."""
    listed = list(values)
    found = np.empty(len(listed), object)
    found[:] = listed
    return found


def thin_rows(columns: Columns, limit: int) -> Columns:
    """At most `limit` rows, evenly spaced: sources often come sorted by class."""
    count = count_rows(columns)
    return columns if count <= limit else take_rows(columns, np.linspace(0, count - 1, limit).astype(np.int64))


def join_rows(*parts: Columns) -> Columns:
    """The rows of all parts, one after the other; the parts have the same columns."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def group_by_width(widths: np.ndarray | None, rows: int) -> list[np.ndarray]:
    """Numbers of rows that go through a net together: of one width, narrow ones first; all rows where none is told."""
    if widths is None:
        return [np.arange(rows)]
    return [np.flatnonzero(widths == width) for width in np.unique(widths)]


@dataclass(frozen=True)
class Origin:
    """Where real rows come from; every field is printed in the dataset card."""

    name: str
    license: str
    citation: str
    labels: str  # who or what made the labels of the real rows
    splits: str  # how train, validation and held-out rows were told apart
    notes: tuple[str, ...] = ()  # what was left out or changed on reading, and why


@dataclass(frozen=True)
class Data:
    """Real rows. `heldout` is only for the final measurement: no fit, threshold or choice may look at it."""

    train: Columns
    validation: Columns
    heldout: Columns
    classes: tuple[str, ...]
    origin: Origin
    ignore: int | None = None  # the mask value that means "not annotated"
    details: Mapping[str, Any] = field(default_factory=dict)  # what only the task knows, such as channels


class Levels(Protocol):
    """How noise levels are drawn in training."""

    @property
    def sigma_mean(self) -> float: ...
    @property
    def sigma_sd(self) -> float: ...


class Steps(Protocol):
    """How rows are drawn."""

    @property
    def steps(self) -> int: ...
    @property
    def solver(self) -> str: ...
    @property
    def shift(self) -> float | None: ...
    @property
    def guidance(self) -> float: ...
    @property
    def temperature(self) -> float: ...
    @property
    def threshold(self) -> float: ...
    @property
    def editing_threshold(self) -> float | None: ...


class Process(Protocol):
    """Noise, loss and the way back."""

    def draw(self, x: torch.Tensor, condition: Condition, levels: Levels, generator: torch.Generator) -> Drawn:
        """What chance decides of a training batch x (B, …)."""

    def probe(self, x: torch.Tensor, condition: Condition, seed: int, indices: Sequence[int]) -> Iterator[Drawn]:
        """The same for a validation loss, at five noise levels; of row i it depends on (seed, indices[i]) alone."""

    def loss(
        self, net: Any, x: torch.Tensor, condition: Condition, keep: torch.Tensor | None, drawn: Drawn
    ) -> torch.Tensor:
        """The loss of each row, (B,); rows where `keep` is False are not told their condition."""

    def draw_noise(
        self, seed: int | np.ndarray, indices: Sequence[int] | np.ndarray, shape: tuple[int, ...], steps: Steps
    ) -> torch.Tensor:
        """All the chance that drawing rows of `shape` needs, (B, …); row i's follows from (seed, indices[i]). `seed` is
        one for all rows, or int64 (B,)."""

    def solve(self, net: Any, noise: torch.Tensor, condition: Condition, steps: Steps) -> torch.Tensor:
        """From noise to rows (B, *shape)."""

    def call(self, net: Any, noise: torch.Tensor, condition: Condition, steps: Steps) -> None:
        """As many bare calls of the net as `solve` makes, on a batch of the same size."""


class Codec(Protocol):
    """Rows <-> tensors: of about unit variance, or token numbers."""

    shape: tuple[int, ...]

    @property
    def process(self) -> Process:
        """How such tensors become noise, and come back."""

    def views(self, columns: Columns) -> Columns:
        """Training rows, each once for every way in which the net is to see it."""

    def widths(self, columns: Columns) -> np.ndarray | None:
        """How much of the tensors' second axis each row fills, int (N,), where that differs; else None."""

    def lay_out(self, columns: Columns) -> Columns:
        """`columns` with a column of what the methods below would each find out anew, where that costs much."""

    def encode(self, columns: Columns) -> torch.Tensor:
        """The generated column as (B, *shape), float32 or the int64 of tokens.

        Where rows differ in width, it is (B, the widest of these rows), and so is what `condition` gives.
        """

    def condition(self, columns: Columns) -> Condition:
        """What the denoiser is told about each row, by name."""

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` (the conditions) together with the generated column."""

    def files(self) -> Mapping[str, str | bytes]:
        """Names and contents of the files without which the net's tensors cannot be read."""

    def components(self) -> Mapping[str, Any]:
        """Models of diffusers without which the net's tensors cannot be read, by the pipeline's name for them."""

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, D): the generated column, reduced so that Euclidean distance tells copies from new rows."""


@runtime_checkable
class Keeping(Protocol):
    """Of codecs whose tensors are dear to find, so that they are found once."""

    def keep_in(self, folder: Path) -> None:
        """What is found is kept there, and read from there."""


class WholeRows:
    """Of codecs whose rows all fill their tensors and are seen in one way."""

    def views(self, columns: Columns) -> Columns:
        return columns

    def widths(self, columns: Columns) -> np.ndarray | None:
        return None

    def lay_out(self, columns: Columns) -> Columns:
        return columns

    def files(self) -> Mapping[str, str | bytes]:
        return {}

    def components(self) -> Mapping[str, Any]:
        return {}


class LabelGenerator(Protocol):
    """Says what to draw: the condition columns of candidate rows."""

    def draw(self, indices: np.ndarray) -> Columns:
        """Condition columns of candidates `indices`. Row i depends on the seed and on i alone."""

    def with_seed(self, seed: int) -> LabelGenerator:
        """The same generator with another seed of its rows; what is fitted or trained stays as it is."""


@dataclass(frozen=True)
class Opinion:
    """What a judge says of rows."""

    features: np.ndarray  # float32 (N, D), for fidelity
    agreement: np.ndarray  # float32 (N,), in [0, 1]: how well image and label fit together


class Judge(Protocol):
    """A model trained on real training rows alone, independent of the generator."""

    reference: np.ndarray  # float32 (n,): out-of-fold agreement of the real training rows, or of `reference_rows`

    def examine(self, columns: Columns) -> Opinion: ...

    def save(self, folder: Any) -> None:
        """safetensors and JSON only."""


@dataclass(frozen=True)
class Check:
    """What a row by itself must pass, such as the same numbers on both sides of a translation."""

    name: str  # of the gate, in the report and in `rejected`
    explanation: str  # why it refuses, in one line for card and report
    judge: Callable[[Columns], tuple[np.ndarray, list[str]]]
    """Columns -> (score float32 (N,), reason (N,): "" where the row passes). A pure function of each row."""


@dataclass(frozen=True)
class Score:
    """What a learner reached on real rows."""

    value: float  # the task's headline metric in [0, 1], larger is better
    per_class: tuple[float, ...]  # nan where a class has no real row
    also: Mapping[str, float] = field(default_factory=dict)  # further metrics of the same rows, such as {"chrF": 0.91}


class Learner(Protocol):
    """A small model of the kind a user would train on the dataset; it measures what rows are worth."""

    metric: str  # such as "accuracy"
    default_steps: int  # optimiser steps after which train-real has reached its plateau
    default_batch_size: int
    description: str  # one line for the card, such as "3-layer CNN, 94 k parameters, AdamW"

    def measure(self, train: Columns, test: Columns, *, steps: int, batch_size: int, seed: int, augment: bool) -> Score:
        """Train a fresh model on `train` for `steps` optimiser steps, then score it on `test`."""


@dataclass(frozen=True)
class Verdict:
    """What the gates say of the candidates of one shard."""

    scores: dict[str, np.ndarray]  # gate name -> float32 (N,)
    rejected_by: np.ndarray  # object (N,): the first gate that refuses the row, or ""
    reasons: np.ndarray  # object (N,): a sentence, or ""
    seconds: dict[str, float] = field(default_factory=dict)  # gate name -> time spent
