"""Recordings, which rows are cut from, and the built-in ones, all of aeon. Knows no windows, parts are only handed on.

collection = open_builtin("motions")
collection.recordings[0].values.shape       # (100, 6)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import UserError
from .builtins import check_builtin
from .rows import Faults

EXTRA = "timeseries"
BUILTINS = {
    "motions": "80 series of 100 steps, 6 channels, 4 classes",
    "power": "1,096 series of 24 steps, 1 channel, 2 classes",
    "gait": "one series of 7,040 steps, 9 channels",
}


@dataclass(frozen=True)
class Recording:
    """One series as it stands in the source."""

    name: str  # for messages
    part: str  # the source's own part; "train" where it tells none apart
    values: np.ndarray  # float32 (T, C), nan where nothing was measured
    label: np.ndarray | None = None  # int32 (1,) or (T,): numbers of Collection.values, -1 where there is none
    events: np.ndarray | None = None  # uint8 (T,): 0 none, k the kind number k - 1
    times: np.ndarray | None = None  # float64 (T,), seconds, increasing


@dataclass(frozen=True)
class Collection:
    """A source whose recordings are in memory and whose rows have not been cut."""

    recordings: list[Recording]
    channels: tuple[str, ...]
    title: str
    license: str
    citation: str
    labels: str
    values: tuple[int | str, ...] = ()  # what the numbers in Recording.label stand for; empty: no labels
    names: tuple[str, ...] | None = None  # of the classes, in order, where the source has them
    kinds: tuple[str, ...] = ()
    rate_hz: float | None = None
    notes: tuple[str, ...] = ()
    faults: Faults = field(default_factory=Faults)
    total: int = 0  # series that the source holds, bad ones too


def check_recordings(name: str) -> None:
    """A UserError if there is no such built-in source, or its package is missing."""
    check_builtin(name, BUILTINS, module="aeon", extra=EXTRA)


def open_builtin(name: str) -> Collection:
    """The built-in recordings of that name. A UserError if the installed aeon does not bring them."""
    check_recordings(name)
    try:
        return {"motions": _open_motions, "power": _open_power, "gait": _open_gait}[name]()
    except ImportError:
        raise UserError(
            f"source.name: {name!r} does not come with the installed aeon any more; run: pip install 'aeon<1.7'"
        ) from None


def _open_motions() -> Collection:
    from aeon.datasets import load_basic_motions

    names = ("standing", "running", "walking", "badminton")
    recordings = _read_parts(load_basic_motions, {name: number for number, name in enumerate(names)})
    return Collection(
        recordings,
        channels=tuple(f"{sensor} {axis}" for sensor in ("accelerometer", "gyroscope") for axis in "xyz"),
        title="BasicMotions of the UEA archive, as shipped with aeon",
        license="unknown (see citation)",
        citation="A. Bagnall, H. A. Dau, J. Lines, M. Flynn, J. Large, A. Bostrom, P. Southam and E. Keogh: The UEA "
        "multivariate time series classification archive, 2018, arXiv:1811.00075",
        labels="the activity that was carried out while a watch was worn, as published with the series",
        values=names,
        names=names,
        rate_hz=10.0,
        total=len(recordings),
    )


def _open_power() -> Collection:
    from aeon.datasets import load_italy_power_demand

    names = ("October to March", "April to September")
    recordings = _read_parts(load_italy_power_demand, {"1": 0, "2": 1})
    return Collection(
        recordings,
        channels=("demand",),
        title="ItalyPowerDemand of the UCR archive, as shipped with aeon",
        license="unknown (see citation)",
        citation="E. Keogh et al.: Intelligent Icons: Integrating Lite-Weight Data Mining and Visualization into GUI "
        "Operating Systems, ICDM 2006; H. A. Dau et al.: The UCR Time Series Archive, 2018, arXiv:1810.07758",
        labels="the half of the year that the day belongs to, as published with the series",
        values=names,
        names=names,
        rate_hz=1 / 3600,
        notes=("the archive has scaled each day to mean 0 and standard deviation 1",),
        total=len(recordings),
    )


def _open_gait() -> Collection:
    from aeon.datasets import load_daphnet_s06r02e0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # aeon announces that 1.7 will drop it
        values, marks = load_daphnet_s06r02e0()
    axes = ("horiz_fwd", "vert", "horiz_lateral")
    marks = np.asarray(marks).astype(np.uint8)
    unlabelled = (
        "aeon's copy of this recording labels no freezing episode; labelled recordings can be given as files "
        "(source.kind=files with an events column)"
    )
    return Collection(
        [Recording("gait", "train", np.asarray(values, np.float32), events=marks)],
        channels=tuple(f"{place}_{axis}" for place in ("ankle", "leg", "trunk") for axis in axes),
        title="recording S06R02E0 of Daphnet (freezing of gait), as shipped with aeon",
        license="CC-BY-4.0",
        citation="M. Bachlin, M. Plotnik, D. Roggen, I. Maidan, J. M. Hausdorff, N. Giladi and G. Troster: Wearable "
        "assistant for Parkinson's disease patients with the freezing of gait symptom, IEEE Trans. Inf. Technol. "
        "Biomed. 14(2), 2010; UCI Machine Learning Repository, doi:10.24432/C56K78",
        labels="aeon's column is_anomaly, which marks freezing of gait",
        kinds=("freezing",),
        rate_hz=64.0,
        notes=() if marks.any() else (unlabelled,),
        total=1,
    )


def _read_parts(load: Callable[..., Any], numbers: dict[str, int]) -> list[Recording]:
    """aeon's (N, C, T) of its train and test part, one recording a series."""
    recordings = []
    for split, part in (("train", "train"), ("test", "heldout")):
        series, labels = load(split=split)
        for row, (values, label) in enumerate(zip(series, labels, strict=True)):
            number = np.array([numbers[str(label)]], np.int32)
            recordings.append(Recording(f"{split} row {row}", part, np.asarray(values.T, np.float32), number))
    return recordings
