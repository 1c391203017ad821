"""What a model to start from is: one of our own runs, a diffusers pipeline, or a model of transformers.

Reads headers alone. `identify` is the one place that tells formats apart, and `refuse_unread` the one that refuses
those that a task cannot start from.

    if identify("runs/fashion/model") == "own":
        base = OwnBase.read("runs/fashion/model")
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import UserError
from ..storage import digest
from .options import BaseOptions

Kind = Literal["own", "diffusers", "transformers", "hub"]
PIPELINES = ("RowPipeline", "BlockPipeline")  # of sampling.pretrained
WEIGHTS = Path("denoiser") / "diffusion_pytorch_model.safetensors"
FACTS = "training.json"
WORDS = {
    "diffusers": "a diffusers pipeline",
    "transformers": "a model of transformers",
    "hub": "no folder on this machine but may be a model of the Hub",
}


def identify(base: str) -> Kind:
    """What `base` is, from the files in its folder; "hub" for what is no folder and may be an id of the Hub. A
    UserError for a folder that holds no model, or that cannot be."""
    if not base.strip():
        raise UserError("model.base: '' is no model; name a folder or a Hub id, or write null")
    folder = Path(base)
    if not folder.is_dir():
        if len(folder.parts) > 2 or folder.is_absolute() or base.startswith("."):
            raise UserError(f"model.base: there is no folder {base}; name one, or the id of a model on the Hub")
        return "hub"
    if find_model(folder) is not None:
        return "own"
    if (folder / "model_index.json").is_file():
        return "diffusers"
    if (folder / "config.json").is_file():
        return "transformers"
    raise UserError(
        f"model.base: {base} has no config.json and no model_index.json; name the model folder of a run, or one that "
        "save_pretrained wrote"
    )


def find_model(folder: Path) -> Path | None:
    """The model folder of a run of ours, of which `folder` is the run or the model itself."""
    for place in (folder, folder / "model"):
        try:
            index = json.loads((place / "model_index.json").read_text())
        except (OSError, ValueError):
            continue
        if isinstance(index, dict) and index.get("_class_name") in PIPELINES:
            return place
    return None


def is_foreign(options: Any, folder: Path | None) -> bool:
    """Whether the net is another library's: that of the model trained in `folder`, whose base may be gone; before there
    is one, what `options.base` names."""
    if not isinstance(options, BaseOptions) or options.base is None:
        return False
    if folder is None:
        return identify(options.base) != "own"
    index = json.loads((folder / "model_index.json").read_text())
    return index["denoiser"][1] not in options.nets


def refuse_unread(options: BaseOptions, kind: Kind) -> None:
    """A UserError where the task does not start from what `options.base` is."""
    if kind in (*options.reads, "own"):
        return
    raise UserError(
        f"model.base: {options.base} is {WORDS[kind]}, and the rows of this task start from none of that kind; name "
        "the model folder of an earlier run, or write null"
    )


@dataclass(frozen=True)
class OwnBase:
    """The model of an earlier run."""

    name: str  # as the user wrote it
    folder: Path  # model/
    net: str  # class of the denoiser
    config: dict[str, Any]  # that it was built with
    facts: dict[str, Any]  # of its training
    sha256: str  # of the weights

    @staticmethod
    def read(base: str) -> OwnBase:
        """Headers and digest; the weights are not loaded. A UserError where files are missing."""
        folder = find_model(Path(base))
        assert folder is not None, f"{base} is no model of ours"
        try:
            index, config, facts = (
                json.loads((folder / name).read_text()) for name in ("model_index.json", "denoiser/config.json", FACTS)
            )
            return OwnBase(base, folder, index["denoiser"][1], config, facts, digest(folder / WEIGHTS))
        except (OSError, ValueError, LookupError) as error:
            raise UserError(
                f"model.base: {base} is not whole ({type(error).__name__}: {error}); run its recipe again"
            ) from None

    @property
    def run(self) -> Path:
        """The folder of the whole run."""
        return self.folder.parent

    @property
    def task(self) -> str | None:
        """None where it was made before models told it."""
        return self.facts.get("task")

    @property
    def axes(self) -> dict[str, list[str]]:
        """What the numbers along the axes of its tensors mean."""
        return dict(self.facts.get("axes") or {})


def find_own(options: BaseOptions) -> OwnBase | None:
    """The model of an earlier run that `options` start from; None where there is none, or where the task's network
    reads the base by itself. UserErrors name the field, the value and the fix."""
    if options.base is None:
        return None
    kind = identify(options.base)
    if kind == "own":
        base = OwnBase.read(options.base)
        if options.revision is not None:
            raise UserError(
                f"model.revision: {options.revision!r} is of the Hub, and {options.base} a folder; remove it"
            )
        if options.adapt != "lora":
            for field, value in options.differing("rank", "alpha", "targets").items():
                raise UserError(f"model.{field}: {value!r} is of adapt: lora; set model.adapt to lora, or remove it")
        return base
    refuse_unread(options, kind)
    if options.continue_ is not None:
        raise UserError(
            f"model.continue: {options.base} is {WORDS[kind]}, and no run of ours that could draw its old rows; name a "
            "run's folder in model.base, or remove continue"
        )
    return None


def take_shape(options: BaseOptions, base: OwnBase) -> BaseOptions:
    """The options with the base's shape. A UserError for a field that asks for another one; only `patch`, which says
    how a row is cut up, may differ."""
    own = {name: base.config[name] for name in options.shape if name in base.config}
    for name, value in options.differing(*own).items():
        had = tuple(own[name]) if isinstance(own[name], list) else own[name]
        if name == "patch":
            own.pop(name)
        elif value != had:
            raise UserError(
                f"model.{name}: {value!r} is not the shape of {base.name}, which has {had!r}; remove it, or write null "
                "as model.base"
            )
    return options.model_copy(update={n: tuple(v) if isinstance(v, list) else v for n, v in own.items()})


def refuse_other(options: BaseOptions, task: str, base: OwnBase) -> None:
    """A UserError where the base's net is of another class, or draws rows of another kind."""
    if base.net not in options.nets:
        raise UserError(
            f"model.base: {base.name} is a {base.net}{_of(base)}, and the rows of {task} need a "
            f"{' or '.join(options.nets)}; name a model of the same kind of rows, or write null"
        )
    if base.task not in (None, task) and "TextDenoiser" not in options.nets:
        raise UserError(
            f"model.base: {base.name} draws rows of {base.task}, not of {task}; name a model of {task}, or write null"
        )


def _of(base: OwnBase) -> str:
    return f" of {base.task}" if base.task else ""
