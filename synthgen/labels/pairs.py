"""Which pairs to write: class, leading side, what stands in the slots, or a text that is given.

Knows texts and slots, neither tokens nor the net. A new pair borrows its kinds of slots from a real row of its class;
numbers come from other rows of the class, at the same place and of as many digits, or from between two of them. Where
all real rows keep an order, as the years of an interval do, so does a new pair.

    generator = build_pairs(data, PairConditionOptions(), seed=0, names=names, slots=8)
    generator.draw(np.arange(256))      # label, lead, source, target, like, values, keep, dice
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..diffusion.noise import row_generator
from ..errors import UserError
from ..slots import SLOT, Names, Value, lift
from ..types import Columns, Data, as_objects
from .class_mix import ClassMix, weigh_classes
from .pair_options import PairConditionOptions

SIDES = ("source", "target")
BETWEEN = 0.5  # share of the numbers that come from between two real ones
FEW = 20  # real rows: an order that fewer keep may be chance
TRIES = 4  # for values that differ from one another
LARGEST_TEXTS = 2**28  # bytes of a file of given texts

Form = tuple[
    int, int, tuple[int, ...]
]  # class, leading side, the slots in the order of the text: (0, 0, 1) in "5.5.81"
Kind = tuple[Form, int, int]  # form, number of the slot, digits; 0: a name


@dataclass(frozen=True)
class Template:
    """A real row, as its leading side shows it."""

    text: str
    values: tuple[Value, ...]
    form: Form


@dataclass(frozen=True)
class Pairs:
    """A LabelGenerator."""

    mix: ClassMix
    options: PairConditionOptions
    seed: int
    templates: dict[tuple[int, int], list[Template]]  # by class and leading side
    donors: dict[Kind, list[Value]]  # distinct, numbers in order
    orders: dict[Form, list[tuple[int, int]]]  # slots of which the first is never larger than the second
    given: list[tuple[str, int]]  # texts and their class, where one side is given

    def with_seed(self, seed: int) -> Pairs:
        return replace(self, mix=self.mix.with_seed(seed), seed=seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """Every column has N rows: label, lead int64; source, target, like, values objects; keep float; dice int64."""
        if self.options.write != "both":
            return self._give(indices)
        labels = self.mix.draw(indices)["label"]
        rows = [self._new(int(index), int(label)) for index, label in zip(indices, labels, strict=True)]
        nothing = np.full(len(indices), None, object)
        return {
            "label": labels, "lead": np.array([row[0] for row in rows], np.int64), "source": nothing,
            "target": nothing.copy(), "like": as_objects([row[1] for row in rows]),
            "values": as_objects([row[2] for row in rows]), "keep": np.full(len(indices), self.options.keep),
            "dice": np.array([row[3] for row in rows], np.int64),
        }  # fmt: skip

    def _new(self, index: int, label: int) -> tuple[int, str, tuple[Value, ...], int]:
        draw = row_generator(self.seed, index, "pair")
        lead = int(draw.integers(2)) if self.options.lead == "either" else SIDES.index(self.options.lead)
        templates = self.templates[label, lead]
        template = templates[draw.integers(len(templates))]
        values = template.values
        if self.options.recombine:
            for _ in range(TRIES):
                values = self._arrange(
                    [self._choose(draw, template.form, n, value) for n, value in enumerate(template.values)],
                    template.form,
                )
                if len(set(values)) == len(values):
                    break
        return lead, template.text, values, int(draw.integers(2**62))

    def _arrange(self, values: list[Value], form: Form) -> tuple[Value, ...]:
        """The values in the order that real rows of that form keep."""
        for first, second in self.orders.get(form, ()):
            if measure(values[first]) > measure(values[second]):
                values[first], values[second] = values[second], values[first]
        return tuple(values)

    def _choose(self, draw: np.random.Generator, form: Form, place: int, value: Value) -> Value:
        donors = self.donors[kind_of(form, place, value)]
        found = donors[draw.integers(len(donors))]
        if isinstance(found, tuple) or draw.random() >= BETWEEN:
            return found
        after = donors[min(bisect_left(donors, found) + 1, len(donors) - 1)]
        assert isinstance(after, str)
        return str(draw.integers(int(found), int(after) + 1)).zfill(len(found))

    def _give(self, indices: np.ndarray) -> Columns:
        """The given texts in a random order, again in another one when all have been given."""
        side = 1 if self.options.write == "source" else 0
        chosen = [self.given[_place(self.seed, int(index), len(self.given))] for index in indices]
        texts = as_objects([text for text, _ in chosen])
        nothing = np.full(len(indices), None, object)
        return {
            "label": np.array([label for _, label in chosen], np.int64),
            "lead": np.full(len(indices), side), SIDES[side]: texts, SIDES[1 - side]: nothing,
        }  # fmt: skip


def _place(seed: int, index: int, count: int) -> int:
    """A permutation of the given texts for each round through them."""
    turn, place = divmod(index, count)
    return int(row_generator(seed, turn, "given").permutation(count)[place])


def kind_of(form: Form, place: int, value: Value) -> Kind:
    return form, place, 0 if isinstance(value, tuple) else len(value)


def measure(value: Value) -> int:
    """What order is about; names have none."""
    return 0 if isinstance(value, tuple) else int(value)


def find_orders(templates: list[Template]) -> list[tuple[int, int]]:
    """Pairs of numbers of as many digits of which the first is never larger than the second, in 20 rows or more."""
    found = []
    slots = range(min(len(template.values) for template in templates))
    for first in slots:
        for second in slots[first + 1 :]:
            pairs = [(t.values[first], t.values[second]) for t in templates]
            rows = [(a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str) and len(a) == len(b)]
            if len(rows) == len(pairs) >= FEW and all(int(a) <= int(b) for a, b in rows):
                found.append((first, second))
    return found


def build_pairs(data: Data, options: PairConditionOptions, seed: int, names: Names, slots: int) -> Pairs:
    """Templates and values from the training rows. UserError for names that are no class and files that are no texts.

    Classes in data.details["undrawn"] are not drawn unless they are named.
    """
    train = data.train
    templates: dict[tuple[int, int], list[Template]] = {}
    donors: dict[Kind, dict[Value, None]] = {}
    for source, target, label in zip(train["source"], train["target"], train["label"].tolist(), strict=True):
        for lead, text in enumerate((source, target)):
            lifted = lift((source, target), slots, lead, names)
            form = (label, lead, tuple(int(found[1]) for found in SLOT.finditer(lifted.texts[lead]) if found[1]))
            templates.setdefault((label, lead), []).append(Template(text, lifted.values, form))
            for place, value in enumerate(lifted.values):
                donors.setdefault(kind_of(form, place, value), {})[value] = None
    by_form: dict[Form, list[Template]] = {}
    for template in (template for found in templates.values() for template in found):
        by_form.setdefault(template.form, []).append(template)
    orders = {form: find_orders(found) for form, found in by_form.items()}
    ordered = {kind: sorted(found, key=str) for kind, found in donors.items()}
    given = _given(data, options) if options.write != "both" else []
    return Pairs(ClassMix(_weights(data, options), seed), options, seed, templates, ordered, orders, given)


def _weights(data: Data, options: PairConditionOptions) -> np.ndarray:
    counts = np.bincount(data.train["label"], minlength=len(data.classes)).astype(np.float64)
    drawn = ~np.isin(data.classes, data.details.get("undrawn", ()))
    weights = weigh_classes(options.balance, data.classes, counts, "no training row has the class", drawn)
    return weights / weights.sum()


def _given(data: Data, options: PairConditionOptions) -> list[tuple[str, int]]:
    side = "target" if options.write == "source" else "source"
    if options.texts is None:
        return list(zip(data.train[side], data.train["label"].tolist(), strict=True))
    if len(data.classes) > 1:
        raise UserError(
            f"conditions.texts: the source has {len(data.classes)} classes, and a line of a file tells none; "
            "use a source without a label column"
        )
    path = Path(options.texts).expanduser()
    try:
        if path.stat().st_size > LARGEST_TEXTS:
            raise UserError(f"conditions.texts: {options.texts!r} is larger than {LARGEST_TEXTS:,} bytes; split it")
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        raise UserError(f"conditions.texts: {options.texts!r} cannot be read as UTF-8 text ({error})") from None
    longest = max(map(len, data.train[side]))
    kept = [(line, 0) for line in dict.fromkeys(lines) if line and len(line) <= longest and line.isprintable()]
    if not kept:
        raise UserError(
            f"conditions.texts: {options.texts!r} has no line of 1 to {longest} printable characters, which is as long "
            "as the longest training text; give other texts"
        )
    return kept
