"""Texts as they stand in cells of a source: checked, never changed. Knows texts, neither files nor what they are for.

check_text("Guten Tag", 500)        # "Guten Tag"
check_text("a\\x07b", 500)          # BadRow: control character U+0007
"""

from __future__ import annotations

import unicodedata
from typing import Any

from ..rows import BadRow

ALLOWED = "\t\n\r"
ODD = ("Cc", "Cs", "Cn")  # control characters, half a surrogate pair, code points that no one has assigned


class TooLong(BadRow):
    """A text that is longer than the rows that are learnt from."""


def check_text(value: Any, longest: int, name: str = "text") -> str:
    """The text itself. A BadRow if it is none, blank, or holds control characters; TooLong above `longest` characters.

    Everything else is data: right-to-left text and its marks, emoji and their joiners, combining marks, markup, and
    what looks like a prompt.
    """
    if not isinstance(value, str):
        raise BadRow(f"{name}: a {type(value).__name__} is not a text" if value is not None else f"{name}: no value")
    if not value.strip():
        raise BadRow(f"{name}: empty")
    if len(value) > longest:
        raise TooLong(f"{name}: {len(value):,} characters are more than {longest:,}")
    if not value.isprintable():
        for character in value:
            if character not in ALLOWED and unicodedata.category(character) in ODD:
                raise BadRow(f"{name}: control character U+{ord(character):04X}")
    return value
