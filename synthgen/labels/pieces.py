"""Rows of 3D shapes with their pieces: parts that stand in several places get a number for each.

data = add_pieces(data)
data.train["piece"], data.train["boxes"]  # uint8 (N, P), float32 (N, pieces, 2, 3)
data.details["pieces"]  # (0, 1, 1, 1, 1): the part of each piece
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..boxes import bound_parts
from ..pieces import choose_limits, count_pieces, find_pieces
from ..types import Columns, Data

ROOM = 255  # a piece is stored in a byte


def add_pieces(data: Data) -> Data:
    """The data with columns `piece` uint8 (N, P) and `boxes` float32 (N, pieces, 2, 3), and details["pieces"], the part
    of each piece.

    How many pieces a part may have, training rows say; a part in more is one piece.
    """
    parts = len(data.details["parts"])
    train = data.train
    within = find_pieces(train["points"], train["part"])
    limits = choose_limits(count_pieces(train["part"], within, parts), ROOM)
    owners = tuple(np.repeat(np.arange(parts), limits).tolist())

    def number(rows: Columns, own: np.ndarray) -> Columns:
        piece = number_pieces(rows["part"], own, owners)
        return {**rows, "piece": piece, "boxes": bound_parts(rows["points"], piece, len(owners))}

    others = (number(rows, find_pieces(rows["points"], rows["part"])) for rows in (data.validation, data.heldout))
    validation, heldout = others
    details = {**data.details, "pieces": owners}
    return replace(data, train=number(train, within), validation=validation, heldout=heldout, details=details)


def number_pieces(part: np.ndarray, own: np.ndarray, owners: tuple[int, ...]) -> np.ndarray:
    """uint8 (N, P): the pieces of parts (N, P) among all pieces, from those counted within each part, `own` (N, P); a
    part in more pieces than `owners`, the part of each piece, has is one piece."""
    most = np.bincount(owners)
    whole = count_pieces(part, own, len(most)) > most
    within = np.where(np.take_along_axis(whole, part.astype(np.int64), 1), np.uint8(0), own)
    numbers: np.ndarray = first_pieces(owners)[part] + within
    return numbers


def first_pieces(owners: tuple[int, ...]) -> np.ndarray:
    """uint8 (parts,): the number of the first piece of each part, from the part of each piece."""
    return np.unique(owners, return_index=True)[1].astype(np.uint8)
