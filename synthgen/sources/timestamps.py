"""Timestamps of recordings: seconds, whether they are even, and steps that are missing. Knows no files and no rows.

recording, jumps = close_jumps(recording, most=5)       # missing steps stand as nan
rate_hz = find_rate([recording])                        # 64.0
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .recordings import Recording

EVEN = 0.01  # of the step
ROUNDING = 0.001  # seconds: many programs write no more
LARGEST_ROUNDING = 0.1  # of the step
WHOLE = 1e-4  # of a rate or a step
JUMP = 1.5  # steps: what is longer has steps missing
JUMP_SHARE = 0.05  # of all steps: with more jumps the recording is simply uneven


def find_step(times: np.ndarray) -> float | None:
    """Seconds from step to step; None where they differ by more than 1 %, or by more than a rounding of 1 ms.

    times: float64 (T,), increasing. Jumps over missing steps are not counted, nor is one step in a hundred.
    """
    steps = np.diff(times)
    if not len(steps):
        return None
    regular = steps[steps <= JUMP * np.median(steps)]
    if len(regular) < (1 - JUMP_SHARE) * len(steps):
        return None
    mean = float(regular.mean())
    tolerance = max(EVEN * mean, min(ROUNDING, LARGEST_ROUNDING * mean))
    return mean if (np.abs(regular - mean) <= tolerance).mean() >= 0.99 else None


def find_rate(recordings: list[Recording]) -> float | None:
    """Steps a second, where all recordings have even timestamps and agree within 1 %."""
    steps = [None if recording.times is None else find_step(recording.times) for recording in recordings]
    known = [step for step in steps if step is not None]
    if not known or len(known) < len(steps) or max(known) > (1 + EVEN) * min(known):
        return None
    step = float(np.median(known))
    return _round(1 / step) if step < 1 else 1 / _round(step)


def _round(value: float) -> float:
    """The whole number that `value` is but for the rounding of timestamps, else `value`."""
    return float(round(value)) if abs(value - round(value)) <= WHOLE * value else value


def close_jumps(recording: Recording, most: int) -> tuple[Recording, int]:
    """Steps whose timestamps are missing, as steps of nan, and how many jumps there were.

    At most `most` + 1 steps are put in for one jump: more would not change that the gap is too long to be filled.
    """
    times = recording.times
    step = None if times is None else find_step(times)
    if times is None or step is None:
        return recording, 0
    jumps = np.diff(times) / step
    missing = np.where(jumps > JUMP, np.minimum(np.round(jumps) - 1, most + 1), 0).astype(np.int64)
    if not missing.any():
        return recording, 0
    rows = np.repeat(np.arange(len(times)), np.append(missing, 0) + 1)
    since = np.arange(len(rows)) - np.searchsorted(rows, rows)  # steps since the row itself
    values = recording.values[rows]
    values[since > 0] = np.nan
    label = recording.label
    return replace(
        recording,
        values=values,
        label=label[rows] if label is not None and len(label) > 1 else label,
        events=None if recording.events is None else recording.events[rows],
        times=times[rows] + since * step,
    ), int((missing > 0).sum())
