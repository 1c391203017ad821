"""Who is train, validation and held-out among recordings and in time, and the rows that are cut from each part.

Parts are settled before rows are cut, so no step of a recording is in two parts. Knows neither files nor
names of classes.

    split = split_recordings(recordings, strata, options, length=24)
    pieces = [cut_piece(recordings, span, 24, options) for span in split.spans]
    columns = stack_rows(pieces, chosen, 24, channels=7, rate_hz=None)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from ..errors import UserError
from ..types import Columns
from .recordings import Recording
from .rows import PARTS
from .series_options import LONGEST, SHORTEST, SeriesSourceOptions
from .splits import HELDOUT_SEED, VALIDATION_SEED, choose_rows, seeded, share_out

FEW_STREAM = 4  # of the recipe's seed
MANY = 10  # so many recordings are divided whole, fewer are divided in time
MOST_BYTES = 2 * 2**30
BLOCK = 4096  # rows copied at a time


@dataclass(frozen=True)
class Span:
    """The steps start..stop of a recording, all of one part."""

    owner: int
    start: int
    stop: int
    part: str


@dataclass(frozen=True)
class Split:
    spans: list[Span]
    sentence: str  # how the parts were told apart
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A span with its gaps filled, and where usable rows begin in it."""

    span: Span
    recording: Recording
    values: np.ndarray  # float32 (S, C)
    starts: np.ndarray  # int64 (N,), from the start of the span
    label: np.ndarray  # int64 (N,), of each row
    filled: int  # values that were missing
    gaps: int  # rows left out for a gap
    mixed: int  # rows left out because no class holds for half of them


def choose_length(recordings: list[Recording], length: int | None) -> int:
    """The steps of a row. A UserError where that is not said and does not follow from the recordings."""
    if length is not None:
        return length
    steps = sorted({len(recording.values) for recording in recordings})
    if len(steps) > 1:
        raise UserError(
            f"source.length: null, and the series have {steps[0]} to {steps[-1]} steps; set it, such as {steps[0]}"
        )
    if not SHORTEST <= steps[0] <= LONGEST:
        raise UserError(
            f"source.length: null, and the series have {steps[0]} steps; a row has {SHORTEST} to {LONGEST}, so set it"
        )
    if len(recordings) < MANY and all(recording.part == "train" for recording in recordings):
        raise UserError(
            f"source.length: null, and there {'is' if len(recordings) == 1 else 'are'} {len(recordings)} series; set "
            f"it to a third of their {steps[0]} steps or less, so that each can be divided in time, or add series"
        )
    return steps[0]


def fit_short(recordings: list[Recording], length: int, short: str) -> tuple[list[Recording], tuple[str, ...]]:
    """The recordings of at least `length` steps, with `short` "pad" all of them, and a note about the others."""
    few = sum(len(recording.values) < length for recording in recordings)
    if not few:
        return recordings, ()
    if short == "pad":
        note = f"{few} series shorter than {length} steps were made longer: the last values repeated (source.short)"
        return [pad(recording, length) for recording in recordings], (note,)
    kept = [recording for recording in recordings if len(recording.values) >= length]
    if not kept:
        longest = max(len(recording.values) for recording in recordings)
        raise UserError(f"source.length: {length} is more than the {longest} steps of the longest series; lower it")
    return kept, (f"{few} of {len(recordings)} series are shorter than {length} steps and left out (source.short)",)


def pad(recording: Recording, length: int) -> Recording:
    """`recording` with its last values and label repeated up to `length` steps; events end where it ended."""
    missing = length - len(recording.values)
    if missing <= 0:
        return recording
    steps = np.minimum(np.arange(length), len(recording.values) - 1)
    label, events, times = recording.label, recording.events, recording.times
    return replace(
        recording,
        values=recording.values[steps],
        label=label[steps] if label is not None and len(label) > 1 else label,
        events=None if events is None else np.concatenate([events, np.zeros(missing, np.uint8)]),
        times=None if times is None else times[steps],
    )


