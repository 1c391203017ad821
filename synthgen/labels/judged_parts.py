"""What a base leaves open that draws whole objects: whether there is a surface at all, and of which part each point is.

Parts are then no construction but the judge's opinion (`judges.points`), which may be wrong. Knows no base.

    rows = mark_parts(rows, judge, data)        # those of a base have a mesh, and parts that nobody has looked at
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..pieces import find_pieces
from ..types import Columns, Data
from .pieces import number_pieces


def mark_parts(columns: Columns, judge: Any, data: Data) -> Columns:
    """`columns` with part and piece uint8 (N, P) where a base drew meshes: as the judge sees them, of the parts that
    the class of the row has in training rows."""
    if "mesh" not in columns:
        return columns
    has = np.zeros((len(data.classes), len(data.details["parts"])), bool)
    has[data.train["label"][:, None], data.train["part"]] = True
    part = judge.find_parts(columns["points"], has[columns["label"]])
    within = find_pieces(columns["points"], part)
    return {**columns, "part": part, "piece": number_pieces(part, within, data.details["pieces"])}


def find_surfaces(columns: Columns) -> tuple[np.ndarray, list[str]]:
    """1 and no reason for rows with a surface, 0 and a reason for those whose points are all at one place."""
    there = np.ptp(columns["points"], axis=1).any(1)
    return there.astype(np.float32), ["" if found else "the model drew no surface" for found in there]
