"""Which dialogues to write: who speaks, with which intents, slots and tone, and how many turns there are.

Where the source can tell what may be asked, each plan is drawn anew; else it is a real dialogue's, with values of its
slots from other dialogues. Knows plans, not words.

    plans = build_plans(data, PlanConditionOptions(), seed=0)
    plans.draw(np.arange(256))      # label, roles, intents, slots, tone, contents (all None)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..diffusion.noise import row_generator
from ..errors import UserError
from ..mistakes import meant
from ..types import Columns, Data, as_objects
from .class_mix import ClassMix, weigh_classes
from .plan_options import PlanConditionOptions

TRIES = 5_000  # plans that are drawn for one that has the class and the turns that are asked for
SURVEYED = 2_000  # plans that are drawn to see what there is
SURVEY = 0  # their seed: what there is does not depend on the rows' seed
DISTINCT = 8  # tries for values that differ from one another

Slots = tuple[tuple[str, str], ...]
_COLUMNS = ("roles", "intents", "slots", "tone")


@dataclass(frozen=True)
class Plan:
    """A dialogue without its words."""

    roles: tuple[str, ...]
    intents: tuple[str, ...]
    slots: tuple[Slots, ...]
    tone: str
    label: int  # the class


DrawPlan = Callable[[np.random.Generator, str | None], Plan]  # of that tone


@dataclass(frozen=True)
class Plans:
    """A LabelGenerator."""

    mix: ClassMix
    options: PlanConditionOptions
    seed: int
    plans: Mapping[tuple[int, str], Sequence[Plan]]  # by class and tone, those of the turns that are asked for
    tones: Mapping[int, tuple[tuple[str, ...], np.ndarray]]  # by class: tones and their shares
    donors: Mapping[str, tuple[str, ...]]  # values by name of slot
    draw_plan: DrawPlan | None

    def with_seed(self, seed: int) -> Plans:
        return replace(self, mix=self.mix.with_seed(seed), seed=seed)

    def draw(self, indices: np.ndarray) -> Columns:
        """Every column has N rows: label int64; tone str; roles, intents, slots, contents tuples of a turn each."""
        labels = self.mix.draw(indices)["label"]
        plans = [self._row(int(index), int(label)) for index, label in zip(indices, labels, strict=True)]
        return {
            "label": labels,
            "roles": as_objects(plan.roles for plan in plans), "intents": as_objects(plan.intents for plan in plans),
            "slots": as_objects(plan.slots for plan in plans), "tone": as_objects(plan.tone for plan in plans),
            "contents": as_objects((None,) * len(plan.roles) for plan in plans),
        }  # fmt: skip

    def _row(self, index: int, label: int) -> Plan:
        draw = row_generator(self.seed, index, "plan")
        names, shares = self.tones[label]
        tone = names[int(draw.choice(len(names), p=shares))]
        found = self._draw_anew(draw, label, tone) if self.draw_plan else None
        if found is None:
            pool = self.plans[label, tone]
            found = pool[int(draw.integers(len(pool)))]
            if self.options.recombine and not self.draw_plan:
                found = self._exchange(draw, found)
        return found

    def _draw_anew(self, draw: np.random.Generator, label: int, tone: str) -> Plan | None:
        """None where none of very many is one of these: then one of those that were found at the start is taken."""
        assert self.draw_plan is not None
        for _ in range(TRIES):
            plan = self.draw_plan(draw, tone)
            if plan.label == label and _has_turns(plan, self.options):
                return plan
        return None

    def _exchange(self, draw: np.random.Generator, plan: Plan) -> Plan:
        """Each value, wherever it stands, gives way to another of the first slot that it fills."""
        names: dict[str, str] = {}
        for name, value in (slot for named in plan.slots for slot in named):
            names.setdefault(value, name)
        for _ in range(DISTINCT):
            chosen = {value: self.donors[name][draw.integers(len(self.donors[name]))] for value, name in names.items()}
            if len(set(chosen.values())) == len(chosen):
                break
        slots = tuple(tuple((name, chosen[value]) for name, value in named) for named in plan.slots)
        return Plan(plan.roles, plan.intents, slots, plan.tone, plan.label)


def build_plans(data: Data, options: PlanConditionOptions, seed: int, draw_plan: DrawPlan | None = None) -> Plans:
    """Plans of the training rows, or of `draw_plan`. UserError for what no plan has."""
    if draw_plan is None:
        columns = (*(data.train[name] for name in _COLUMNS), data.train["label"].tolist())
        every = [Plan(*row) for row in zip(*columns, strict=True)]
    else:
        draw = row_generator(SURVEY, 0, "plans")
        every = [draw_plan(draw, None) for _ in range(SURVEYED)]
    _check_tones(options, sorted({plan.tone for plan in every}))
    plans: dict[tuple[int, str], list[Plan]] = {}
    for plan in every:
        if _has_turns(plan, options) and (options.tones is None or options.tones.get(plan.tone)):
            plans.setdefault((plan.label, plan.tone), []).append(plan)
    if not plans:
        counts = sorted({len(plan.roles) for plan in every})
        raise UserError(f"conditions.turns: no real dialogue has so many; they have {counts[0]} to {counts[-1]}")
    donors: dict[str, dict[str, None]] = {}
    for name, value in (slot for plan in every for named in plan.slots for slot in named):
        donors.setdefault(name, {})[value] = None
    ordered = {name: tuple(sorted(values)) for name, values in donors.items()}
    mix = ClassMix(_weights(data, options, plans), seed)
    return Plans(mix, options, seed, plans, _tones(options, plans, len(data.classes)), ordered, draw_plan)


def _has_turns(plan: Plan, options: PlanConditionOptions) -> bool:
    return options.turns is None or options.turns[0] <= len(plan.roles) <= options.turns[1]


def _check_tones(options: PlanConditionOptions, tones: Sequence[str]) -> None:
    for name in options.tones or ():
        if name not in tones:
            known = [tone for tone in tones if tone]
            fix = meant(name, known) if known else "the source states no tones; remove it"
            raise UserError(f"conditions.tones: {name!r} is no tone of the data; {fix}")


def _weights(data: Data, options: PlanConditionOptions, plans: Mapping[tuple[int, str], Sequence[Plan]]) -> np.ndarray:
    counts = np.zeros(len(data.classes))
    for (label, _), found in plans.items():
        counts[label] += len(found)
    lacks = "no dialogue of the turns and tones that are asked for has the class"
    weights = weigh_classes(options.balance, data.classes, counts, lacks)
    return weights / weights.sum()


def _tones(
    options: PlanConditionOptions, plans: Mapping[tuple[int, str], Sequence[Plan]], classes: int
) -> dict[int, tuple[tuple[str, ...], np.ndarray]]:
    found = {}
    for label in range(classes):
        counts = {tone: len(of_tone) for (number, tone), of_tone in plans.items() if number == label}
        if counts:
            shares = np.array([options.tones[tone] if options.tones else n for tone, n in counts.items()], np.float64)
            found[label] = (tuple(counts), shares / shares.sum())
    return found