def split_recordings(
    recordings: list[Recording], strata: np.ndarray, options: SeriesSourceOptions, length: int
) -> Split:
    """Settle the part of every step. strata: int (N,), kinds of recordings to keep in proportion.

    Parts of the source's own stay. Other parts are whole recordings where there are MANY of them, else the ends of
    each: first train, then validation, then held-out. Fixed numbers choose, never the recipe's seed.
    """
    part = np.array([recording.part for recording in recordings], dtype=object)
    own = [name for name in PARTS[1:] if name in part]
    said = [f"{_NAMES[name]} is the source's own{' test part' if name == 'heldout' else ''}" for name in own]
    train = np.flatnonzero(part == "train")
    if len(own) < 2 and len(train) < MANY:
        spans = [_whole(recordings, row, part[row]) for row in np.flatnonzero(part != "train").tolist()]
        shares = (0.0 if "validation" in own else options.validation, 0.0 if "heldout" in own else options.heldout)
        for row in train.tolist():
            spans += divide_in_time(row, recordings[row], length, shares)
        rest = " and ".join(f"{_NAMES[name]} ({getattr(options, name):.0%})" for name in PARTS[1:] if name not in own)
        said.append(f"{rest}: the end of each series, after what is trained on; no step is in two parts")
        if any(recording.events is not None and recording.events.any() for recording in recordings):
            said.append(
                "an end that holds no event was made longer, up to the last one, where half was left for the rest"
            )
        return Split(spans, "; ".join(said), ())
    for name, seed in (("heldout", HELDOUT_SEED), ("validation", VALIDATION_SEED)):
        if name not in own:
            rows = np.flatnonzero(part == "train")
            count = max(round(getattr(options, name) * len(rows)), 1)
            part[rows[choose_rows(strata[rows], count, seeded(seed), leave=1)]] = name
            rest = "that are left, " if name == "validation" else ""
            said.append(
                f"{_NAMES[name]} is {getattr(options, name):.0%} of the series {rest}by class, by a fixed number"
            )
    notes = _drop_copies(recordings, part)
    return Split(
        [_whole(recordings, row, part[row]) for row in np.flatnonzero(part != "").tolist()], "; ".join(said), notes
    )


_NAMES = {"heldout": "held-out", "validation": "validation"}


def divide_in_time(owner: int, recording: Recording, length: int, shares: tuple[float, float]) -> list[Span]:
    """Train, validation and held-out one after the other. shares: validation (of what is not held out), held-out.

    Each part has room for a row; a recording without room for that is all train. Where the held-out end has no event
    and the recording has several, held-out begins with the last one, if half of the recording is left for the rest.
    """
    steps = len(recording.values)
    parts = 1 + sum(share > 0 for share in shares)
    if steps < parts * length:
        return [Span(owner, 0, steps, "train")]
    validation, heldout = shares
    held = min(max(round(heldout * steps), length), steps - (parts - 1) * length) if heldout else 0
    held = max(held, _steps_to_last_event(recording, held)) if heldout else 0
    checked = round(validation * (steps - held))
    checked = min(max(checked, length), steps - held - length) if validation else 0
    ends = (steps - held - checked, steps - held, steps)
    spans = zip(PARTS, (0, *ends[:2]), ends, strict=True)
    return [Span(owner, start, stop, part) for part, start, stop in spans if stop > start]


def _steps_to_last_event(recording: Recording, held: int) -> int:
    """How long the end must be to begin with an event; 0 where it holds one, or would be too long."""
    steps = len(recording.values)
    if recording.events is None or recording.events[steps - held :].any():
        return 0
    begins = np.flatnonzero(np.diff(recording.events.astype(np.int16), prepend=0) > 0)
    return int(steps - begins[-1]) if len(begins) > 1 and begins[-1] >= steps // 2 else 0


def _whole(recordings: list[Recording], row: int, part: str) -> Span:
    return Span(row, 0, len(recordings[row].values), part)


def _drop_copies(recordings: list[Recording], part: np.ndarray) -> tuple[str, ...]:
    """Take recordings out of held-out, and then out of validation, that are also in a part before it."""
    digests = [
        blake2b(np.ascontiguousarray(recording.values).tobytes(), digest_size=16).digest() for recording in recordings
    ]
    notes = []
    for name, others in (("heldout", ("train", "validation")), ("validation", ("train",))):
        known = {digests[row] for row in np.flatnonzero(np.isin(part, others)).tolist()}
        copies = [row for row in np.flatnonzero(part == name).tolist() if digests[row] in known]
        part[copies] = ""
        if copies:
            notes.append(f"{len(copies)} {_NAMES[name]} series left out: the same values are in {' or '.join(others)}")
    return tuple(notes)


