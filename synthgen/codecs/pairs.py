"""Pairs of texts that say the same <-> tokens. One side leads: it is given, or written first; the other follows.

Numbers, and names whose form is known on both sides, are slots that stand before the texts: a pair that uses them is
aligned by construction. Every training row is seen twice, once for each side that may lead.

    codec = fit_pair_codec(data, pieces=2000, slots=8)
    x = codec.encode(rows)      # int64 (B, L)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer

from ..diffusion.masked import round_up
from ..slots import Lifted, Names, code_value, find_zero, lift
from ..types import Columns, Data, count_rows
from ..vocabulary import FIRST, Vocabulary
from .tokens import BLOCK, Frame, Segment, TokenCodec, Told, close, describe_texts, find_room

SIDES = ("source", "target")


@dataclass(frozen=True)
class PairCodec(TokenCodec):
    """Columns source, target and label; `lead` (0 or 1) where it is told, else the source leads.

    Conditions have in the place of a text that is to be written None, and for the leading side
    like: a text of which a share `keep` of the tokens stays, dice: int64, chooses which;
    values: what the slots stand for.
    """

    vocabulary: Vocabulary
    names: Names
    zeros: tuple[str, str]  # of the digits of each side
    rooms: tuple[int, int]  # of a text of each side that is to be written
    longest: int  # tokens of a row
    block: int = BLOCK

    def views(self, columns: Columns) -> Columns:
        """Every row twice: the source leads, the target leads."""
        twice = {name: np.concatenate([values, values]) for name, values in columns.items()}
        return {**twice, "lead": np.repeat([0, 1], count_rows(columns))}

    def decode(self, x: torch.Tensor, columns: Columns) -> Columns:
        """`columns` with both texts; what only conditions have is left out."""
        found = {side: columns[side].copy() for side in SIDES}
        rows = zip(x.tolist(), self.frames(columns), self._leads(columns), strict=True)
        for row, (tokens, frame, lead) in enumerate(rows):
            for segment, span, side in zip(frame.segments, frame.spans(), (lead, 1 - lead), strict=True):
                if segment.is_written:
                    text = self.vocabulary.decode(tokens[span], frame.values, side, self.zeros[side])
                    found[SIDES[side]][row] = text.strip()
        return {**found, "label": columns["label"], "lead": np.array(self._leads(columns), np.int64)}

    def files(self) -> Mapping[str, str]:
        told = {"slots": self.vocabulary.slots, "zeros": self.zeros, "rooms": self.rooms, "names": self.names.forms}
        return {"tokenizer.json": self.vocabulary.tokenizer.to_str(), "codec.json": json.dumps(told, indent=1)}

    def describe(self, columns: Columns) -> np.ndarray:
        """float32 (N, 256): which groups of characters the pair has."""
        return describe_texts([f"{s} | {t}" for s, t in zip(columns["source"], columns["target"], strict=True)])

    def _lift(self, columns: Columns, row: int, lead: int) -> Lifted:
        """The texts of a row with slots, as source and target; a text to be written is empty."""
        texts = [columns[side][row] or "" for side in SIDES]
        if "like" in columns and columns[SIDES[lead]][row] is None:
            texts[lead] = columns["like"][row]
        return lift(texts, self.vocabulary.slots, lead, self.names)

    def _leads(self, columns: Columns) -> list[int]:
        found: list[int] = columns["lead"].tolist() if "lead" in columns else [0] * count_rows(columns)
        return found

    def build_frames(self, columns: Columns) -> Iterator[Frame]:
        labels = columns["label"].tolist()
        for row, lead in enumerate(self._leads(columns)):
            lifted = self._lift(columns, row, lead)
            texts, given = lifted.texts, columns["values"][row] if "values" in columns else None
            values = lifted.values if given is None else given
            tokens = close(self.vocabulary.encode(texts[lead]))
            prefix = tuple(Told(FIRST + place, code_value(value)) for place, value in enumerate(values))
            leading = self._leading(columns, row, lead, tokens)
            following = Segment(self.rooms[1 - lead])
            if columns[SIDES[1 - lead]][row] is not None:
                tokens = close(self.vocabulary.encode(texts[1 - lead]))
                following = Segment(find_room(len(tokens) - 1), tokens)
            yield Frame(prefix, (leading, following), 2 * labels[row] + lead, values)

    def _leading(self, columns: Columns, row: int, lead: int, tokens: tuple[int, ...]) -> Segment:
        if columns[SIDES[lead]][row] is not None:
            return Segment(find_room(len(tokens) - 1), tokens)
        keep = float(columns["keep"][row]) if "keep" in columns else 0.0
        if not keep:
            return Segment(self.rooms[lead])
        dice = np.random.Generator(np.random.Philox(key=int(columns["dice"][row]))).random(len(tokens))
        kept = tuple(token if u < keep else None for token, u in zip(tokens, dice, strict=True))
        return Segment(find_room(len(tokens) - 1), kept)


def fit_pair_codec(data: Data, names: Names, pieces: int | Tokenizer, slots: int) -> PairCodec:
    """Pieces and rooms from the training rows; `names` are lifted, at most `slots` values a row."""
    train = data.train
    pairs = list(zip(train["source"], train["target"], strict=True))
    lifted = [[lift(pair, slots, lead, names).texts for lead in (0, 1)] for pair in pairs]
    vocabulary = Vocabulary.fit((text for both in lifted for texts in both for text in texts), pieces, slots)
    zeros = (find_zero([pair[0] for pair in pairs]), find_zero([pair[1] for pair in pairs]))
    counts = np.array([[[len(vocabulary.encode(text)) for text in texts] for texts in both] for both in lifted])
    rooms = (find_room(int(counts[:, :, 0].max())), find_room(int(counts[:, :, 1].max())))
    codec = PairCodec(vocabulary, names, zeros, rooms, 0)
    parts = [codec.views(rows) for rows in (train, data.validation, data.heldout)]
    widest = max(int(codec.widths(rows).max()) for rows in parts)
    return PairCodec(vocabulary, names, zeros, rooms, max(widest, round_up(slots + sum(rooms))))
