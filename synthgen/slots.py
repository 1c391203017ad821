"""Numbers and names lifted out of texts and put back: a generator writes where one stands, and never has to spell it.

A row has sides, such as a sentence and its translation, one of which leads: it is given, or written first. Every number
and every known name of the leading side is a slot, and so is what says the same on another side; the rest stays as it
is. Digits count whatever their script. Knows texts, not tokens.

    lifted = lift(("March 3, 2024", "3. März 2024"), most=8)
    lifted.texts, lifted.values  # ("March ⟨0⟩, ⟨1⟩", "⟨0⟩. März ⟨1⟩"), ("3", "2024")
    put_back(lifted.texts[1], lifted.values, side=1)  # "3. März 2024"

    names = Names.of([("Germany", "Deutschland")])
    lift(("in Germany", "in Deutschland"), most=8, names=names).texts  # ("in ⟨0⟩", "in ⟨0⟩")
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

OPEN, CLOSE = "⟨", "⟩"  # mathematical angle brackets; a text's own ones are doubled
RUN = re.compile(r"\d+")
SLOT = re.compile(rf"{OPEN}(\d+){CLOSE}|{OPEN}{OPEN}|{CLOSE}{CLOSE}")
SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\uffef]")  # scripts without spaces

SLOTS = 8  # of a row, at most
LENGTHS = 4  # digits of a number that are told apart; more count as so many
NAME = 100 * LENGTHS + 1  # the code of a slot for a name; 0: no slot
VALUES = NAME  # the largest code

Value = str | tuple[str, ...]  # a number in ASCII digits, or a name: its form on every side
Found = tuple[int, int, Value]  # start, end, value


class Finder(Protocol):
    """Finds names."""

    def find(self, text: str, side: int) -> Iterator[Found]:
        """The names in a text of that side, in order, none over another."""


@dataclass(frozen=True)
class Lifted:
    """Texts with slots, and what stands there, in the order of the leading text."""

    texts: tuple[str, ...]
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Names:
    """Names whose form is known on every side."""

    forms: tuple[tuple[str, ...], ...]
    begin: tuple[Mapping[str, tuple[tuple[str, ...], ...]], ...]  # by side: first character -> names, longest first

    @staticmethod
    def of(forms: Iterable[tuple[str, ...]]) -> Names:
        """A form that stands for two names on some side is left out: it cannot be told which is meant."""
        known = list(dict.fromkeys(forms))
        sides = range(len(known[0]) if known else 0)
        counts = [_count(form[side] for form in known) for side in sides]
        kept = tuple(form for form in known if all(counts[side][form[side]] == 1 and form[side] for side in sides))
        begin = []
        for side in sides:
            by: dict[str, list[tuple[str, ...]]] = {}
            for form in sorted(kept, key=lambda form: len(form[side]), reverse=True):
                by.setdefault(form[side][0], []).append(form)
            begin.append({character: tuple(found) for character, found in by.items()})
        return Names(kept, tuple(begin))

    def turn(self) -> Names:
        """The same with the two sides exchanged."""
        return Names.of(form[::-1] for form in self.forms)

    def find(self, text: str, side: int) -> Iterator[Found]:
        place, begin = 0, self.begin[side] if self.begin else {}
        while place < len(text):
            for form in begin.get(text[place], ()):
                end = place + len(form[side])
                if text.startswith(form[side], place) and stands_alone(text, place, end):
                    yield place, end, form
                    place = end - 1
                    break
            place += 1


def _count(values: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a word begins at `start` and one ends at `end`."""
    return _is_edge(text, start) and _is_edge(text, end)


def _is_edge(text: str, place: int) -> bool:
    if place in (0, len(text)):
        return True
    pair = text[place - 1 : place + 1]
    return not (pair[0].isalnum() and pair[1].isalnum()) or SPACELESS.search(pair) is not None


def lift(texts: Sequence[str], most: int, lead: int = 0, names: Finder | None = None) -> Lifted:
    """`texts` with at most `most` distinct numbers and names of the leading one as slots; further ones stay.

    Where a value occurs again it is the same slot again.
    """
    leading = _find_all(texts[lead], names.find(texts[lead], lead) if names else ())
    places: dict[Value, int] = {}
    for _, _, value in leading:
        if value not in places and len(places) < most:
            places[value] = len(places)
    lifted = []
    for side, text in enumerate(texts):
        found = leading if side == lead else _find_all(text, _find_forms(text, side, places))
        lifted.append(_replace(text, [(start, end, places[value]) for start, end, value in found if value in places]))
    return Lifted(tuple(lifted), tuple(places))


