"""Numbers lifted out of texts and put back: a generator writes where a number stands, and never has to spell it.

A row has sides, such as a sentence and its translation, one of which leads: it is given, or written first. Every number
of the leading side is a slot, and so is a number of another side that is one of those; other numbers stay as they are.
Digits count whatever their script. Knows texts, not tokens.

    lifted = lift(("March 3, 2024", "3. März 2024"))
    lifted.texts, lifted.values  # ("March ⟨0⟩, ⟨1⟩", "⟨0⟩. März ⟨1⟩"), ("3", "2024")
    put_back(lifted.texts[1], lifted.values)  # "3. März 2024"
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

OPEN, CLOSE = "⟨", "⟩"  # mathematical angle brackets; a text's own ones are doubled
RUN = re.compile(r"\d+")
SLOT = re.compile(rf"{OPEN}(\d+){CLOSE}|{OPEN}{OPEN}|{CLOSE}{CLOSE}")


@dataclass(frozen=True)
class Lifted:
    """Texts with slots for numbers, and the numbers in ASCII digits, in the order of the leading text."""

    texts: tuple[str, ...]
    values: tuple[str, ...]


def lift(texts: Sequence[str], most: int, lead: int = 0) -> Lifted:
    """`texts` with at most `most` distinct numbers of the leading one as slots; further numbers stay as they are.

    Where a number occurs again it is the same slot again.
    """
    values: list[str] = []
    for found in RUN.findall(texts[lead]):
        value = to_ascii(found)
        if value not in values and len(values) < most:
            values.append(value)
    places = {value: place for place, value in enumerate(values)}

    def replace(match: re.Match[str]) -> str:
        place = places.get(to_ascii(match[0]))
        return match[0] if place is None else f"{OPEN}{place}{CLOSE}"

    doubled = (text.replace(OPEN, 2 * OPEN).replace(CLOSE, 2 * CLOSE) for text in texts)
    return Lifted(tuple(RUN.sub(replace, text) for text in doubled), tuple(values))


def put_back(text: str, values: Sequence[str], zero: str = "0") -> str:
    """`text` with its numbers, in the digits that begin at `zero`. A ValueError for a slot without a value."""

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if int(match[1]) >= len(values):
            raise ValueError(f"slot {match[1]} of {text!r} has no value: there are {len(values)}")
        return "".join(chr(ord(zero) + int(digit)) for digit in values[int(match[1])])

    return SLOT.sub(replace, text)


def to_ascii(digits: str) -> str:
    return "".join(str(unicodedata.decimal(digit)) for digit in digits)


def find_zero(texts: Sequence[str]) -> str:
    """The zero of the script in which most digits of the texts are written; "0" where there is none."""
    counts: dict[str, int] = {}
    for text in texts:
        for found in RUN.findall(text):
            for digit in found:
                zero = chr(ord(digit) - unicodedata.decimal(digit))
                counts[zero] = counts.get(zero, 0) + 1
    return max(counts, key=lambda zero: counts[zero], default="0")