def fill_gaps(values: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Runs of at most `most` nan between two values become a straight line. float (T, C) -> the same, values filled.

    Longer runs, and those at an end, stay nan. Without nan the array itself is given back.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values, 0
    values = values.copy()
    count = 0
    for channel in np.flatnonzero(missing.any(axis=0)).tolist():
        edges = np.flatnonzero(np.diff(missing[:, channel], prepend=False, append=False))
        begins, ends = edges[::2], edges[1::2]
        inner = (ends - begins <= most) & (begins > 0) & (ends < len(values))
        steps = np.flatnonzero(_mark(begins[inner], ends[inner], len(values)))
        known = np.flatnonzero(~missing[:, channel])
        if len(steps):
            values[steps, channel] = np.interp(steps, known, values[known, channel])
            count += len(steps)
    return values, count


def _mark(begins: np.ndarray, ends: np.ndarray, steps: int) -> np.ndarray:
    """bool (steps,): inside one of the runs begin..end, which do not touch."""
    turns = np.zeros(steps + 1, np.int8)
    turns[begins] = 1
    turns[ends] = -1
    return np.cumsum(turns[:-1]) > 0


def cut_piece(recordings: list[Recording], span: Span, length: int, options: SeriesSourceOptions) -> Piece:
    """Rows of `length` steps from one span: every stride-th in train, without overlap elsewhere.

    The recordings' labels are numbers of classes, -1 where there is none.
    """
    recording = recordings[span.owner]
    labels = recording.label
    assert labels is not None
    values, filled = fill_gaps(recording.values[span.start : span.stop], options.gaps)
    stride = (options.stride or length) if span.part == "train" else length
    starts = np.arange(0, len(values) - length + 1, stride)
    whole = _sum_rows(np.isnan(values).any(axis=1), starts, length) == 0
    starts, gaps = starts[whole], int((~whole).sum())
    label = _main_labels(labels if len(labels) == 1 else labels[span.start : span.stop], starts, length)
    known = label >= 0
    return Piece(span, recording, values, starts[known], label[known], filled, gaps, int((~known).sum()))


def _sum_rows(marks: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """How many steps of each row are marked. bool (T,) -> int (N,)."""
    sums = np.concatenate([[0], np.cumsum(marks, dtype=np.int64)])
    return np.asarray(sums[starts + length] - sums[starts])


def _main_labels(labels: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """The class that most steps of each row have, the smaller number of two alike; -1 where it has less than half."""
    if len(labels) == 1:
        return np.full(len(starts), labels[0], np.int64)
    best = np.full(len(starts), -1, np.int64)
    most = np.full(len(starts), (length - 1) // 2)
    for label in np.unique(labels[labels >= 0]).tolist():
        count = _sum_rows(labels == label, starts, length)
        best[count > most] = label
        most = np.maximum(most, count)
    return best


def choose_train(labels: np.ndarray, options: SeriesSourceOptions, seed: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """bool (N,): the training rows that are used: `few` a class by the seed, then `rows` of them, evenly spaced."""
    chosen = np.ones(len(labels), dtype=bool)
    notes = []
    if options.few is not None:
        generator = seeded(seed, FEW_STREAM)
        for label in np.unique(labels).tolist():
            rows = np.flatnonzero(labels == label)
            chosen[generator.permutation(rows)[options.few :]] = False
        notes.append(f"{chosen.sum()} of {len(labels)} training rows are used, {options.few} a class (source.few)")
    count = int(chosen.sum())
    if options.rows is not None and options.rows < count:
        values, numbers = np.unique(labels[chosen], return_inverse=True)
        if options.rows < len(values):
            raise UserError(
                f"source.rows: {options.rows} is fewer than the {len(values)} classes; ask for at least {len(values)}"
            )
        rows = np.flatnonzero(chosen)
        chosen[:] = False
        for number, quota in enumerate(share_out(np.bincount(numbers), options.rows)):
            chosen[space_out(rows[numbers == number], int(quota))] = True
        notes.append(f"{options.rows} of {count} training rows are used, evenly spaced (source.rows)")
    return chosen, tuple(notes)


def space_out(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` of `rows`, evenly spaced; all of them where there are no more."""
    return rows if count >= len(rows) else rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]


def check_bytes(rows: int, length: int, channels: int) -> None:
    """A UserError if so many rows take more memory than they should."""
    size = rows * length * channels * 4
    if size > MOST_BYTES:
        raise UserError(
            f"source.stride: {rows} rows of {length} steps and {channels} channels take {size / 2**30:.1f} GiB, more "
            f"than {MOST_BYTES / 2**30:.0f}; raise source.stride or set source.rows"
        )


def stack_rows(pieces: list[Piece], chosen: np.ndarray, length: int, channels: int, rate_hz: float | None) -> Columns:
    """The rows of pieces as columns. chosen: bool (N,), of the rows of all pieces one after the other."""
    count = int(chosen.sum())
    series = np.empty((count, length, channels), np.float32)
    events = np.zeros((count, length), np.uint8)
    labels = np.concatenate([np.zeros(0, np.int64), *(piece.label for piece in pieces)])[chosen]
    begins = np.empty(count, np.float64)
    owners = np.empty(count, np.int64)
    first = done = 0
    for piece in pieces:
        starts = piece.starts[chosen[first : first + len(piece.starts)]]
        first += len(piece.starts)
        here = slice(done, done + len(starts))
        done += len(starts)
        if not len(starts):
            continue
        span, recording = piece.span, piece.recording
        _copy_rows(piece.values, starts, series[here])
        if recording.events is not None:
            _copy_rows(recording.events[span.start : span.stop], starts, events[here])
        steps = starts + span.start
        begins[here] = steps / (rate_hz or 1.0) if recording.times is None else recording.times[steps]
        owners[here] = span.owner
    return {"series": series, "label": labels, "events": events, "start": begins, "series_id": owners}


def _copy_rows(values: np.ndarray, starts: np.ndarray, out: np.ndarray) -> None:
    """out[i] = values[starts[i] : starts[i] + length], a block at a time: a fancy index makes a copy of its own."""
    shape = out.shape[1:]
    rows = np.lib.stride_tricks.sliding_window_view(values, shape).reshape(len(values) - shape[0] + 1, *shape)
    for block in range(0, len(starts), BLOCK):
        out[block : block + BLOCK] = rows[starts[block : block + BLOCK]]