def _find_all(text: str, named: Iterable[Found]) -> list[Found]:
    """Names, and the numbers that are in none."""
    found = list(named)
    numbers = [(match.start(), match.end(), to_ascii(match[0])) for match in RUN.finditer(text)]
    free = [one for one in numbers if all(one[1] <= start or one[0] >= end for start, end, _ in found)]
    return sorted([*found, *free]) if free and found else [*found, *free]


def _find_forms(text: str, side: int, values: Iterable[Value]) -> list[Found]:
    """Where the names among the values stand in a text of that side."""
    found: list[Found] = []
    for form in sorted((v for v in values if isinstance(v, tuple)), key=lambda form: len(form[side]), reverse=True):
        start = text.find(form[side])
        while start >= 0:
            end = start + len(form[side])
            if stands_alone(text, start, end) and all(end <= first or start >= last for first, last, _ in found):
                found.append((start, end, form))
            start = text.find(form[side], end)
    return sorted(found, key=lambda one: one[0])


def lift_known(text: str, places: Mapping[str, int]) -> str:
    """`text` with the slot of each value of `places` wherever it stands as a word of its own, longer values first; one
    that stands nowhere so is lifted where it first occurs."""
    values = sorted(filter(None, places), key=len, reverse=True)
    found = [(start, end, form[0]) for start, end, form in _find_forms(text, 0, [(value,) for value in values])]
    alone = {value for *_, value in found}
    for value in values:
        at = -1 if value in alone else text.find(value)
        if at >= 0 and all(at >= end or at + len(value) <= start for start, end, _ in found):
            found.append((at, at + len(value), value))
    return _replace(text, sorted((start, end, places[str(value)]) for start, end, value in found))


def _replace(text: str, slots: Sequence[tuple[int, int, int]]) -> str:
    parts, last = [], 0
    for start, end, place in slots:
        parts += [_double(text[last:start]), f"{OPEN}{place}{CLOSE}"]
        last = end
    return "".join([*parts, _double(text[last:])])


def _double(text: str) -> str:
    return text.replace(OPEN, 2 * OPEN).replace(CLOSE, 2 * CLOSE)


def put_back(text: str, values: Sequence[Value], side: int = 0, zero: str = "0") -> str:
    """`text` of that side with its values, in the digits that begin at `zero`. A ValueError for a slot without one."""

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if int(match[1]) >= len(values):
            raise ValueError(f"slot {match[1]} of {text!r} has no value: there are {len(values)}")
        return spell(values[int(match[1])], side, zero)

    return SLOT.sub(replace, text)


def spell(value: Value, side: int = 0, zero: str = "0") -> str:
    """A value as it stands on one side."""
    if isinstance(value, tuple):
        return value[side]
    return value if zero == "0" else "".join(chr(ord(zero) + int(digit)) for digit in value)


def code_value(value: Value) -> int:
    """What a net is told of a slot: a number's length and its last two digits, which CLDR's plural rules ask for."""
    if isinstance(value, tuple):
        return NAME
    return 1 + 100 * (min(len(value), LENGTHS) - 1) + int(value[-2:])


def to_ascii(digits: str) -> str:
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(digit)) for digit in digits)


def find_zero(texts: Sequence[str]) -> str:
    """The zero of the script in which most digits of the texts are written; "0" where there is none."""
    counts: dict[str, int] = {}
    for text in texts:
        for found in RUN.findall(text):
            for digit in found:
                zero = chr(ord(digit) - unicodedata.decimal(digit))
                counts[zero] = counts.get(zero, 0) + 1
    return max(counts, key=lambda zero: counts[zero], default="0")


def find_shared(pairs: Iterable[tuple[str, str]], least: int = 3, share: float = 0.9) -> list[tuple[str, str]]:
    """Capitalised words that stand on both sides as they are, and hardly ever on one alone: names, as a rule.

    In at least `least` pairs, and in `share` of the pairs that have them on either side.
    """
    counts: dict[str, list[int]] = {}
    for source, target in pairs:
        words = [{word for word in re.findall(r"\w+", text) if word[0].isupper()} for text in (source, target)]
        for word in words[0] | words[1]:
            count = counts.setdefault(word, [0, 0])
            count[0] += word in words[0] and word in words[1]
            count[1] += 1
    return [(w, w) for w, (both, any_) in sorted(counts.items()) if both >= least and both >= share * any_]
