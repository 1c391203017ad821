"""What a task is: one field a stage. A task's file fills in this record and nothing else.

A task knows what its rows are. It does not know the order of the stages, nor where the run's folder is.

    TASK = Task(name="classification", summary="image and class", ...)
    task = find("classification")
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module, util
from pathlib import Path
from typing import Any

from .errors import UserError
from .options import ConditionOptions, Options
from .types import Check, Columns, Condition, Data, Judge, LabelGenerator, Learner

Batches = Iterator[dict[str, list[Any]]]  # exported rows, some hundred at a time
WriteFormat = Callable[[Path, Batches, Data, Any, Any], list[Any]]
"""(dataset folder, rows, data, condition options, facts about the run): write the rows in another format as well.
Gives PIL pictures of what only that format has, if there are any, for card and report."""


@dataclass(frozen=True)
class Task:
    """One kind of dataset. Callables take options of their own stage, never the recipe."""

    name: str
    summary: str  # what a row is, in a few words
    extra: str  # `pip install synthgen[<extra>]` brings what it needs
    requires: tuple[str, ...]  # the modules that the extra brings
    builtins: Mapping[str, str]  # name of a built-in source -> one line about it
    source_options: type[Options]
    model_options: type[Options]
    condition_options: type[ConditionOptions]
    hub_tags: Mapping[str, Any]  # `task_categories` and the like, for the dataset card

    describe: Callable[[Any], str]  # (source options): one line about a source that exists, from its headers alone
    load: Callable[[Any, int], Data]  # (source options, seed)
    codec: Callable[[Data, Any, Path | None], Any]
    """(data, model options, folder of the run's trained model if there is one) -> Codec. What a pretrained base brings
    is read from that folder then: the base may be gone."""
    network: Callable[[Data, Any, Any], Any]  # (data, codec, model options) -> Denoiser
    labels: Callable[
        [Data, Any, int, Path | None], LabelGenerator
    ]  # (data, condition options, seed, folder for its own model)
    fit_judge: Callable[[Data, int, Path | None], Judge]  # (data, seed, folder): read from the folder if it is there
    learner: Callable[[Data], Learner]
    features: Callable[[Data], Any]  # datasets.Features of a row, without provenance
    encode: Callable[[Columns, Data], dict[str, Any]]  # rows as the Features want them (images as PNG bytes)
    decode: Callable[[dict[str, list[Any]], Data], Columns]  # and back, for evaluation
    draw: Callable[[Columns, Data], list[Any]]  # one PIL picture or TextRow a row, as a person would want to see it
    classes_of: Callable[
        [Columns, Data], Any
    ]  # bool (N, K): which classes a row holds, for per-class tables and quotas
    axes: Callable[[Data, Any], Mapping[str, Sequence[str]]] = lambda data, codec: {"classes": data.classes}
    """(data, codec): what the numbers along the axes of the denoiser's tensors mean, so that another net can take over
    what means the same: names of classes, channels, elements, tokens."""
    mixes: tuple[str, ...] | None = None
    """Of `Data.details`, those that must be equal where rows of two runs are mixed (`model.continue`); None: rows of
    two runs cannot be."""
    as_training: Callable[[Columns, Data], Columns] = lambda rows, data: rows
    """(decoded rows, their data): with the columns that else only a source gives, for rows that are mixed in."""
    augment: Callable[[Any, Condition, tuple[str, ...], Any], tuple[Any, Condition]] = (
        lambda x, condition, names, generator: (x, condition)
    )  # training rows, changed at random as `names` say
    examine: Callable[[Any], None] = lambda options: None
    """(model options): a UserError for a base that cannot serve, by its small files, before anything large is read."""
    annotate: Callable[[Columns, Data], Columns] = lambda columns, data: columns
    """Adds what follows from the row itself, such as connected regions."""
    legend: Callable[[Data], list[tuple[str, tuple[int, int, int]]]] = (
        lambda data: []
    )  # (class, colour) of the pictures
    formats: Mapping[str, WriteFormat] = field(default_factory=dict)  # of `export.formats`, those it can be written in
    augmentations: tuple[str, ...] = ()  # of `train.augment`, those that `augment` knows
    checks: Callable[[Data], tuple[Check, ...]] | None = None  # (data): what each row by itself must pass
    texts: Callable[[Columns], list[str]] | None = None  # all that each row says, where rows are texts
    compare: Callable[[Columns, Columns, Data, int], dict[str, Any]] | None = None
    """(held-out rows, synthetic rows, data, seed): what is to be measured of such rows beside the general fidelity."""
    probe: Callable[[Callable[[Columns, Any], Columns], LabelGenerator, Data], dict[str, Any]] | None = None
    """(sample(conditions, indices), labels, data): what drawing rows anew under changed conditions tells."""
    meanings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of each number that `compare` and `probe` give: what it is, and what is good, in a few words for the report."""
    late: tuple[str, ...] = ()  # features that are too dear for candidates, and that only accepted rows get
    complete: Callable[[dict[str, list[Any]], Data], dict[str, Any]] | None = None
    """(exported rows without `late`, data): the late features, encoded, and what else candidates may lack."""
    refuse: Callable[[Any, Any], None] = lambda model, conditions: None
    """(model options, condition options): a UserError where such a model cannot be asked for that."""
    mark: Callable[[Columns, Any, Data], Columns] = lambda columns, judge, data: columns
    """(drawn rows, judge, data): with what only a judge can say of rows, where the model was not told it."""
    judged: Callable[[Any, Data], tuple[str, ...]] = lambda model, data: ()
    """(model options, data): the features that `mark` gives rows of such a model; others are right by construction."""
    draw_late: Callable[[dict[str, list[Any]], Data], dict[str, list[Any]]] | None = None
    """(exported rows, data): what else is to be seen of them, such as {"meshes": [one PIL picture a row]}."""

    def early(self, data: Data) -> dict[str, Any]:
        """The features that candidates have."""
        return {name: feature for name, feature in dict(self.features(data)).items() if name not in self.late}


def names() -> list[str]:
    """The shipped tasks, in the order of the alphabet."""
    folder = Path(__file__).parent / "tasks"
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def find(name: str) -> Task:
    """The task of that name; a UserError if its extra is not installed."""
    assert name in names(), f"{name} is not a task"
    try:
        task: Task = import_module(f"synthgen.tasks.{name}").TASK
    except ModuleNotFoundError as error:
        if (error.name or "synthgen").partition(".")[0] == "synthgen":
            raise
        raise UserError(missing_extra(name, error.name or "?", _declared_extra(name))) from None
    for module in task.requires:
        if util.find_spec(module) is None:
            raise UserError(missing_extra(name, module, task.extra))
    return task


def is_installed(name: str) -> bool:
    """Whether the task's extra is there."""
    try:
        find(name)
    except UserError:
        return False
    return True


def _declared_extra(name: str) -> str:
    """The `extra` that a task's file states, read without importing what the extra would bring."""
    tree = ast.parse((Path(__file__).parent / "tasks" / f"{name}.py").read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Task")
    words = (word for call in calls for word in call.keywords if word.arg == "extra")
    return next((str(word.value.value) for word in words if isinstance(word.value, ast.Constant)), "all")


def missing_extra(name: str, module: str, extra: str) -> str:
    return f"task: {name!r} needs the package {module!r}, which is not installed; run: pip install 'synthgen[{extra}]'"
