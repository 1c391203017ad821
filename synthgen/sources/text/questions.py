"""Questions with passages that answer them, ready to train on: written from facts, or read, checked and divided.

No passage is in two parts. Texts are data: what passes is kept character by character. Knows no models and no tokens.

    data = load_questions(QuestionSourceOptions(kind="builtin", name="territories"), seed=0)
    data.train["question"][0], data.train["answer"][0]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import babel
import numpy as np

from ...errors import UserError
from ...types import Columns, Data, Origin, as_objects, thin_rows
from .. import hub
from ..builtins import check_builtin
from ..rows import PARTS, BadRow, Faults
from ..splits import HELDOUT_SEED, ROWS_STREAM, VALIDATION_ROWS, keep_rows, seeded, split_rows
from ..tables import check_columns
from .documents import describe_documents, read_documents
from .facts import KINDS
from .question_columns import NEEDED, ROLES, Asked, read_question_row, unfold_squad
from .question_options import QuestionSourceOptions
from .records import Records, describe_records, open_records
from .territories import Example, draw_examples

NAME = "territories"
TRAIN, VALIDATION, HELDOUT, UNSEEN = 3000, 300, 600, 200  # rows that are drawn; unseen ones are held-out too
UNANSWERABLE = "unanswerable"
TYPES = ("number", "date", "name", "phrase")
FEWEST_OF_TYPE = 10  # training rows; what is rarer counts as a phrase
FEWEST_TITLES = 10
LONGEST_NAME = 8  # words


def load_questions(options: QuestionSourceOptions, seed: int) -> Data:
    """Columns id, title, context, question, answer (object (N,) of str), start and label (int64 (N,)).

    Errors in the source are UserErrors.
    context[start : start + len(answer)] == answer; an unanswerable question has "" at -1. label: the kind of fact, or
    the type of answer. details: language; checked (whether the facts can tell if a question is right); seen (of each
    held-out row, whether the territory's name stands in training rows; None elsewhere); passages (object (M,) of
    (title, context) to ask about; None: those of the training rows).
    """
    if options.kind == "builtin":
        check_builtin(options.name or "", (NAME,), module="babel", extra="text")
        return _load_territories(options.rows or TRAIN, seed)
    if options.kind == "documents":
        return _load_documents(options, seed)
    return _load_records(options, seed)


def describe_questions(options: QuestionSourceOptions) -> str:
    """One line about the source, from names and headers alone. A UserError if there is none."""
    if options.kind == "builtin":
        check_builtin(options.name or "", (NAME,), module="babel", extra="text")
        return f"{options.name}: built in; passages and questions from CLDR's facts about territories"
    if options.kind == "documents":
        return describe_documents(options.path or "")
    if options.kind == "hub":
        wanted = {str(role): name for role, name in options.columns.items()}
        return hub.describe_dataset(options, wanted)
    return describe_records(options)


def _load_territories(rows: int, seed: int) -> Data:
    """Validation and held-out rows do not depend on the seed or on how many there are to train on."""
    unseen = draw_examples(UNSEEN, HELDOUT_SEED, "unseen")
    drawn = {
        "heldout": draw_examples(HELDOUT, HELDOUT_SEED, "heldout") + unseen,
        "validation": draw_examples(VALIDATION, HELDOUT_SEED, "validation"),
        "train": draw_examples(rows, seed, "train"),
    }
    classes = (*KINDS, UNANSWERABLE)
    parts = {
        name: _stack(map(_as_asked, found), [_kind_of(e) for e in found], classes) for name, found in drawn.items()
    }
    origin = Origin(
        name=f"territories (CLDR through Babel {babel.__version__})",
        license="Unicode-3.0",
        citation="Unicode CLDR, https://cldr.unicode.org; Babel, https://babel.pocoo.org",
        labels="by construction: passages and questions are written from the same facts",
        splits="by facts, with a fixed digest: what held-out questions ask for stands in no passage of train or "
        f"validation; {UNSEEN} of {HELDOUT + UNSEEN} held-out rows are about territories that train and validation "
        "never name",
    )
    seen = np.arange(HELDOUT + UNSEEN) < HELDOUT
    details = _details(checked=True, seen=seen)
    return Data(parts["train"], parts["validation"], parts["heldout"], classes, origin, details=details)


def _details(**known: Any) -> dict[str, Any]:
    return {"language": "en", "checked": False, "seen": None, "passages": None} | known


def _as_asked(e: Example) -> Asked:
    return Asked("", e.title, e.context, e.context, e.question, e.answer, e.start)


def _kind_of(example: Example) -> str:
    return example.kind if example.answer else UNANSWERABLE


def _load_documents(options: QuestionSourceOptions, seed: int) -> Data:
    """The rows that teach how to ask; the documents' passages stand in the details."""
    passages, notes = read_documents(options.path or "")
    if options.questions in (None, NAME):
        data = _load_territories(options.rows or TRAIN, seed)
    else:
        update = {"kind": "files", "path": options.questions, "questions": None}
        data = _load_records(options.model_copy(update=update), seed)
    origin = replace(
        data.origin,
        name=f"{len(passages)} passages of {Path(options.path or '').name}; asked about as in {data.origin.name}",
        notes=data.origin.notes + notes,
    )
    license, citation = options.license or "unknown", options.origin or "not stated"
    origin = replace(origin, license=license, citation=f"{citation}; questions: {data.origin.citation}")
    return replace(data, origin=origin, details=dict(data.details) | {"passages": passages, "checked": False})


