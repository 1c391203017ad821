"""A small model that translates, trained from scratch: numbers go through slots, words through pieces.

Placeholders for numbers are usual in machine translation (Luong et al. 2015, "Addressing the rare word problem", for
words). Knows texts, not where they come from.

    translator = fit_translator(vocabulary, sources, targets, steps=500, batch_size=64, seed=0)
    translator.translate(["March 3, 2024"])         # ["3. März 2024"]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..slots import SLOTS, VALUES, Names, Value, code_value, find_zero, lift
from ..types import group_by_width
from ..vocabulary import END, FIRST, Vocabulary
from .autoregressive import AutoregressiveText, Line, Shape, fit_lines, generate, pack_lines

SLOT_SEGMENT, GIVEN, WRITTEN = 0, 1, 2
PAIRS_AT_ONCE = 256
WIDTH, DEPTH = 128, 2
SPARE = 1.5  # a translation may have so many times the tokens of the longest one for its source's length


@dataclass(frozen=True)
class Translator:
    vocabulary: Vocabulary
    net: AutoregressiveText
    zero: str  # of the digits of the other side
    longest: int  # tokens of a translation
    names: Names | None = None  # whose forms on both sides are known

    @torch.inference_mode()
    def represent(self, sources: Sequence[str], targets: Sequence[str]) -> np.ndarray:
        """float32 (N, 128): mean hidden state over both texts of a pair."""
        lines = pair_lines(self.vocabulary, sources, targets, self.names)
        found = np.empty((len(lines), self.net.shape.width), np.float32)
        widths = np.array([line.width for line in lines])
        for group in group_by_width(widths, len(lines)):
            for start in range(0, len(group), PAIRS_AT_ONCE):
                index = group[start : start + PAIRS_AT_ONCE]
                rows = pack_lines([lines[i] for i in index], int(widths[index[0]]), WRITTEN)
                hidden, _ = self.net.read(rows)
                real = rows.real[..., None]
                found[index] = ((hidden * real).sum(1) / real.sum(1)).numpy()
        return found

    def translate(self, sources: Sequence[str]) -> list[str]:
        """The likeliest token at each place, until the end."""
        lifted = [lift((text, ""), SLOTS, 0, self.names) for text in sources]
        lines = [_line(self.vocabulary, one.texts[0], one.values) for one in lifted]
        found = generate(self.net, lines, first_written=WRITTEN, longest=self.longest)
        return [
            self.vocabulary.decode(tokens, one.values, 1, self.zero).strip()
            for tokens, one in zip(found, lifted, strict=True)
        ]


def fit_pieces(
    sources: Sequence[str], targets: Sequence[str], names: Names | None = None, size: int = 2000
) -> Vocabulary:
    """Pieces of both sides, their numbers and known names lifted out."""
    lifted = (lift(pair, SLOTS, lead, names).texts for pair in zip(sources, targets, strict=True) for lead in (0, 1))
    return Vocabulary.fit((text for texts in lifted for text in texts), size, SLOTS)


def describe_translator(vocabulary: Vocabulary, longest: int) -> Shape:
    return Shape(len(vocabulary), 3, length=longest + 1, width=WIDTH, depth=DEPTH, values=VALUES)


def fit_translator(
    vocabulary: Vocabulary, sources: Sequence[str], targets: Sequence[str], *, steps: int, batch_size: int, seed: int,
    names: Names | None = None,
) -> Translator:  # fmt: skip
    """Trained on the pairs; the same arguments and threads give the same model, bit for bit."""
    lines = pair_lines(vocabulary, sources, targets, names)
    longest = max(max(len(line.seen), len(line.written)) for line in lines)
    shape = describe_translator(vocabulary, longest)
    net = fit_lines(lines, shape, first_written=WRITTEN, steps=steps, batch_size=batch_size, seed=seed)
    usual = int(np.quantile([len(line.written) for line in lines], 0.999))
    return Translator(vocabulary, net, find_zero(targets), min(longest, int(SPARE * usual)), names)


def pair_lines(
    vocabulary: Vocabulary, sources: Sequence[str], targets: Sequence[str], names: Names | None
) -> list[Line]:
    lines = []
    for pair in zip(sources, targets, strict=True):
        lifted = lift(pair, SLOTS, 0, names)
        lines.append(_line(vocabulary, lifted.texts[0], lifted.values, lifted.texts[1]))
    return lines


def _line(vocabulary: Vocabulary, source: str, values: Sequence[Value], target: str | None = None) -> Line:
    tokens = [*vocabulary.encode(source), END]
    slots = [FIRST + place for place in range(len(values))]
    codes = [code_value(value) for value in values]
    return Line(
        (*slots, *tokens),
        (*codes, *[0] * len(tokens)),
        (*[SLOT_SEGMENT] * len(slots), *[GIVEN] * len(tokens)),
        () if target is None else (*vocabulary.encode(target), END),
    )
