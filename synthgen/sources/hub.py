"""Datasets of the Hugging Face Hub, through `datasets`. Never runs a dataset's own code; decodes no image.

opened = open_hub(ImageSourceOptions(kind="hub", id="zalando-datasets/fashion_mnist"), "label")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import UserError
from . import folders
from .files import target_columns
from .options import ImageSourceOptions, SourceOptions
from .rows import Opened, Row, Target
from .tables import check_columns, make_row


def open_hub(options: ImageSourceOptions, target: Target) -> Opened:
    """The dataset's parts; downloads what is not yet in the cache. A UserError if it cannot be reached."""
    image, column = target_columns(options, target)
    parts = load_parts(options)
    for part in parts.values():
        check_columns(tuple(part.column_names), {"image": image, target: column}, str(options.id))
    train = parts["train"]
    here = Path(str(options.id)).exists()
    return Opened(
        parts={name: partial(_read, part, f"{name} row", image, column, target) for name, part in parts.items()},
        title=f"{options.id}{f' ({options.config})' if options.config else ''} of the Hugging Face Hub",
        names=names_of_classes(train.features, column),
        license=options.license or find_license(options, train, ask=not here),
        citation=options.origin or train.info.citation.strip() or f"https://huggingface.co/datasets/{options.id}",
        labels=f"as they stand in the dataset's column {column!r}; who made them is not stated here",
        notes=(f"read from the local folder {options.id}, not from the Hub",) if here else (),
    )


def describe_hub(options: ImageSourceOptions, target: Target) -> str:
    """The header of the dataset, without its rows."""
    image, column = target_columns(options, target)
    wanted = {"image": image, target: column}
    return describe_dataset(options, wanted)


def describe_dataset(
    options: SourceOptions,
    wanted: dict[str, str] | None = None,
    check: Callable[[Any], object] = lambda features: None,
) -> str:
    """One line about the dataset, from its header. A UserError if it lacks a column that is `wanted` (ours -> theirs);
    `check` may refuse its features."""
    datasets = import_datasets()
    try:
        builder = datasets.load_dataset_builder(options.id, name=options.config, revision=options.revision)
    except Exception as error:  # the network, the Hub's client and the format reader each have their own
        raise explain_unreachable(options, error) from None
    info = builder.info
    if info.features:
        check_columns(tuple(info.features), wanted or {}, str(options.id))
        check(info.features)
    sizes = {name: split.num_examples for name, split in (info.splits or {}).items()}
    counts = ", ".join(f"{name} {size}" for name, size in sizes.items()) or "sizes not stated"
    return f"{options.id} of the Hugging Face Hub: {counts}"


def load_parts(options: SourceOptions) -> dict[str, Any]:
    """Our parts -> `datasets.Dataset` with images left encoded."""
    datasets = import_datasets()
    given = {"train": options.split} if isinstance(options.split, str) else options.split
    load = partial(datasets.load_dataset, options.id, name=options.config, revision=options.revision)
    try:
        parts = {part: load(split=name) for part, name in given.items()} if given else _usual_parts(load(), options)
    except UserError:
        raise
    except Exception as error:  # as above
        raise explain_unreachable(options, error) from None
    return {name: _leave_encoded(part, datasets) for name, part in parts.items()}


def _usual_parts(loaded: Any, options: SourceOptions) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for name in loaded:
        part = folders.find_part(name, folders.USUAL_NAMES)
        if part and part not in parts:
            parts[part] = loaded[name]
    if "train" not in parts and len(loaded) == 1:
        parts = {"train": next(iter(loaded.values()))}
    if "train" not in parts:
        names = ", ".join(loaded)
        raise UserError(f"source.split: {options.id} has no split called train; set it to one of: {names}")
    return parts


def _leave_encoded(part: Any, datasets: Any) -> Any:
    for name, feature in part.features.items():
        if isinstance(feature, datasets.Image):
            part = part.cast_column(name, datasets.Image(decode=False))
    return part


def _read(part: Any, where: str, image: str, column: str, target: Target) -> Iterator[Row]:
    from datasets import config

    # Only what `datasets` itself put on the disk; a path that a dataset's row names elsewhere is refused.
    caches = tuple(Path(folder) for folder in (config.HF_CACHE_HOME, config.HF_DATASETS_CACHE))
    for number, cells in enumerate(part.select_columns([image, column] if image != column else [image])):
        yield make_row(f"{where} {number}", (cells[image], cells[column]), target, caches)


def names_of_classes(features: Any, column: str) -> tuple[str, ...] | None:
    names = getattr(features[column], "names", None)
    return tuple(names) if names else None


def find_license(options: SourceOptions, train: Any, ask: bool) -> str:
    """From the dataset's own record, else from its page on the Hub, if there is one to ask."""
    if train.info.license or not ask:
        return str(train.info.license or "unknown")
    try:
        from huggingface_hub import HfApi

        card = HfApi().dataset_info(str(options.id), revision=options.revision, timeout=10).card_data
        found = card.get("license") if card else None
    except Exception:  # without a network the card says "unknown", which is true
        return "unknown"
    return ", ".join(found) if isinstance(found, list) else str(found or "unknown")


def import_datasets() -> Any:
    try:
        import datasets
    except ModuleNotFoundError:
        raise UserError(
            "source.kind: 'hub' needs the package 'datasets', which is not installed; run: pip install datasets"
        ) from None
    return datasets


def explain_unreachable(options: SourceOptions, error: Exception) -> UserError:
    words = (str(error).splitlines() or [""])[0][:200]
    place = f"{options.id!r}" + (f" at revision {options.revision!r}" if options.revision else "")
    return UserError(
        f"source.id: {place} could not be read from the Hub ({type(error).__name__}: {words}); check the name and the "
        "network, or download it and set source.kind=files and source.path=<folder>"
    )