@dataclass(frozen=True)
class Found:
    """Rows that passed the checks, in their order, before they are divided."""

    asked: list[Asked]
    part: np.ndarray  # object (N,): the source's own parts
    notes: tuple[str, ...]


def _load_records(options: QuestionSourceOptions, seed: int) -> Data:
    records = open_records(options, unfold_squad)
    found = read_records(records, options)
    sentence, part, notes = divide(found.asked, found.part, options, seed)
    types = [type_of(asked.answer) for asked in found.asked]
    classes = _choose_classes([kind for kind, name in zip(types, part, strict=True) if name == "train"])
    kinds = [kind if kind in classes else classes[0] for kind in types]
    if options.rows is not None:
        strata = np.array([classes.index(kind) for kind in kinds])
        notes += tuple(keep_rows(part, strata, options.rows, seeded(seed, ROWS_STREAM), "rows"))
    parts = {}
    for name in PARTS:
        rows = np.flatnonzero(part == name).tolist()
        if not rows:
            raise UserError(f"source: no question is left for {name} whose context is in no other part; add contexts")
        parts[name] = _stack([found.asked[row] for row in rows], [kinds[row] for row in rows], classes)
    count = len(parts["validation"]["label"])
    if count > VALIDATION_ROWS:
        parts["validation"] = thin_rows(parts["validation"], VALIDATION_ROWS)
        notes += (f"{VALIDATION_ROWS} of {count} validation rows are used, evenly spaced",)
    origin = Origin(
        records.title,
        records.license,
        records.citation,
        "as they stand in the source; who asked and answered is not stated. Classes are types of answers, by rules",
        sentence,
        records.notes + found.notes + notes,
    )
    return Data(parts["train"], parts["validation"], parts["heldout"], classes, origin, details=_details())


def read_records(records: Records, options: QuestionSourceOptions) -> Found:
    """The good rows of all parts, without repeats. Bad rows are at most 1 %."""
    given = {str(role): name for role, name in options.columns.items()}
    names = {role: given.get(role, role) for role in ROLES}
    wanted = {role: name for role, name in names.items() if role in NEEDED or role in given}
    check_columns(records.columns, wanted, records.title)
    faults = Faults()
    asked: list[Asked] = []
    part: list[str] = []
    answers: dict[tuple[str, str], str] = {}
    repeats = conflicts = 0
    for name in records.parts:
        for record in records.parts[name]:
            try:
                if record.fault:
                    raise BadRow(record.fault)
                row = read_question_row(record.cells, names, options.longest)
            except BadRow as bad:
                faults.add(record.where, str(bad))
                continue
            before = answers.setdefault((row.whole, row.question), row.answer)
            if before == row.answer and len(answers) > len(asked):
                asked.append(row)
                part.append(name)
            elif before == row.answer:
                repeats += 1
            else:
                conflicts += 1
    notes = faults.settle(records.total) + _note_counts(asked, repeats, conflicts, options.longest)
    return Found(asked, as_objects(part), notes)


def _note_counts(asked: Sequence[Asked], repeats: int, conflicts: int, longest: int) -> tuple[str, ...]:
    mended, cut = sum(row.mended for row in asked), sum(row.cut for row in asked)
    said = (
        (mended, "answers had no start or a wrong one; they stand only once in the context, and got that one"),
        (cut, f"contexts were longer than {longest:,} characters and cut to whole sentences around the answer"),
        (repeats, "questions were left out: they repeat another one of the same context"),
        (conflicts, "questions were left out: the same question of the same context has another answer before"),
    )
    return tuple(f"{count} {what}" for count, what in said if count)


def divide(
    asked: Sequence[Asked], part: np.ndarray, options: QuestionSourceOptions, seed: int
) -> tuple[str, np.ndarray, tuple[str, ...]]:
    """How the parts were told apart, the part of every row, and notes. Whole titles, or contexts, stay together."""
    titles = {row.title for row, name in zip(asked, part, strict=True) if name == "train"}
    unit = "title" if len(titles - {""}) >= FEWEST_TITLES and "" not in titles else "context"
    groups: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(asked):
        groups.setdefault((part[number], row.title if unit == "title" else row.whole), []).append(number)
    own = as_objects([name for name, _ in groups])
    # digests tell the groups apart, and nothing else: copies are sought by context below
    digests = [number.to_bytes(8, "little") for number in range(len(groups))]
    split = split_rows(own, np.zeros(len(groups), np.int64), digests, options, seed)
    settled = part.copy()
    for name, rows in zip(split.part, groups.values(), strict=True):
        settled[rows] = name
    notes = _drop_shared(asked, settled)
    return f"{split.sentence}; all counted in {unit}s, none is in two parts".replace("by class, ", ""), settled, notes


def _drop_shared(asked: Sequence[Asked], part: np.ndarray) -> tuple[str, ...]:
    """Leave out rows whose context also stands in a part that is measured on."""
    notes: tuple[str, ...] = ()
    for name, others in (("heldout", ("validation", "train")), ("validation", ("train",))):
        known = {row.whole for row, own in zip(asked, part, strict=True) if own == name}
        shared = np.array([row.whole in known for row in asked], bool)
        for other in others:
            out = shared & (part == other)
            if out.any():
                notes += (f"{out.sum()} {other} rows were left out: their context is also in {name}",)
                part[out] = ""
    return notes


_MONTH = r"(?:jan|febr?|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"\b{_MONTH}\.?\s+\d|\d(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b|^(?:in\s+|c\.\s*)?(?:1\d|20)\d\d(?:s|\s*[-–]\s*\d+)?$"
    r"|\bcentur(?:y|ies)\b|^(?:mon|tues|wednes|thurs|fri|satur|sun)day$|\b\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|thousand|million)\b",
    re.IGNORECASE,
)
_SMALL = frozenset("of the and de la le von van der da di del for in on at to & - a al el".split())


def type_of(answer: str) -> str:
    """date, number, name or phrase, by the look of the answer; unanswerable where there is none."""
    words = answer.split()
    if not words:
        return UNANSWERABLE
    if len(words) <= LONGEST_NAME:
        if _DATE.search(answer.strip()):
            return "date"
        if _NUMBER.search(answer) and not answer[:1].isupper():
            return "number"
        large = [word for word in words if word.lower() not in _SMALL]
        if large and all(word.lstrip("\"'(“‘")[:1].isupper() for word in large):
            return "name"
    return "phrase"


def _choose_classes(types: list[str]) -> tuple[str, ...]:
    """The types with enough training rows, the most common first: what is rarer counts as that."""
    counts = {kind: types.count(kind) for kind in TYPES}
    kept = [kind for kind in TYPES if counts[kind] >= FEWEST_OF_TYPE] or [max(TYPES, key=lambda kind: counts[kind])]
    kept.sort(key=lambda kind: -counts[kind])
    return (*kept, UNANSWERABLE) if UNANSWERABLE in types else tuple(kept)


def _stack(asked: Any, kinds: Sequence[str], classes: tuple[str, ...]) -> Columns:
    rows: list[Asked] = list(asked)
    return {
        "id": as_objects([row.id or f"{number}" for number, row in enumerate(rows)]),
        "title": as_objects([row.title for row in rows]),
        "context": as_objects([row.context for row in rows]),
        "question": as_objects([row.question for row in rows]),
        "answer": as_objects([row.answer for row in rows]),
        "start": np.array([row.start for row in rows], np.int64),
        "label": np.array([classes.index(kind) for kind in kinds], np.int64),
    }
